import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Route } from '../../src/queue/route-groups.js';
import type { NextHop } from '../../src/send/next-hop.js';
import { QueueBench } from './queue-bench.js';
import { aCapacity, aHop, DELIVERED, HOP_FAULT, idOf, LOST_REPLY } from './samples.js';

/** Two hops of a pool: the first is asked as long as it is well, or may have the message. */
async function pool(hops: Partial<NextHop>): Promise<QueueBench> {
  const bench = await QueueBench.started({}, { expireAfterSeconds: 86_400 });
  const [one, two] = [aHop('one', hops), aHop('two', hops)];
  bench.routeOf = (_, { doubtAt }, isWell): Route => {
    const nextHop = doubtAt != null || isWell('one') ? one : two;
    const movable = doubtAt == null;
    return { queue: nextHop.name, nextHop, capacity: aCapacity(), movable };
  };
  return bench;
}

/** The reply of the first is lost, and it does not come back. */
async function losesItsReply(bench: QueueBench): Promise<void> {
  bench.answer = ({ nextHop }) => (nextHop.name === 'one' ? HOP_FAULT : DELIVERED);
  const later = bench.answer;
  let first = true;
  bench.answer = (...asked) => {
    if (!first) return later(...asked);
    first = false;
    return LOST_REPLY;
  };
  await bench.accept(idOf(1));
  await bench.attempted(1);
}

test('what a node of a tier may have waits for that node, and after the time for another', async () => {
  const bench = await pool({ tier: 'core' });
  await losesItsReply(bench);
  for (let minutes = 0; minutes < 59; minutes++) await bench.pass(60);
  assert.ok(bench.attempts.every(({ hop }) => hop === 'one'));
  assert.equal(bench.queue.doubtsReleased, 0);
  for (let minutes = 0; minutes < 3; minutes++) await bench.pass(60);
  await bench.empty();
  assert.equal(bench.attempts.at(-1)?.hop, 'two');
  assert.equal(bench.queue.doubtsReleased, 1);
  assert.equal(bench.captured.lines.filter(({ event }) => event === 'doubt-released').length, 1);
});

test('the time counts over a restart', async () => {
  const bench = await pool({ tier: 'core' });
  await losesItsReply(bench);
  for (let minutes = 0; minutes < 30; minutes++) await bench.pass(60);
  const { answer } = bench;
  await bench.restart(answer);
  for (let minutes = 0; minutes < 29; minutes++) await bench.pass(60);
  assert.ok(bench.attempts.every(({ hop }) => hop === 'one'));
  for (let minutes = 0; minutes < 3; minutes++) await bench.pass(60);
  await bench.empty();
  assert.equal(bench.attempts.at(-1)?.hop, 'two');
});

test('a hop that keeps its own mail is waited for without an end', async () => {
  const bench = await pool({});
  await losesItsReply(bench);
  for (let minutes = 0; minutes < 120; minutes++) await bench.pass(60);
  assert.ok(bench.attempts.every(({ hop }) => hop === 'one'));
  assert.equal(bench.queue.doubtsReleased, 0);
});
