import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAUSE_MIN_MS, ScheduleBench } from './schedule-bench.js';
import type { Capacity } from '../../src/send/capacity.js';

function limitedTo(capacity: Partial<Capacity>): ScheduleBench {
  const bench = new ScheduleBench();
  bench.routeOf = () => bench.route('core', { maxConnections: 100, ...capacity });
  return bench;
}

function readyMany(bench: ScheduleBench, count: number): void {
  for (let number = 0; number < count; number++) bench.ready('core', number);
}

async function endAll(bench: ScheduleBench): Promise<void> {
  while (bench.running.length > 0) await bench.running[0]?.end();
}

test('messages per minute: the rest waits until the minute is over', async () => {
  const bench = limitedTo({ maxMessagesPerMinute: 3 });
  readyMany(bench, 5);
  assert.equal(bench.started.length, 3);
  await endAll(bench);
  bench.clock.advance(59_999);
  assert.equal(bench.started.length, 3);
  bench.clock.advance(1);
  assert.equal(bench.started.length, 5);
});

test('a wait that ends while it is looked at is not forgotten', async () => {
  // Each look at the clock sees a later time, as on a real machine.
  for (let looksBefore = 0; looksBefore <= 5; looksBefore++) {
    const bench = limitedTo({ maxMessagesPerMinute: 1 });
    readyMany(bench, 1);
    await endAll(bench);
    bench.clock.advance(60_000 - looksBefore);
    bench.clock.perLookMs = 1;
    bench.ready('core', 2);
    bench.clock.advance(60_000);
    assert.equal(bench.started.length, 2, `${looksBefore} looks before its time`);
  }
});

test('connects per minute hold up a burst, and only messages that need a new connection', async () => {
  const bench = limitedTo({ maxConnectsPerMinute: 2 });
  readyMany(bench, 3);
  assert.equal(bench.started.length, 2);
  bench.freeSessions.add('core');
  await bench.running[0]?.end();
  assert.equal(bench.started.length, 3, 'a session that is free needs no connect');
  bench.freeSessions.clear();
  bench.ready('core', 4);
  assert.equal(bench.started.length, 3);
  bench.clock.advance(60_000);
  assert.equal(bench.started.length, 4);
});

test('limits that are set while the node runs count at once', () => {
  const bench = limitedTo({ maxMessagesPerMinute: 1 });
  readyMany(bench, 4);
  assert.equal(bench.started.length, 1);
  bench.scheduler.limit(bench.destination('core'), { maxMessagesPerMinute: null });
  assert.equal(bench.started.length, 4);
});

test('limits of an operator stay over those of a changed topology', () => {
  const bench = limitedTo({ maxConnections: 1 });
  readyMany(bench, 4);
  bench.scheduler.limit(bench.destination('core'), { maxConnections: 2 });
  assert.equal(bench.running.length, 2);
  bench.scheduler.reroute();
  assert.equal(bench.destination('core').capacity.maxConnections, 2);
});

test('a hop that asks for less gets half as many at once, and more again as it takes mail', async () => {
  const bench = limitedTo({ maxConnections: 8 });
  readyMany(bench, 40);
  assert.equal(bench.running.length, 8);
  const destination = bench.destination('core');
  destination.slowDown(bench.clock.monotonicMs(), undefined);
  for (let ended = 0; ended < 5; ended++) await bench.running[0]?.end();
  assert.equal(bench.running.length, 4);
  for (let taken = 0; taken < 12; taken++) {
    destination.speedUp();
    await bench.running[0]?.end();
  }
  assert.ok(bench.running.length >= 6, 'more at once again');
});

test('a hop that names a time is not asked before it', async () => {
  const bench = limitedTo({});
  readyMany(bench, 1);
  bench.destination('core').slowDown(bench.clock.monotonicMs(), 30_000);
  await endAll(bench);
  bench.ready('core', 2);
  bench.clock.advance(29_999);
  assert.equal(bench.started.length, 1);
  bench.clock.advance(1);
  assert.equal(bench.started.length, 2);
});

test('a pause that the hop asks for takes the place of our own', async () => {
  const bench = limitedTo({});
  readyMany(bench, 1);
  await bench.only('core').fault(5 * PAUSE_MIN_MS);
  bench.clock.advance(5 * PAUSE_MIN_MS - 1);
  assert.equal(bench.started.length, 1);
  bench.clock.advance(1);
  assert.equal(bench.started.length, 2);
});

test('an operator who says "retry" is not held up by what the hop asked for', async () => {
  const bench = limitedTo({});
  readyMany(bench, 1);
  bench.destination('core').slowDown(bench.clock.monotonicMs(), 30_000);
  await endAll(bench);
  bench.ready('core', 2);
  bench.clock.advance(3000);
  assert.equal(bench.started.length, 1);
  bench.scheduler.retry(bench.destination('core'));
  assert.equal(bench.started.length, 2);
});
