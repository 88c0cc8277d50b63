import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aHopRecord } from './hop-records.js';
import { makeBench, queueId } from './level-store-bench.js';

const LEFT = '2026-01-05T12:00:01.000Z';

test('a record that changes while it is being written is told as it is now', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  store.put(aHopRecord(queueId(1), { finished_at: null, action: 'queued' }));
  // Whoever lists has everything written.
  const listing = store.list({ limit: 1 });
  await Promise.resolve();
  await Promise.resolve();
  await store.change(queueId(1), (record) => {
    record.action = 'transferred';
    record.finished_at = LEFT;
  });
  await listing;
  for (const when of ['changed', 'written']) {
    const [found] = await store.find(queueId(1));
    assert.deepEqual([found?.action, found?.finished_at], ['transferred', LEFT], when);
    await store.list({ limit: 1 });
  }
});

test('so is one that changes again after it had left', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  store.put(aHopRecord(queueId(1), { finished_at: null, action: 'queued' }));
  await store.list({ limit: 1 });
  for (const action of ['failed', 'delayed', 'relayed'] as const) {
    await store.change(queueId(1), (record) => {
      record.action = action;
      record.finished_at = LEFT;
    });
    const listing = store.list({ limit: 1 });
    await store.change(queueId(1), (record) => void (record.attempts_dropped += 1));
    await listing;
    await store.list({ limit: 1 });
    assert.equal((await store.find(queueId(1)))[0]?.action, action);
  }
  assert.equal((await store.find(queueId(1)))[0]?.attempts_dropped, 3);
});
