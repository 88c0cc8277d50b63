import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ClassicLevel } from 'classic-level';
import { LevelTraceStore } from '../../src/trace/level-store.js';
import type { HopRecord } from '../../src/trace/record.js';
import type { TraceQuery } from '../../src/trace/store.js';
import { capturedLog } from '../base/captured-log.js';
import { eventually } from '../base/eventually.js';
import { watchBatches } from '../base/level-batches.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { aHopRecord, queueId, START_MS } from './hop-records.js';

const PRUNE_MS = 60_000;
const captured = capturedLog();

interface Bench {
  clock: VirtualClock;
  folder: string;
  /** A store on the same folder, after the one before was closed. */
  opened(): Promise<LevelTraceStore>;
}

async function makeBench(
  t: TestContext,
  limits: { maxAgeSeconds?: number; maxRecords?: number } = {},
): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'relaymesh-trace-'));
  const clock = new VirtualClock(START_MS);
  let current: LevelTraceStore | null = null;
  t.after(async () => {
    await current?.close().catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  });
  captured.lines.length = 0;
  const opened = async (): Promise<LevelTraceStore> => {
    await current?.close();
    const settings = { directory: folder, maxAgeSeconds: 3600, maxRecords: 1000, ...limits };
    current = new LevelTraceStore(settings, clock, captured.log);
    await current.open();
    return current;
  };
  return { clock, folder, opened };
}

function ids(records: readonly HopRecord[]): string[] {
  return records.map((record) => record.queue_id);
}

function at(seconds: number): string {
  return new Date(START_MS + seconds * 1000).toISOString();
}

async function all(store: LevelTraceStore, query: Partial<TraceQuery> = {}): Promise<string[]> {
  return ids((await store.list({ limit: 1000, ...query })).records);
}

test('records survive a restart, with what became of them', async (t) => {
  const bench = await makeBench(t);
  let store = await bench.opened();
  const record = aHopRecord(queueId(1), { message_id: '<m@a.example>' });
  store.put(record);
  store.change(queueId(1), (changed) => void (changed.action = 'failed'));
  assert.deepEqual(await store.find(queueId(1)), [record], 'found at once');
  store = await bench.opened();
  assert.deepEqual(await store.find(queueId(1)), [{ ...record, action: 'failed' }]);
});

test('what is not closed in order loses at most what is younger than a second', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  store.put(aHopRecord(queueId(1)));
  assert.ok(
    bench.clock.delaysMs.some((delayMs) => delayMs <= 1000),
    'a write is due',
  );
  const batches = watchBatches(t);
  bench.clock.advance(1000);
  await eventually('the write', () => batches.length === 1);
  assert.equal(bench.clock.timers, 1, 'only that of the pruning is left');
});

test('a record is found by trace id, queue id and Message-ID with or without brackets, written or not', async (t) => {
  const bench = await makeBench(t);
  let store = await bench.opened();
  const trace = '1'.repeat(32);
  const odd = '<a!b/%~"\u00e9 x@a.example>';
  store.put(aHopRecord(queueId(3), { trace_id: trace, message_id: '<one@a.example>' }));
  store.put(aHopRecord(queueId(1), { trace_id: trace, message_id: 'two@a.example' }));
  store.put(aHopRecord(queueId(2), { trace_id: '2'.repeat(32), message_id: odd }));
  for (const state of ['not yet written', 'read back']) {
    const found = async (id: string): Promise<string[]> => ids(await store.find(id));
    assert.deepEqual(await found(trace), [queueId(1), queueId(3)], `${state}: oldest first`);
    assert.deepEqual(await found(queueId(2)), [queueId(2)], state);
    for (const id of ['one@a.example', '<one@a.example>'])
      assert.deepEqual(await found(id), [queueId(3)], state);
    for (const id of ['two@a.example', '<two@a.example>'])
      assert.deepEqual(await found(id), [queueId(1)], state);
    assert.deepEqual(await found(odd), [queueId(2)], state);
    for (const id of [
      '1',
      trace.slice(1),
      'a',
      'one',
      '',
      '!',
      '~',
      `${trace}!`,
      queueId(9),
      'one@a.example>',
      '%',
      '../x',
    ]) {
      assert.deepEqual(await found(id), [], `${state}: ${id}`);
    }
    store = await bench.opened();
  }
});

