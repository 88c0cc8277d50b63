import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClassicLevel } from 'classic-level';
import {
  GrowingSegment,
  placesOf,
  bucketOf,
  SEGMENT_RECORDS,
} from '../../src/trace/index-segment.js';
import type { LevelTraceStore } from '../../src/trace/level-store.js';
import type { HopRecord } from '../../src/trace/record.js';
import { eventually } from '../base/eventually.js';
import { aHopRecord } from './hop-records.js';
import { all, at, ids, makeBench, PRUNE_MS, queueId } from './level-store-bench.js';

/** Two sealed segments, and some that is in neither. */
const COUNT = 2 * SEGMENT_RECORDS + 300;

function traceId(number: number): string {
  return number.toString(16).padStart(32, '0');
}

function aRecord(number: number): HopRecord {
  return aHopRecord(queueId(number), {
    trace_id: traceId(number),
    message_id: `<${number}@a.example>`,
    envelope: {
      sender: 'app@a.example',
      recipients: [`rare-${number % 4000}@b.example`, `r@d${number % 7000}.example`],
    },
  });
}

async function fill(store: LevelTraceStore, from: number, to: number): Promise<void> {
  for (let number = from; number < to; number++) {
    store.put(aRecord(number));
    if (number % 1000 === 999) await store.list({ limit: 1 });
  }
  await store.list({ limit: 1 });
}

async function keysOf(folder: string, prefix: string): Promise<string[]> {
  const level = new ClassicLevel(folder);
  const keys = await level.keys({ gt: prefix, lt: `${prefix}~` }).all();
  await level.close();
  return keys;
}

test('what is found does not depend on which segment has it, nor on a restart', async (t) => {
  const bench = await makeBench(t, { maxRecords: 1_000_000 });
  let store = await bench.opened();
  await fill(store, 0, COUNT - 100);
  store = await bench.opened();
  await fill(store, COUNT - 100, COUNT);
  for (const state of ['as it was written', 'opened again']) {
    for (const number of [0, 1, SEGMENT_RECORDS - 1, SEGMENT_RECORDS, COUNT - 200, COUNT - 1]) {
      for (const id of [traceId(number), `<${number}@a.example>`]) {
        assert.deepEqual(ids(await store.find(id)), [queueId(number)], `${state}: ${id}`);
      }
    }
    const rare = [16_007, 12_007, 8007, 4007, 7].map(queueId);
    assert.deepEqual(await all(store, { recipient: 'rare-7@b.example' }), rare, state);
    const domain = [14_007, 7007, 7].map(queueId);
    assert.deepEqual(await all(store, { recipient: 'd7.example' }), domain, state);
    assert.deepEqual(await all(store, { recipient: 'nobody@b.example' }), []);
    store = await bench.opened();
  }
});

test('the pages of what everybody has go over all segments, without gaps or repeats', async (t) => {
  const bench = await makeBench(t, { maxRecords: 1_000_000 });
  const store = await bench.opened();
  // Segments overlap: those of a slow client were born before others that came first.
  await fill(store, 5000, COUNT);
  await fill(store, 0, 5000);
  const found = await all(store, { sender: 'app@a.example' });
  assert.equal(found.length, COUNT);
  assert.deepEqual(found, found.toSorted().toReversed());
  assert.deepEqual(
    found,
    Array.from({ length: COUNT }, (_, index) => queueId(COUNT - 1 - index)),
  );
});

test('a process that dies after a seal, or before it, leaves nothing unfound', async (t) => {
  const bench = await makeBench(t, { maxRecords: 1_000_000 });
  const store = await bench.opened();
  await fill(store, 0, SEGMENT_RECORDS - 10);
  // As a kill would leave it: nothing is closed, what was written is there.
  const { mock } = t.mock.method(ClassicLevel.prototype, 'batch');
  await fill(store, SEGMENT_RECORDS - 10, SEGMENT_RECORDS + 10);
  assert.ok(mock.callCount() >= 2, 'the records, and the seal');
  const again = await bench.opened();
  for (let number = SEGMENT_RECORDS - 20; number < SEGMENT_RECORDS + 10; number++) {
    assert.deepEqual(ids(await again.find(traceId(number))), [queueId(number)]);
  }
  await again.close();
  assert.equal((await keysOf(bench.folder, 'u!')).length, 1);
  const growing = await keysOf(bench.folder, 'y!');
  assert.ok(
    growing.every((key) => key.startsWith('y!0000000001!')),
    'lists of the sealed one are gone',
  );
});

test('the bytes of the index are counted, sealed or not', async (t) => {
  const bench = await makeBench(t, { maxRecords: 1_000_000 });
  const store = await bench.opened();
  await fill(store, 0, SEGMENT_RECORDS + 200);
  await store.close();
  const level = new ClassicLevel(bench.folder, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
  let there = 0;
  let counted = Number.NaN;
  for await (const [key, value] of level.iterator<Buffer, Buffer>({})) {
    if (String(key) === 'z!totals') {
      counted = (JSON.parse(String(value)) as { bytes: number }).bytes;
    } else {
      there += key.length + value.length;
    }
  }
  await level.close();
  assert.equal(counted, there);
});

test('a segment goes with the last of its records, and not before', async (t) => {
  const bench = await makeBench(t, { maxRecords: 1_000_000, maxAgeSeconds: 100 });
  const store = await bench.opened();
  store.put({ ...aRecord(0), finished_at: null });
  for (let number = 1; number < COUNT; number++) {
    store.put({ ...aRecord(number), received_at: at(number < SEGMENT_RECORDS + 50 ? 0 : 500) });
  }
  await all(store, { limit: 1, cursor: queueId(1) });
  const oldest = { recipient: 'rare-1@b.example' };
  const left = [16_001, 12_001].map(queueId);
  for (let minutes = 0; minutes < 3; minutes++) {
    bench.clock.advance(PRUNE_MS);
    await eventually('the pruning', () => bench.clock.timers > 0);
  }
  await eventually('the end of the old ones', async () => (await all(store, oldest)).length === 2);
  assert.deepEqual(await all(store, oldest), left);
  assert.deepEqual(ids(await store.find(traceId(0))), [queueId(0)], 'it is still queued');
  await store.change(queueId(0), (record) => void (record.finished_at = at(1)));
  await store.list({ limit: 1 });
  bench.clock.advance(PRUNE_MS);
  await eventually('its end', async () => (await store.find(traceId(0))).length === 0);
  bench.clock.advance(PRUNE_MS);
  await eventually('the next pruning', () => bench.clock.timers > 0);
  await store.list({ limit: 1 });
  await store.close();
  assert.deepEqual(await keysOf(bench.folder, 'u!'), ['u!0000000001']);
});

test('terms with the same hash in a bucket lead to all of their records', () => {
  const segment = new GrowingSegment();
  segment.add('Q1', [7, 4_294_967_295]);
  segment.add('Q2', [7 + 32, 7]);
  segment.add('LONGER', [0]);
  const { buckets, queueIds, width } = segment.encode();
  assert.deepEqual([queueIds, width], ['Q1    Q2    LONGER', 6]);
  const found = (term: number): number[] =>
    placesOf(buckets[bucketOf(term)] ?? Buffer.alloc(0), term);
  assert.deepEqual([7, 39, 4_294_967_295, 0, 8, 31].map(found), [[0, 1], [1], [0], [2], [], []]);
  assert.deepEqual(segment.queueIdsOf(7), ['Q1', 'Q2']);
});
