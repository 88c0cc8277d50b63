import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAUSE_MIN_MS, ScheduleBench } from './schedule-bench.js';
import { idOf } from './samples.js';

/** A pool of `a` and `b` with `c` in reserve; messages of even number prefer `a`. */
function pooled(): ScheduleBench {
  const bench = new ScheduleBench();
  bench.routeOf = (recipient, isWell) => {
    const doubted = recipient.doubtAt?.queue;
    const order =
      Number(recipient.address.split('@')[0]?.slice(-1)) % 2 === 0 ? ['a', 'b'] : ['b', 'a'];
    const well = [...order, 'c'].find((queue) => isWell(queue)) ?? order[0] ?? '';
    return doubted === undefined ? bench.route(well, {}, true) : bench.route(doubted, {}, false);
  };
  return bench;
}

test('a member whose connection fails is left out at once, and its message goes to the next', async () => {
  const bench = pooled();
  bench.readyAs(2, '2@b.example');
  await bench.only('a').fault();
  assert.deepEqual(bench.at('b'), [idOf(2)]);
  bench.readyAs(4, '4@b.example');
  assert.deepEqual(bench.at('b'), [idOf(2), idOf(4)], 'others do not try it either');
});

test('what waited for a member that fails goes to the others, in order', async () => {
  const bench = pooled();
  for (const number of [2, 4, 6, 8]) bench.readyAs(number, `${number}@b.example`);
  assert.equal(bench.destination('a').ready, 2);
  await bench.running[0]?.fault();
  assert.deepEqual(bench.at('b'), [idOf(2), idOf(6)], 'the one at fault kept its place in front');
  assert.equal(bench.destination('a').ready, 0);
});

test('a member comes back by a single message as the probe, and in full when that is taken', async () => {
  const bench = pooled();
  bench.readyAs(2, '2@b.example');
  await bench.only('a').fault();
  await bench.only('b').end();
  bench.clock.advance(PAUSE_MIN_MS);
  for (const number of [4, 6, 8]) bench.readyAs(number, `${number}@b.example`);
  assert.deepEqual(bench.at('a'), [idOf(4)], 'one finds out');
  assert.deepEqual(bench.at('b'), [idOf(6), idOf(8)]);
  bench.scheduler.healed(bench.destination('a'));
  await bench.only('a').end();
  for (const number of [12, 14]) bench.readyAs(number, `${number}@b.example`);
  assert.deepEqual(bench.at('a'), [idOf(12), idOf(14)]);
});

test('a probe that fails puts the member out for twice as long', async () => {
  const bench = pooled();
  bench.readyAs(2, '2@b.example');
  await bench.only('a').fault();
  bench.clock.advance(PAUSE_MIN_MS);
  bench.readyAs(4, '4@b.example');
  await bench.only('a').fault();
  assert.deepEqual(bench.at('b'), [idOf(2), idOf(4)]);
  bench.clock.advance(PAUSE_MIN_MS);
  assert.equal(bench.destination('a').state, 'backoff');
  bench.clock.advance(PAUSE_MIN_MS);
  assert.equal(bench.destination('a').state, 'probing');
});

test('the reserve is used while the whole pool is at fault, and left when a member is well', async () => {
  const bench = pooled();
  bench.readyAs(2, '2@b.example');
  await bench.only('a').fault();
  await bench.only('b').fault();
  assert.deepEqual(bench.at('c'), [idOf(2)]);
  await bench.only('c').end();
  bench.clock.advance(PAUSE_MIN_MS);
  bench.readyAs(4, '4@b.example');
  assert.deepEqual(bench.at('a'), [idOf(4)], 'as the probe');
  assert.deepEqual(bench.at('c'), []);
});

test('with every hop at fault mail waits, and goes to the first that is well again', async () => {
  const bench = pooled();
  bench.readyAs(2, '2@b.example');
  await bench.only('a').fault();
  await bench.only('b').fault();
  await bench.only('c').fault();
  assert.equal(bench.running.length, 0);
  bench.clock.advance(PAUSE_MIN_MS);
  assert.equal(bench.running.length, 1, 'it is the probe of one of them');
  await bench.running[0]?.end();
  assert.deepEqual(bench.scheduler.inFlight, 0);
});

test('mail that waits for a hop at fault probes another one whose pause ends first', async () => {
  const bench = pooled();
  bench.readyAs(2, '2@b.example');
  await bench.only('a').fault(60_000);
  await bench.only('b').fault(5000);
  await bench.only('c').fault(60_000);
  assert.equal(bench.destination('a').ready, 1, 'it waits where it would go first');
  bench.clock.advance(5000);
  assert.deepEqual(bench.at('b'), [idOf(2)]);
});

test('a message whose reply was lost stays with the same hop, also when others are well', async () => {
  const bench = pooled();
  bench.readyAs(2, '2@b.example');
  const running = bench.only('a');
  for (const recipient of running.entry.recipients) {
    recipient.doubtAt = { queue: 'a', host: '127.0.0.1' };
  }
  await running.fault();
  assert.equal(bench.running.length, 0, 'nobody else is asked');
  bench.clock.advance(PAUSE_MIN_MS);
  assert.deepEqual(bench.at('a'), [idOf(2)]);
});

test('a member that an operator pauses is left to the others', () => {
  const bench = pooled();
  for (const number of [2, 4, 6]) bench.readyAs(number, `${number}@b.example`);
  bench.scheduler.pause(bench.destination('a'));
  assert.equal(bench.destination('a').ready, 0);
  assert.deepEqual(bench.at('b'), [idOf(6)]);
});

test('recipients of one message that go different ways travel apart, the others together', () => {
  const bench = new ScheduleBench();
  bench.readyAs(1, 'core@b.example', 'exit@b.example', 'core@c.example');
  assert.deepEqual(
    bench.only('core').entry.recipients.map(({ address }) => address),
    ['core@b.example', 'core@c.example'],
  );
  assert.deepEqual(
    bench.only('exit').entry.recipients.map(({ address }) => address),
    ['exit@b.example'],
  );
});