test('a list is newest first and filtered by all conditions together', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  for (let number = 0; number < 6; number++) {
    store.put(
      aHopRecord(queueId(number), {
        received_at: at(number * 10),
        action: number % 2 === 0 ? 'delayed' : 'relayed',
        envelope: {
          sender: number < 3 ? 'a@a.example' : 'b@a.example',
          recipients: number === 5 ? ['x@b.example', 'y@b.example'] : ['x@b.example'],
        },
      }),
    );
  }
  const numbers = async (query: Partial<TraceQuery>): Promise<number[]> =>
    (await all(store, query)).map((id) => Number(id.slice(10)));
  assert.deepEqual(await numbers({}), [5, 4, 3, 2, 1, 0]);
  assert.deepEqual(await numbers({ sender: 'a@a.example' }), [2, 1, 0]);
  assert.deepEqual(await numbers({ recipient: 'y@b.example' }), [5]);
  assert.deepEqual(await numbers({ state: 'delayed' }), [4, 2, 0]);
  assert.deepEqual(await numbers({ sinceMs: START_MS + 20_000 }), [5, 4, 3, 2]);
  assert.deepEqual(await numbers({ untilMs: START_MS + 20_000 }), [2, 1, 0]);
  assert.deepEqual(
    await numbers({ sinceMs: START_MS + 10_000, untilMs: START_MS + 30_000 }),
    [3, 2, 1],
  );
  assert.deepEqual(
    await numbers({ sender: 'a@a.example', state: 'delayed', sinceMs: START_MS + 1 }),
    [2],
  );
  assert.deepEqual(await numbers({ sender: 'nobody@a.example' }), []);
});

test('pages have neither gaps nor repeats, also while mail arrives', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  const put = (number: number): void =>
    store.put(aHopRecord(queueId(number), { action: number % 3 === 0 ? 'delayed' : 'relayed' }));
  for (let number = 0; number < 100; number++) put(number);
  for (const [query, wanted] of [
    [{}, Array.from({ length: 100 }, (_, index) => 99 - index)],
    [{ state: 'delayed' }, Array.from({ length: 34 }, (_, index) => 99 - index * 3)],
  ] as const) {
    for (const limit of [1, 7, 50, 1000]) {
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page = await store.list({ ...query, limit, ...(cursor === null ? {} : { cursor }) });
        assert.ok(page.records.length <= limit);
        seen.push(...ids(page.records));
        cursor = page.nextCursor;
        put(1000 + seen.length);
      } while (cursor !== null);
      assert.deepEqual(
        seen.filter((id) => id < queueId(1000)),
        wanted.map(queueId),
        `limit ${limit}`,
      );
    }
  }
});

test('a list shows the latest version of a record that is being changed', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  store.put(aHopRecord(queueId(1), { action: 'queued' }));
  await all(store);
  store.change(queueId(1), (record) => void (record.action = 'delayed'));
  assert.deepEqual(await all(store, { state: 'delayed' }), [queueId(1)]);
  assert.deepEqual(await all(store, { state: 'queued' }), []);
});

test('a record that is not in memory is read, changed and kept', async (t) => {
  const bench = await makeBench(t);
  let store = await bench.opened();
  store.put(aHopRecord(queueId(1)));
  store = await bench.opened();
  await store.change(queueId(1), (record) => void (record.attempts_dropped = 7));
  await store.change('unknown', () => assert.fail('there is nothing to change'));
  store = await bench.opened();
  assert.equal((await store.find(queueId(1)))[0]?.attempts_dropped, 7);
});

test('changes that meet while a record is being read are all kept', async (t) => {
  const bench = await makeBench(t);
  let store = await bench.opened();
  store.put(aHopRecord(queueId(1)));
  store = await bench.opened();
  const add = (record: HopRecord): void => void record.attempts_dropped++;
  await Promise.all([
    store.change(queueId(1), add),
    store.find(queueId(1)),
    store.change(queueId(1), add),
    store.change(queueId(1), add),
  ]);
  assert.equal((await store.find(queueId(1)))[0]?.attempts_dropped, 3);
  store = await bench.opened();
  assert.equal((await store.find(queueId(1)))[0]?.attempts_dropped, 3);
});

