import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ClassicLevel } from 'classic-level';
import type { LevelTraceStore } from '../../src/trace/level-store.js';
import { eventually } from '../base/eventually.js';
import { aHopRecord } from './hop-records.js';
import { all, at, ids, makeBench, PRUNE_MS, queueId, WIDE } from './level-store-bench.js';

test('finished records are forgotten by age, with every way to find them; unfinished ones never', async (t) => {
  const bench = await makeBench(t, { maxAgeSeconds: 100 });
  const store = await bench.opened();
  const trace = '1'.repeat(32);
  const old = { trace_id: trace, message_id: 'm@a.example' };
  store.put(aHopRecord(queueId(1), old));
  store.put(aHopRecord(queueId(2), { ...old, finished_at: null }));
  store.put(aHopRecord(queueId(3), { ...old, received_at: at(90) }));
  await all(store);
  bench.clock.advance(PRUNE_MS);
  await eventually('the pruning', () => bench.clock.timers > 0);
  assert.equal((await all(store)).length, 3, 'a minute is no age');
  bench.clock.advance(PRUNE_MS);
  await eventually('the next pruning', async () => (await all(store)).length === 2);
  for (const id of [trace, 'm@a.example'])
    assert.deepEqual(ids(await store.find(id)), [queueId(2), queueId(3)]);
  assert.deepEqual(await store.find(queueId(1)), []);
  await store.change(queueId(2), (record) => void (record.finished_at = at(130)));
  await all(store);
  bench.clock.advance(PRUNE_MS);
  await eventually('the last pruning', async () => (await all(store)).length === 1);
});

test('the oldest finished records beyond the number that is kept are forgotten', async (t) => {
  const bench = await makeBench(t, { maxRecords: 3, maxAgeSeconds: 1_000_000 });
  const store = await bench.opened();
  for (let number = 0; number < 8; number++) {
    store.put(
      aHopRecord(queueId(number), number === 1 || number === 6 ? { finished_at: null } : {}),
    );
  }
  await all(store);
  bench.clock.advance(PRUNE_MS);
  await eventually('the pruning', async () => (await all(store)).length <= 3);
  assert.deepEqual(await all(store), [7, 6, 1].map(queueId));
  for (let number = 8; number < 12; number++) {
    store.put(aHopRecord(queueId(number), { finished_at: null }));
  }
  await all(store);
  bench.clock.advance(PRUNE_MS);
  await eventually('the next pruning', async () => (await all(store)).length === 6);
  assert.deepEqual(
    await all(store),
    [11, 10, 9, 8, 6, 1].map(queueId),
    'only unfinished ones are left',
  );
});

test('the oldest finished records beyond the bytes that are kept are forgotten; unfinished ones never', async (t) => {
  const bench = await makeBench(t, { maxRecords: 1_000_000, maxBytes: 100_000 });
  let store = await bench.opened();
  const long = { client: { address: '192.0.2.1', helo: 'h'.repeat(9000), user: null } };
  const put = (number: number, changes = {}): void =>
    store.put(aHopRecord(queueId(number), { ...long, ...changes }));
  put(0, { finished_at: null });
  for (let number = 1; number < 20; number++) put(number);
  await all(store);
  bench.clock.advance(PRUNE_MS);
  const left = [19, 18, 17, 16, 15, 14, 13, 12, 11, 0].map(queueId);
  await eventually('the pruning', async () => (await all(store)).length <= left.length);
  assert.deepEqual(await all(store), left, 'nine to ten thousand bytes each');
  await store.change(queueId(0), (record) => void (record.client.helo = 'h'.repeat(63_000)));
  store = await bench.opened();
  bench.clock.advance(PRUNE_MS);
  await eventually('the next pruning', async () => (await all(store)).length <= 4);
  assert.deepEqual(await all(store), [19, 18, 17, 0].map(queueId), 'the count outlives a restart');
});

test('other limits hold from a reload on', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  for (let number = 0; number < 8; number++) store.put(aHopRecord(queueId(number)));
  await all(store);
  for (const [limits, left] of [
    [{ maxRecords: 6 }, 6],
    [{ maxBytes: 1850 }, 4],
    [{ maxAgeSeconds: 1 }, 0],
  ] as const) {
    store.reload({ directory: '/nowhere', ...WIDE, ...limits });
    bench.clock.advance(PRUNE_MS);
    await eventually('the pruning', async () => (await all(store)).length <= left);
    assert.equal((await all(store)).length, left);
  }
});

