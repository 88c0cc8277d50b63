import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { systemDisk } from '../../src/base/disk.js';
import { ResultStore, type PendingResult } from '../../src/queue/result-store.js';
import { LevelStore, type Store } from '../../src/queue/store.js';

const NOT_SYNCED = { sync: false };

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'relaymesh-results-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Each look at it is a millisecond later: of one millisecond the order does not matter. */
let nowMs = 1_700_000_000_000;
const clock = { ...systemClock, nowMs: () => ++nowMs };

async function opened(folder: string, maxBytes = 1_000_000): Promise<ResultStore> {
  const store = new ResultStore({ folder, maxBytes }, systemDisk, clock);
  await store.open();
  return store;
}

function result(number: number, bytes = 10): PendingResult {
  return {
    queues: ['results', 'success'],
    messageId: `id-${number}`,
    body: Buffer.alloc(bytes, 65),
  };
}

test('what was put is there for the next process, in order, until it is removed', async (t) => {
  const folder = await folderOf(t);
  let store = await opened(folder);
  for (let number = 0; number < 5; number++) {
    assert.equal(await store.put(result(number), NOT_SYNCED), true);
  }
  await store.close();
  store = await opened(folder);
  const first = await store.oldest(2, 1_000_000);
  assert.deepEqual(
    first.map(({ queues, messageId, body }) => ({ queues, messageId, body })),
    [result(0), result(1)],
  );
  await store.remove(first);
  const rest = await store.oldest(100, 1_000_000);
  assert.deepEqual(
    rest.map(({ messageId }) => messageId),
    ['id-2', 'id-3', 'id-4'],
  );
  await store.close();
});

test('it has a bound, and has room again for what was removed', async (t) => {
  const store = await opened(await folderOf(t), 3000);
  assert.equal(await store.put(result(1, 1000), NOT_SYNCED), true);
  assert.equal(await store.put(result(2, 1000), NOT_SYNCED), true);
  assert.equal(await store.put(result(3, 1000), NOT_SYNCED), false);
  assert.deepEqual([store.count, store.hasRoom(1000)], [2, false]);
  await store.remove(await store.oldest(1, 1));
  assert.equal(await store.put(result(4, 1000), NOT_SYNCED), true);
  await store.remove(await store.oldest(100, 1_000_000));
  assert.deepEqual(await store.oldest(1, 1), []);
  assert.deepEqual([store.count, store.bytes], [0, 0]);
  await store.close();
});

test('no more bytes are read at once than are asked for', async (t) => {
  const store = await opened(await folderOf(t));
  for (let number = 0; number < 4; number++) {
    await store.put(result(number, 1000), NOT_SYNCED);
  }
  assert.equal((await store.oldest(100, 1500)).length, 2);
  await store.close();
});

test('a store that another process has is said to be so', async (t) => {
  const folder = await folderOf(t);
  const store = await opened(folder);
  await assert.rejects(opened(folder), { code: 'RESULTS_UNREADABLE' });
  await store.close();
});

test('after a write that failed it is opened again, and not at each write', async (t) => {
  const folder = await folderOf(t);
  const level = new LevelStore(folder);
  let opens = 0;
  let refusing = false;
  const scripted: Store = {
    open: () => (opens++, level.open()),
    close: () => level.close(),
    batch: (operations, options) =>
      refusing ? Promise.reject(new Error('no space left')) : level.batch(operations, options),
    get: (key) => level.get(key),
    getSync: (key) => level.getSync(key),
    iterator: (range) => level.iterator(range),
    approximateSize: (start, end) => level.approximateSize(start, end),
    compactRange: (start, end) => level.compactRange(start, end),
  };
  let monotonicMs = 0;
  const ownClock = { ...clock, monotonicMs: () => monotonicMs };
  const store = new ResultStore({ folder, maxBytes: 10_000 }, systemDisk, ownClock, scripted);
  await store.open();
  await store.put(result(1), NOT_SYNCED);
  refusing = true;
  await assert.rejects(store.put(result(2), NOT_SYNCED), /no space left/);
  refusing = false;
  await assert.rejects(store.put(result(3), NOT_SYNCED), { code: 'RESULTS_UNREADABLE' });
  assert.equal(opens, 1);
  monotonicMs = 5000;
  assert.equal(await store.put(result(4), NOT_SYNCED), true);
  assert.equal(opens, 2);
  assert.deepEqual(
    (await store.oldest(10, 10_000)).map(({ messageId }) => messageId),
    ['id-1', 'id-4'],
  );
  await store.close();
});
