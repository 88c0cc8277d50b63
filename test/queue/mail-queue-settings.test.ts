import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../base/eventually.js';
import { QueueBench } from './queue-bench.js';
import {
  aCapacity,
  aHop,
  aRecipient,
  aRoute,
  DEFERRED,
  DELIVERED,
  idOf,
  LOST_REPLY,
} from './samples.js';

test('a message that wants to wait is first attempted at its time, also after a restart', async () => {
  const bench = await QueueBench.started();
  const dueMs = bench.clock.nowMs() + 120_000;
  const recipients = [aRecipient('one@b.example', { state: 'deferred', nextAttemptAtMs: dueMs })];
  await bench.accept(idOf(1), { recipients });
  assert.equal(
    bench.trace.records.get(idOf(1))?.recipients[0]?.next_attempt_at,
    new Date(dueMs).toISOString(),
  );
  assert.equal(bench.shown.deferred, 1);
  await bench.pass(60);
  await bench.restart();
  assert.equal(bench.attempts.length, 0);
  await bench.pass(60);
  await bench.attempted(1);
  await bench.empty();
});

test('a message may bring its own waits between attempts', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => DEFERRED;
  await bench.accept(idOf(1), { settings: { retryIntervalsSeconds: [7, 11] } });
  await bench.attempted(1);
  await bench.pass(7);
  await bench.attempted(2);
  await bench.pass(11);
  await bench.attempted(3);
});

test('recipients that go different ways have an attempt each, and one body for all', async () => {
  const bench = await QueueBench.started();
  const recipients = ['a@x.example', 'b@y.example', 'c@x.example'].map((one) => aRecipient(one));
  // The hops of a router are the same objects each time.
  const hops = new Map(['x.example', 'y.example'].map((name) => [name, aHop(name)]));
  bench.routeOf = (_item, { address }) =>
    aRoute(hops.get(address.split('@')[1] ?? '') ?? aHop('?'));
  await bench.accept(idOf(1), { recipients });
  await bench.attempted(2);
  await bench.empty();
  assert.deepEqual(
    bench.attempts.map(({ hop, recipients: to, body }) => [hop, to.length, body?.length]),
    [
      ['x.example', 2, bench.attempts[0]?.body?.length],
      ['y.example', 1, bench.attempts[0]?.body?.length],
    ],
  );
});

test('a message in doubt is sent again to the host that may have it', async () => {
  const bench = await QueueBench.started();
  const asked: Array<string | null> = [];
  bench.answer = ({ onlyHost }) => {
    asked.push(onlyHost);
    return asked.length === 1 ? LOST_REPLY : DELIVERED;
  };
  await bench.accept(idOf(1));
  await bench.attempted(1);
  await bench.pass(10);
  await bench.empty();
  assert.deepEqual(asked, [null, bench.hop.host]);
});

test('limits of a queue change while it runs, and are shown', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => new Promise(() => undefined);
  for (let number = 0; number < 5; number++) await bench.accept(idOf(number));
  await eventually('two at once', () => bench.attempts.length === 2);
  assert.equal(bench.queue.limit('(smarthost)', { maxConnections: 4 }), true);
  await eventually('four at once', () => bench.attempts.length === 4);
  assert.equal(bench.shown.capacity.max_connections, 4);
  assert.equal(bench.queue.limit('nowhere', {}), false);
});

test('a throttling reply slows the queue down, and that is shown', async () => {
  const bench = await QueueBench.started();
  bench.capacity = aCapacity({ maxConnections: 8 });
  let reply: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => (reply = resolve));
  bench.answer = async () => {
    await asked;
    return { ...DEFERRED, slowDown: true };
  };
  for (let number = 0; number < 8; number++) await bench.accept(idOf(number));
  await eventually('eight at once', () => bench.attempts.length === 8);
  assert.equal(bench.shown.capacity.allowed_connections, 8);
  reply();
  await bench.attempted(8);
  assert.equal(bench.shown.capacity.allowed_connections, 4);
});