test('a record that is changed while it is being forgotten comes back whole', async (t) => {
  const bench = await makeBench(t, { maxAgeSeconds: 1 });
  let store = await bench.opened();
  store.put(aHopRecord(queueId(1)));
  store = await bench.opened();
  const { mock } = t.mock.method(ClassicLevel.prototype, 'batch', function (this: ClassicLevel) {
    mock.restore();
    const batch = this.batch();
    const write = batch.write.bind(batch);
    batch.write = async (options?: object) => {
      await store.change(queueId(1), (record) => void (record.finished_at = null));
      return write(options ?? {});
    };
    return batch;
  } as () => never);
  bench.clock.advance(PRUNE_MS);
  await eventually('the change', () => bench.clock.delaysMs.some((delayMs) => delayMs < 1000));
  const found = { recipient: 'one@b.example' };
  assert.deepEqual(await all(store, found), [queueId(1)]);
  bench.clock.advance(2 * PRUNE_MS);
  store = await bench.opened();
  assert.deepEqual(await all(store, found), [queueId(1)], 'it is under way');
});

test('what is forgotten leaves no key behind', async (t) => {
  const bench = await makeBench(t, { maxAgeSeconds: 1 });
  const store = await bench.opened();
  const recipients = Array.from({ length: 3000 }, (_, number) => `r-${number}@b.example`);
  store.put(
    aHopRecord(queueId(1), { message_id: '<m@a.example>', envelope: { sender: '', recipients } }),
  );
  store.put(aHopRecord(queueId(2)));
  await all(store);
  bench.clock.advance(PRUNE_MS);
  await eventually('the pruning', async () => (await all(store)).length === 0);
  await store.close();
  const level = new ClassicLevel(bench.folder);
  const entries = await level.iterator().all();
  await level.close();
  assert.deepEqual(entries, [
    ['z!totals', '{"version":3,"records":0,"bytes":0,"complete":true,"completeTo":""}'],
  ]);
});

test('on the disk the records take no more than what is counted and the logs, however often they were replaced', async (t) => {
  const bench = await makeBench(t, {
    maxAgeSeconds: 1_000_000_000,
    maxRecords: 1_000_000,
    maxBytes: 8_500_000,
  });
  const store = await bench.opened();
  for (let round = 0; round < 8; round++) {
    fill(store, round * 4000, 4000);
    await store.list({ limit: 1 });
    const cursor = queueId(Math.max(0, (round - 1) * 4000));
    const older = async (): Promise<number> =>
      (await store.list({ limit: 1, cursor })).records.length;
    // the next one is due a minute after the end of the one before
    await eventually('the pruning', async () => {
      bench.clock.advance(PRUNE_MS);
      return (await older()) === 0;
    });
  }
  // Beside the tables LevelDB has a log of up to 8 MiB, and another while that is made into tables;
  // up to 4 MiB of what is forgotten wait for their tables to be merged.
  const boundBytes = 8_500_000 + (2 * 8 + 4) * 1024 * 1024;
  await eventually('the room that is given back', async () => {
    bench.clock.advance(PRUNE_MS);
    return (await sizeOf(bench.folder)) < boundBytes;
  });
  let kept = 0;
  await eventually('the bound', async () => {
    bench.clock.advance(PRUNE_MS);
    kept = (await all(store)).length;
    return kept < 8000;
  });
  assert.ok(kept > 4000, `${kept} records are kept`);
});

/** A file that goes away meanwhile has no size. */
async function sizeOf(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map((name) =>
    stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

function fill(store: LevelTraceStore, from: number, count: number): void {
  for (let number = from; number < from + count; number++) {
    const recipients = [`user-${number}@b.example`];
    // not to be compressed
    const helo = randomBytes(500).toString('hex');
    store.put(
      aHopRecord(queueId(number), {
        envelope: { sender: 'a@a.example', recipients },
        client: { address: '192.0.2.1', helo, user: null },
      }),
    );
  }
}
