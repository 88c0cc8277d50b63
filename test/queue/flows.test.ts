import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flows } from '../../src/queue/flows.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { QueueBench } from './queue-bench.js';
import { aHop, aRoute, DEFERRED, DELIVERED, HOP_FAULT, idOf } from './samples.js';

test('a flow has what waits in all queues to one hop, its rates, and the worst of the states', async () => {
  const bench = await QueueBench.started();
  const core = aHop('core', { tls: 'verified', login: { username: 'u', password: null } });
  bench.routeOf = ({ id }) => aRoute(core, { queue: id < idOf(3) ? 'a.test' : 'b.test' });
  bench.answer = ({ message }) => (message.queueId === idOf(1) ? DELIVERED : DEFERRED);
  for (const number of [1, 2]) await bench.accept(idOf(number));
  await bench.attempted(2);
  bench.answer = () => HOP_FAULT;
  await bench.accept(idOf(3));
  await bench.attempted(3);
  const { flows, elsewhere } = bench.queue.flows([core, aHop('idle', { kind: 'sink' })]);
  assert.equal(elsewhere, 0);
  const [flow, idle, ...others] = flows;
  assert.deepEqual(others, []);
  assert.deepEqual(
    { ...flow, last_fault: flow?.last_fault?.description },
    {
      to: 'core',
      kind: 'node',
      tls: 'verified',
      login: true,
      queues: ['a.test', 'b.test'],
      ready: 1,
      sending: 0,
      deferred: 1,
      held: 0,
      delivered_per_minute: 1,
      faults_per_minute: 2,
      state: 'backoff',
      last_fault: 'connection refused',
    },
  );
  assert.deepEqual([idle?.to, idle?.queues, idle?.state], ['idle', [], 'active']);
  assert.equal(bench.queue.receivedPerMinute, 3);
  bench.answer = () => new Promise(() => undefined);
  bench.clock.advance(60_000);
  assert.equal(bench.queue.receivedPerMinute, 0);
});

test('servers that DNS names are one flow, and hops that messages name are only counted', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => DEFERRED;
  const own = aHop('esp.example:587', { kind: 'host', ofMessage: true });
  bench.routeOf = ({ id }) =>
    id === idOf(1)
      ? aRoute(own)
      : aRoute(aHop(`${id}.test`, { kind: 'mx', host: `${id}.test` }), { queue: `${id}.test` });
  for (const number of [1, 2, 3]) await bench.accept(idOf(number));
  await bench.attempted(3);
  const { flows, elsewhere } = bench.queue.flows([]);
  assert.equal(elsewhere, 1);
  assert.deepEqual(
    flows.map(({ to, deferred, faults_per_minute: faults }) => [to, deferred, faults]),
    [['mx', 2, 2]],
  );
});

test('rates of hops that are no more part of the topology are forgotten', () => {
  const clock = new VirtualClock();
  const flows = new Flows(clock);
  const [old, other] = [aHop('old'), aHop('other')];
  flows.attempted(old, 1, 1);
  const rateOf = (): number | undefined => flows.list([old], []).flows[0]?.delivered_per_minute;
  assert.equal(rateOf(), 1);
  flows.list([other], []);
  assert.equal(rateOf(), 0);
});
