import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aHop, aRoute, idOf, NOW_MS } from './samples.js';
import { PAUSE_MAX_MS, PAUSE_MIN_MS, ScheduleBench } from './schedule-bench.js';

test('nothing starts before start', () => {
  const bench = new ScheduleBench(false);
  bench.ready('core', 1);
  bench.defer('core', 2, NOW_MS - 1);
  assert.deepEqual(bench.started, []);
  assert.equal(bench.clock.timers, 0);
  bench.scheduler.start();
  bench.clock.advance(0);
  assert.deepEqual(bench.started, [idOf(1), idOf(2)]);
});

test('no destination ever has more attempts than its hop has connections', async () => {
  const bench = new ScheduleBench();
  let seed = 7;
  const chance = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const queues = ['core', 'exit', 'slow'];
  let added = 0;
  for (let step = 0; step < 600; step++) {
    const action = chance(3);
    if (action === 0 && added < 200) bench.ready(queues[chance(3)] as string, added++);
    else if (action === 1) await bench.running[chance(bench.running.length + 1)]?.end();
    else if (chance(10) === 0) await bench.running[0]?.fault();
    else bench.clock.advance(chance(500));
    for (const queue of queues) {
      const count = bench.at(queue).length;
      assert.ok(count <= 2, `${count} at ${queue}`);
      assert.equal(bench.scheduler.destination(queue)?.sending ?? 0, count);
    }
    assert.equal(bench.scheduler.inFlight, bench.running.length);
  }
  while (bench.running.length > 0 || bench.clock.timers > 0) {
    await bench.running[0]?.end();
    bench.clock.advance(PAUSE_MAX_MS);
  }
  assert.equal(new Set(bench.started).size, added, 'everything was attempted');
});

test('a slow hop holds up nobody else', async () => {
  const bench = new ScheduleBench();
  bench.ready('slow', 1, 2, 3, 4);
  bench.ready('core', 5, 6, 7);
  await bench.running.find(({ entry }) => entry.item.id === idOf(5))?.end();
  assert.deepEqual(bench.at('core'), [idOf(6), idOf(7)]);
  assert.deepEqual(bench.at('slow'), [idOf(1), idOf(2)]);
});

test('a faulty hop pauses only itself and is probed by one entry after the pause', async () => {
  const bench = new ScheduleBench();
  bench.ready('core', 1, 2, 3, 4);
  bench.ready('exit', 5, 6, 7);
  for (const running of [...bench.running].filter(
    ({ destination }) => destination.name === 'core',
  )) {
    await running.fault();
  }
  assert.equal(bench.destination('core').state, 'backoff');
  assert.equal(bench.destination('core').lastFault?.text, 'wrong password');
  assert.equal(bench.destination('core').lastFault?.stage, 'authplain');
  assert.equal(bench.destination('core').ready, 4, 'nothing is lost');
  assert.deepEqual(bench.at('exit'), [idOf(5), idOf(6)]);
  bench.clock.advance(PAUSE_MIN_MS - 1);
  assert.deepEqual(bench.at('core'), []);
  bench.clock.advance(1);
  assert.equal(bench.at('core').length, 1);
  bench.destination('core').healed();
  await bench.only('core').end();
  assert.equal(bench.at('core').length, 2);
});

test('the pause of a hop that stays faulty doubles up to its longest', async () => {
  const bench = new ScheduleBench();
  bench.ready('core', 1, 2);
  bench.scheduler.limit(bench.destination('core'), { maxConnections: 1 });
  await bench.running[0]?.fault();
  await bench.running[0]?.fault();
  for (const pauseMs of [1000, 2000, 4000, 8000, 8000]) {
    assert.deepEqual(bench.clock.delaysMs, [pauseMs]);
    bench.clock.advance(pauseMs);
    await bench.only('core').fault();
  }
});

