import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ClassicLevel } from 'classic-level';
import type { LevelTraceStore } from '../../src/trace/level-store.js';
import type { HopRecord } from '../../src/trace/record.js';
import { eventually } from '../base/eventually.js';
import { aHopRecord } from './hop-records.js';
import {
  all,
  captured,
  ids,
  makeBench,
  PRUNE_MS,
  queueId,
  type Bench,
} from './level-store-bench.js';

const COUNT = 700;

function aRecord(number: number): HopRecord {
  const recipients = [`u-${number % 10}@b.example`];
  return aHopRecord(queueId(number), {
    message_id: `<${number}@a.example>`,
    envelope: { sender: 'a@a.example', recipients },
  });
}

/** As version 1 wrote it: without indexes of addresses, and without totals. */
async function writeVersion1(folder: string): Promise<void> {
  const level = new ClassicLevel(folder);
  for (let number = 0; number < COUNT; number++) {
    const record = aRecord(number);
    await level.batch([
      { type: 'put', key: `r!${record.queue_id}`, value: JSON.stringify(record) },
      { type: 'put', key: `t!${record.trace_id}!${record.queue_id}`, value: '' },
      { type: 'put', key: `m!${number}%40a.example!${record.queue_id}`, value: '' },
    ]);
  }
  await level.put(`r!${queueId(COUNT)}`, '{"version":1,"queue_');
  // as a later version had its segments
  const totals = { version: 3, records: 1, bytes: 9, complete: true, completeTo: '' };
  await level.put('meta!totals', JSON.stringify(totals));
  const segment = { name: '0000000000', first: queueId(0), last: queueId(9), width: 18, bytes: 9 };
  await level.put('g!0000000000', JSON.stringify(segment));
  for (const key of ['a!0000000001!0000000000', 'i!0000000000', 'x!0000000000!00']) {
    await level.put(key, queueId(0));
  }
  await level.close();
}

async function totals(folder: string): Promise<Record<string, unknown>> {
  const level = new ClassicLevel(folder);
  const text = await level.get('z!totals');
  const bytes = (await level.iterator().all())
    .filter(([key]) => key !== 'z!totals')
    .reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  await level.close();
  return { ...(JSON.parse(text ?? '{}') as object), bytesThere: bytes };
}

/** Until an address is looked up, and the records are not read one by one. */
async function untilIndexed(t: TestContext, bench: Bench, store: LevelTraceStore): Promise<void> {
  const { mock } = t.mock.method(ClassicLevel.prototype, 'iterator');
  const withValues = (): number =>
    mock.calls.filter(({ arguments: [options] }) => options?.values !== false).length;
  await eventually('the indexing', async () => {
    bench.clock.advance(20);
    const before = withValues();
    await store.list({ limit: 1, recipient: 'nobody@b.example' });
    return withValues() === before;
  });
  mock.restore();
}

test('what version 1 has written is found by address at once, and indexed bit by bit', async (t) => {
  const bench = await makeBench(t);
  await writeVersion1(bench.folder);
  let store = await bench.opened();
  const wanted = Array.from({ length: COUNT / 10 }, (_, index) => queueId(COUNT - 7 - index * 10));
  assert.deepEqual(await all(store, { recipient: 'u-3@b.example' }), wanted, 'not yet indexed');
  assert.deepEqual(ids(await store.find('5@a.example')), [queueId(5)]);
  store = await bench.opened();
  store.put(aRecord(1003));
  await store.change(queueId(3), (record) => void (record.action = 'failed'));
  bench.clock.advance(20);
  store = await bench.opened();
  await untilIndexed(t, bench, store);
  for (const recipient of ['u-3@b.example', 'b.example']) {
    const found = await all(store, { recipient });
    assert.equal(found.length, recipient === 'b.example' ? COUNT + 1 : COUNT / 10 + 1);
    assert.equal(found[0], queueId(1003));
  }
  assert.deepEqual(await all(store, { sender: 'a@a.example', state: 'failed' }), [queueId(3)]);
  await store.close();
  const { records, bytes, bytesThere, complete } = await totals(bench.folder);
  assert.deepEqual(
    { records, complete },
    { records: COUNT + 2, complete: true },
    'each counted once',
  );
  assert.equal(bytes, bytesThere);
});

test('a store that refuses writes is indexed later, and loses nothing meanwhile', async (t) => {
  const bench = await makeBench(t);
  await writeVersion1(bench.folder);
  const { mock } = t.mock.method(ClassicLevel.prototype, 'batch', () => ({
    put: () => undefined,
    write: () => Promise.reject(new Error('IO error')),
  }));
  const store = await bench.opened();
  await eventually('the failure', () => captured.codes.includes('TRACE_INDEX_FAILED'));
  assert.equal((await all(store, { recipient: 'u-3@b.example' })).length, COUNT / 10);
  mock.restore();
  bench.clock.advance(PRUNE_MS);
  await untilIndexed(t, bench, store);
  assert.equal((await all(store, { recipient: 'u-3@b.example' })).length, COUNT / 10);
});