test('more records than the cache holds are kept and can all be changed', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  const count = 12_000;
  for (let number = 0; number < count; number++) {
    store.put(aHopRecord(queueId(number)));
    if (number % 1000 === 999) await store.find(queueId(number));
  }
  await store.list({ limit: 1 });
  assert.deepEqual(captured.codes, [], 'a full cache is no failure');
  const oldest = store.change(queueId(0), (record) => void (record.action = 'failed'));
  assert.ok(oldest !== undefined, 'the oldest one has left the cache');
  await oldest;
  const newest = store.change(queueId(count - 1), (record) => void (record.action = 'failed'));
  assert.equal(newest, undefined, 'the newest one is in it');
  assert.deepEqual(await all(store, { state: 'failed' }), [queueId(count - 1), queueId(0)]);
  assert.deepEqual(captured.codes, [], 'nor is a further version of what it holds');
});

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
  store.change(queueId(2), (record) => void (record.finished_at = at(130)));
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

test('a write that fails throws nowhere, is said in the log, and what it held is still found', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  const { mock } = t.mock.method(ClassicLevel.prototype, 'batch', () =>
    Promise.reject(new Error('IO error')),
  );
  store.put(aHopRecord(queueId(1)));
  bench.clock.advance(1000);
  await eventually('the failure', () => captured.codes.includes('TRACE_STORE_FAILED'));
  assert.deepEqual(ids(await store.find(queueId(1))), [queueId(1)]);
  store.change(queueId(1), (record) => void (record.action = 'delayed'));
  store.put(aHopRecord(queueId(2)));
  mock.restore();
  await all(store);
  const next = await bench.opened();
  assert.deepEqual(await all(next), [queueId(2), queueId(1)]);
  assert.deepEqual(await all(next, { state: 'delayed' }), [queueId(1)]);
});

test('a version that comes while a write fails is the one that stays', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  const { mock } = t.mock.method(ClassicLevel.prototype, 'batch', () => {
    store.put(aHopRecord(queueId(1), { action: 'failed' }));
    return Promise.reject(new Error('IO error'));
  });
  store.put(aHopRecord(queueId(1), { action: 'delayed' }));
  await all(store);
  mock.restore();
  assert.deepEqual(await all(store, { state: 'failed' }), [queueId(1)]);
  assert.deepEqual(await all(await bench.opened(), { state: 'failed' }), [queueId(1)]);
});

test('a store that fails for good keeps a bounded number in memory, the latest', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  t.mock.method(ClassicLevel.prototype, 'batch', () => Promise.reject(new Error('IO error')));
  for (let number = 0; number < 15_000; number++) {
    store.put(aHopRecord(queueId(number)));
    if (number % 2500 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await all(store);
  assert.deepEqual(await store.find(queueId(0)), []);
  assert.deepEqual(ids(await store.find(queueId(14_999))), [queueId(14_999)]);
});

test('one damaged record hides no other one', async (t) => {
  const bench = await makeBench(t);
  let store = await bench.opened();
  for (const number of [1, 2, 3]) store.put(aHopRecord(queueId(number)));
  await store.close();
  const level = new ClassicLevel(bench.folder, { valueEncoding: 'utf8' });
  await level.open();
  await level.put(`r!${queueId(2)}`, '{"version":1,"queue_');
  await level.close();
  store = await bench.opened().catch(() => bench.opened());
  assert.deepEqual(await all(store), [queueId(3), queueId(1)]);
  assert.deepEqual(ids(await store.find('c'.repeat(32))), [queueId(1), queueId(3)]);
  assert.deepEqual(await store.find(queueId(2)), []);
  bench.clock.setWall(START_MS + 3_700_000);
  bench.clock.advance(PRUNE_MS);
  await eventually('the pruning', async () => (await all(store)).length === 0);
});