test('deferred entries wake in due order and one timer serves them all', async () => {
  const bench = new ScheduleBench();
  const dues = [50, 10, 40, 20, 30];
  dues.forEach((seconds, index) => bench.defer('core', index, NOW_MS + seconds * 1000));
  assert.equal(bench.clock.timers, 1);
  assert.equal(bench.destination('core').deferred, 5);
  bench.clock.advance(9999);
  assert.deepEqual(bench.started, []);
  for (let left = 4; left >= 0; left--) {
    bench.clock.advance(10_000);
    assert.equal(bench.scheduler.destination('core')?.deferred, left);
    const [recipient] = bench.only('core').entry.recipients;
    assert.equal(recipient?.nextAttemptAtMs, null);
    assert.ok(bench.clock.timers <= 1);
    await bench.only('core').end();
  }
  assert.deepEqual(bench.started, [1, 3, 4, 2, 0].map(idOf));
  assert.equal(bench.clock.timers, 0);
});

test('a wall clock that is set a day forward or back changes no wait', () => {
  for (const jumpMs of [86_400_000, -86_400_000]) {
    const bench = new ScheduleBench();
    bench.defer('core', 1, NOW_MS + 3_600_000);
    bench.clock.advance(1_800_000);
    bench.clock.setWall(bench.clock.nowMs() + jumpMs);
    bench.clock.advance(1_799_999);
    assert.deepEqual(bench.started, []);
    bench.clock.advance(1);
    assert.deepEqual(bench.started, [idOf(1)]);
  }
});

test('retry makes the deferred entries of one queue due now and ends its backoff', async () => {
  const bench = new ScheduleBench();
  bench.defer('core', 1, NOW_MS + 10_000);
  bench.defer('core', 2, NOW_MS + 20_000);
  bench.defer('exit', 3, NOW_MS + 30_000);
  bench.scheduler.retryDeferred(bench.destination('core'));
  assert.deepEqual(bench.started.toSorted(), [idOf(1), idOf(2)]);
  assert.deepEqual(bench.clock.delaysMs, [30_000]);
  await bench.running[0]?.fault();
  await bench.running[0]?.fault();
  bench.scheduler.retry(bench.destination('core'));
  assert.equal(bench.destination('core').state, 'probing');
  assert.equal(bench.at('core').length, 1);
});

test('after a fault over a message another one is the probe, so that it alone holds up nobody', async () => {
  const bench = new ScheduleBench();
  bench.ready('core', 1, 2, 3);
  await bench.running[0]?.fault(undefined, 'rcptto');
  await bench.running[0]?.end();
  bench.clock.advance(PAUSE_MIN_MS);
  assert.deepEqual(bench.at('core'), [idOf(3)]);
  bench.scheduler.healed(bench.destination('core'));
  await bench.only('core').end();
  assert.deepEqual(bench.at('core'), [idOf(1)]);
});

test('retry does not hurry a message that wants to go later', () => {
  const bench = new ScheduleBench();
  bench.delay('core', 1, NOW_MS + 10_000);
  bench.defer('core', 2, NOW_MS + 10_000);
  bench.scheduler.retryDeferred(bench.destination('core'));
  assert.deepEqual(bench.started, [idOf(2)]);
  bench.clock.advance(10_000);
  assert.deepEqual(bench.started, [idOf(2), idOf(1)]);
});

test('an operator pauses and resumes a queue; deferred entries that come due wait with the rest', async () => {
  const bench = new ScheduleBench();
  bench.ready('core', 1, 2, 3);
  bench.scheduler.pause(bench.destination('core'));
  bench.defer('core', 4, NOW_MS + 1000);
  bench.clock.advance(2000);
  await bench.running[0]?.end();
  await bench.running[0]?.end();
  assert.deepEqual(bench.at('core'), []);
  assert.equal(bench.destination('core').ready, 2);
  bench.scheduler.resume(bench.destination('core'));
  assert.deepEqual(bench.at('core'), [idOf(3), idOf(4)]);
});

test('resuming a queue that an operator did not pause changes nothing', async () => {
  const bench = new ScheduleBench();
  bench.ready('core', 1);
  await bench.running[0]?.fault();
  bench.scheduler.resume(bench.destination('core'));
  assert.equal(bench.destination('core').state, 'backoff');
  assert.deepEqual(bench.at('core'), []);
});

