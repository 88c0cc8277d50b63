import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClassicLevel } from 'classic-level';
import type { HopRecord } from '../../src/trace/record.js';
import { eventually } from '../base/eventually.js';
import { aHopRecord, START_MS } from './hop-records.js';
import { all, captured, ids, makeBench, PRUNE_MS, queueId } from './level-store-bench.js';

/** Of a disk that takes nothing. */
function refusingBatch(): object {
  return { put: () => undefined, write: () => Promise.reject(new Error('IO error')) };
}

test('records survive a restart, with what became of them', async (t) => {
  const bench = await makeBench(t);
  let store = await bench.opened();
  const record = aHopRecord(queueId(1), { message_id: '<m@a.example>' });
  store.put(record);
  await store.change(queueId(1), (changed) => void (changed.action = 'failed'));
  assert.deepEqual(await store.find(queueId(1)), [{ ...record, action: 'failed' }], 'at once');
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
  const { mock } = t.mock.method(ClassicLevel.prototype, 'batch');
  bench.clock.advance(1000);
  await eventually('the write', () => mock.callCount() === 1);
  await eventually('its end', () => bench.clock.timers === 1);
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

test('a list shows the latest version of a record that is being changed', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  store.put(aHopRecord(queueId(1), { action: 'queued' }));
  await all(store);
  await store.change(queueId(1), (record) => void (record.action = 'delayed'));
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
    store.put(aHopRecord(queueId(number), { finished_at: null }));
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

test('a write that fails throws nowhere, is said in the log, and what it held is still found', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  const { mock } = t.mock.method(ClassicLevel.prototype, 'batch', () => refusingBatch());
  store.put(aHopRecord(queueId(1)));
  bench.clock.advance(1000);
  await eventually('the failure', () => captured.codes.includes('TRACE_STORE_FAILED'));
  assert.deepEqual(ids(await store.find(queueId(1))), [queueId(1)]);
  await store.change(queueId(1), (record) => void (record.action = 'delayed'));
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
    return refusingBatch();
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
  t.mock.method(ClassicLevel.prototype, 'batch', () => refusingBatch());
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
