import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aCapacity, idOf } from './samples.js';
import { ScheduleBench, turn } from './schedule-bench.js';

function bench(maxAttemptsAtOnce: number): ScheduleBench {
  const made = new ScheduleBench();
  made.maxAttemptsAtOnce = maxAttemptsAtOnce;
  made.routeOf = ({ address }) =>
    made.route(address.split('@')[0] ?? '', aCapacity({ maxConnections: 10 }));
  return made;
}

test('over all destinations no more attempts run at once than the limit, and none is forgotten', async () => {
  const made = bench(3);
  made.ready('a', 1, 2, 3, 4);
  made.ready('b', 5, 6);
  made.ready('c', 7);
  assert.equal(made.running.length, 3);
  let most = 0;
  while (made.running.length > 0) {
    most = Math.max(most, made.running.length, made.scheduler.inFlight);
    await made.running[0]?.end();
  }
  assert.equal(most, 3);
  assert.deepEqual([...made.started].sort(), [1, 2, 3, 4, 5, 6, 7].map(idOf));
});

test('a destination with much mail does not keep out the others', async () => {
  const made = bench(2);
  made.ready('much', ...Array.from({ length: 50 }, (_, index) => index));
  made.ready('little', 100);
  made.ready('other', 101, 102);
  for (let ended = 0; ended < 6; ended++) await made.running[0]?.end();
  const early = made.started.slice(0, 8);
  for (const number of [100, 101, 102]) {
    assert.ok(early.includes(idOf(number)), `${number} is not among the first 8`);
  }
});

test('those that have to wait for the limit take turns', async () => {
  const made = bench(1);
  made.ready('a', 1, 2, 3, 4);
  made.ready('b', 11, 12, 13, 14);
  made.ready('c', 21, 22, 23, 24);
  const order: string[] = [];
  while (made.running.length > 0) {
    order.push(made.running[0]?.destination.name ?? '');
    await made.running[0]?.end();
  }
  assert.equal(order.length, 12);
  for (let first = 1; first + 3 <= 10; first += 3) {
    assert.deepEqual(order.slice(first, first + 3).sort(), ['a', 'b', 'c'], order.join());
  }
});

test('a limit that is raised counts from the next end on, one that is lowered lets those under way end', async () => {
  const made = bench(2);
  made.ready('a', ...Array.from({ length: 20 }, (_, index) => index));
  made.maxAttemptsAtOnce = 5;
  await made.running[0]?.end();
  assert.equal(made.running.length, 5);
  made.maxAttemptsAtOnce = 1;
  for (const left of [4, 3, 2, 1, 1, 1]) {
    await made.running[0]?.end();
    assert.equal(made.running.length, left);
  }
});

test('a destination that was paused or forgotten while it waited for the limit is no obstacle', async () => {
  const made = bench(1);
  made.ready('a', 1);
  made.ready('b', 2);
  made.ready('c', 3);
  made.scheduler.pause(made.destination('b'));
  await made.only('a').end();
  assert.deepEqual(made.at('c'), [idOf(3)]);
  await made.only('c').end();
  assert.equal(made.running.length, 0);
  made.scheduler.resume(made.destination('b'));
  assert.deepEqual(made.at('b'), [idOf(2)]);
});

test('while it is suspended nothing starts: not new mail, not what falls due, not after an end or a pause', async () => {
  const made = bench(2);
  made.ready('a', 1, 2, 3);
  made.defer('b', 4, made.clock.nowMs() + 1000);
  made.ready('c', 5);
  const [first, second] = made.running;
  made.scheduler.suspend();
  await first?.end();
  await second?.fault();
  made.ready('d', 6);
  made.clock.advance(600_000);
  made.scheduler.resume(made.destination('a'));
  made.scheduler.retry(made.destination('a'));
  made.scheduler.retryDeferred(made.destination('a'));
  made.scheduler.reroute();
  await turn();
  assert.equal(made.running.length, 0);
  assert.deepEqual(made.started, [1, 2].map(idOf));
  made.scheduler.start();
  while (made.running.length > 0) {
    await made.running[0]?.end();
    made.clock.advance(0);
  }
  assert.deepEqual([...made.started].sort(), [1, 2, 2, 3, 4, 5, 6].map(idOf));
});

test('what falls due after it went on again is woken at its time', async () => {
  const made = bench(2);
  made.scheduler.suspend();
  made.defer('a', 1, made.clock.nowMs() + 5000);
  made.clock.advance(1000);
  made.scheduler.start();
  made.clock.advance(3999);
  assert.deepEqual(made.started, []);
  made.clock.advance(1);
  assert.deepEqual(made.started, [idOf(1)]);
});

test('a stop in the middle of a suspension waits for what is under way', async () => {
  const made = bench(2);
  made.ready('a', 1);
  made.scheduler.suspend();
  let stopped = false;
  const stop = made.scheduler.stop().then(() => (stopped = true));
  await turn();
  assert.equal(stopped, false);
  await made.only('a').end();
  await stop;
  assert.equal(made.clock.timers, 0);
});