test('rerouting moves waiting entries to their new hop, in order, and ends the pauses', async () => {
  const bench = new ScheduleBench();
  bench.ready('core', 1, 2, 3, 4);
  await bench.running[0]?.fault();
  await bench.running[0]?.fault();
  bench.defer('core', 5, NOW_MS + 1000);
  bench.routeOf = () => bench.route('new', { maxConnections: 3 });
  bench.scheduler.reroute();
  assert.equal(bench.at('new').length, 3);
  assert.equal(bench.destination('new').ready, 1);
  assert.equal(
    bench.destination('new').deferred,
    1,
    'what is deferred is counted where it will go',
  );
  bench.clock.advance(1000);
  assert.equal(bench.destination('new').ready, 2, 'what was deferred follows when it is due');
  while (bench.running.length > 0) await bench.running[0]?.end();
  assert.deepEqual(new Set(bench.started), new Set([1, 2, 3, 4, 5].map(idOf)));
});

test('rerouting to the same queue uses the new hop at once', async () => {
  const bench = new ScheduleBench();
  const hops = [aHop('core', { port: 1 }), aHop('core', { port: 2 })];
  bench.routeOf = () => aRoute(hops[0] as (typeof hops)[0], { queue: 'q' });
  bench.ready('q', 1);
  await bench.running[0]?.fault();
  hops.shift();
  bench.scheduler.reroute();
  assert.equal(bench.only('q').destination.nextHop.port, 2);
});

test('an attempt under way at a reload that meets a fault goes on at once over the new hop', async () => {
  const bench = new ScheduleBench();
  const hops = [aHop('core', { port: 1 }), aHop('core', { port: 2 })];
  bench.routeOf = () => aRoute(hops[0] as (typeof hops)[0], { queue: 'q' });
  bench.ready('q', 1);
  hops.shift();
  bench.scheduler.reroute();
  await bench.running[0]?.fault(1_800_000);
  assert.equal(bench.only('q').destination.nextHop.port, 2);
  assert.equal(bench.destination('q').state, 'active', 'the new hop is not blamed');
  assert.equal(bench.destination('q').lastFault, null);
});

test('a queue that leads to another server forgets what the one before asked for', async () => {
  const bench = new ScheduleBench();
  const hops = [aHop('core', { port: 1 }), aHop('core', { port: 2 })];
  bench.routeOf = () => aRoute(hops[0] as (typeof hops)[0], { queue: 'q' });
  bench.ready('q', 1, 2, 3);
  bench.destination('q').slowDown(bench.clock.monotonicMs(), 1_800_000);
  while (bench.running.length > 0) await bench.running[0]?.fault(1_800_000);
  assert.equal(bench.destination('q').allowedConnections, 1);
  hops.shift();
  bench.scheduler.reroute();
  assert.equal(bench.running.length, 2);
  assert.equal(bench.destination('q').state, 'active');
});

test('and to another queue where the new route says so', async () => {
  const bench = new ScheduleBench();
  bench.ready('core', 1);
  bench.routeOf = () => bench.route('new');
  bench.scheduler.reroute();
  await bench.running[0]?.fault(1_800_000);
  assert.deepEqual(bench.at('new'), [idOf(1)], 'at once');
});

test('queues that nothing waits in are forgotten', async () => {
  const bench = new ScheduleBench();
  for (let number = 0; number < 20; number++) {
    bench.ready(`host-${number}`, number);
    await bench.running[0]?.end();
  }
  bench.ready('core', 100);
  await bench.running[0]?.fault();
  bench.defer('due', 101, NOW_MS + 10);
  bench.routeOf = () => bench.route('new');
  bench.clock.advance(10);
  bench.scheduler.reroute();
  while (bench.running.length > 0) await bench.running[0]?.end();
  assert.deepEqual(
    [...bench.scheduler.destinations].map(({ name }) => name),
    ['new'],
  );
});

test('stop starts nothing further and waits for what is in flight', async () => {
  const bench = new ScheduleBench();
  bench.ready('core', 1, 2, 3);
  bench.defer('core', 4, NOW_MS + 1000);
  let stopped = false;
  const stop = bench.scheduler.stop().then(() => (stopped = true));
  await bench.running[0]?.end();
  bench.clock.advance(5000);
  assert.equal(stopped, false);
  await bench.running[0]?.fault();
  await stop;
  assert.deepEqual(bench.started, [idOf(1), idOf(2)]);
  assert.equal(bench.clock.timers, 0);
  await new ScheduleBench().scheduler.stop();
});
