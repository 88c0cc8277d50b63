import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Destination } from '../../src/queue/destination.js';
import { totalsByHop } from '../../src/queue/hop-totals.js';
import { aCapacity, aHop } from './samples.js';

const FAULT = { code: 535, enhanced: '5.7.8', text: 'no', stage: 'authplain', atMs: 0 };

function destinationTo(hop: string, change: Partial<Destination> = {}): Destination {
  const destination = new Destination(hop, aHop(hop), aCapacity({ maxConnections: 4 }));
  return Object.assign(destination, change);
}

test('queues to one hop are added up, and hops without a name of their own are one', () => {
  const destinations = [
    destinationTo('core', { sending: 1, deferred: 2 }),
    destinationTo('core', { held: 3, state: 'paused' }),
    destinationTo('a.example', { deferred: 5 }),
    destinationTo('b.example', { deferred: 6 }),
  ];
  const totals = totalsByHop(destinations, ['core', 'idle'], 'other', 0);
  assert.deepEqual([...totals.keys()], ['core', 'idle', 'other']);
  const core = totals.get('core');
  assert.deepEqual(core?.depth, { ready: 0, sending: 1, deferred: 2, held: 3 });
  assert.deepEqual(core.queues, { active: 1, backoff: 0, probing: 0, paused: 1 });
  assert.equal(core.maxConnections, 8);
  assert.equal(totals.get('other')?.depth.deferred, 11);
  assert.equal(totals.get('other')?.queues.active, 2);
});

test('of a hop without a queue nothing is known but that nothing waits', () => {
  const idle = totalsByHop([], ['idle'], 'other', 0).get('idle');
  assert.deepEqual(idle?.depth, { ready: 0, sending: 0, deferred: 0, held: 0 });
  assert.deepEqual(
    [idle.maxConnections, idle.allowedConnections, idle.oldestAgeSeconds],
    [null, null, null],
  );
});

test('a fault counts while it keeps mail from moving', () => {
  const faulty = (state: Destination['state']) =>
    destinationTo('core', { state, lastFault: FAULT });
  const faults = (...destinations: Destination[]) =>
    Object.fromEntries(totalsByHop(destinations, ['core'], 'other', 0).get('core')?.faults ?? []);
  assert.deepEqual(faults(faulty('backoff'), faulty('probing')), { authplain: 2 });
  assert.deepEqual(faults(faulty('active'), faulty('paused')), {});
});
