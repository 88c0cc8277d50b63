import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueueBench } from './queue-bench.js';
import { aRecipient, anItem, DEFERRED, DELIVERED, HOP_FAULT, idOf, NOW_MS } from './samples.js';

function isoAt(seconds: number): string {
  return new Date(NOW_MS + seconds * 1000).toISOString();
}

test('what waits for a hop at fault is told with that fault and the end of the pause', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => HOP_FAULT;
  await bench.accept(idOf(1));
  await bench.attempted(1);
  // Never tried itself.
  await bench.accept(idOf(2));
  for (const number of [1, 2]) {
    const [waiting, ...others] = bench.queue.waiting(idOf(number));
    assert.equal(others.length, 0);
    assert.deepEqual(
      [waiting?.queue, waiting?.next_hop, waiting?.state, waiting?.next_attempt_at],
      ['(smarthost)', 'core', 'backoff', isoAt(10)],
    );
    assert.equal(waiting?.last_fault?.description, 'connection refused');
    assert.deepEqual(waiting.recipients, ['one@b.example']);
  }
});

test('of deferred recipients the earliest is told, and those that are settled are not', async () => {
  const bench = await QueueBench.started();
  const recipients = ['one@b.example', 'two@b.example'].map((address) => aRecipient(address));
  bench.answer = () => DEFERRED;
  await bench.accept(idOf(1), { recipients });
  await bench.attempted(1);
  const [waiting] = bench.queue.waiting(idOf(1));
  assert.deepEqual([waiting?.state, waiting?.next_attempt_at], ['active', isoAt(60)]);
  assert.equal(waiting?.recipients.length, 2);
});

test('what is being sent is told as that', async () => {
  const bench = await QueueBench.started();
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  bench.answer = async () => {
    await released;
    return DELIVERED;
  };
  await bench.accept(idOf(1));
  const [sending, ...others] = bench.queue.waiting(idOf(1));
  assert.deepEqual([sending?.state, sending?.next_hop, others], ['sending', 'core', []]);
  release();
  await bench.empty();
});

test('a message that is not in the queue waits for nothing', async () => {
  const bench = await QueueBench.started();
  await bench.accept(idOf(1));
  await bench.empty();
  assert.deepEqual(bench.queue.waiting(idOf(1)), []);
  assert.deepEqual(bench.queue.waiting(anItem(idOf(2)).id), []);
});
