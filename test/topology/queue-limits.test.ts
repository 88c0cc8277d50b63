import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitsPattern } from '../../src/format/pattern.js';
import type { Capacity } from '../../src/send/capacity.js';
import { hopsOf } from '../../src/topology/node-hops.js';
import { queuesOf } from '../../src/topology/queue-limits.js';
import { compile } from './compiling.js';
import { parsed, soundBut } from './topology-files.js';

/** Limits at every place at which they can stand, several logins at one host, and a pool. */
const TEXT = soundBut(
  ['nodes:', 'defaults: { max-connections: 5, max-messages-per-minute: 900 }\nnodes:'],
  [
    '    smarthost: core',
    `    max-messages-per-minute: 800
    smarthost: { hostname: core, preset: microsoft-365 }
    routes:
      - { tag: a, smarthost: { hostname: core, preset: microsoft-365, max-messages-per-minute: 29 } }
      - { tag: b, smarthost: { pool: [{ to: { hostname: h.example, username: u, password: { secret: app } } }, { to: { hostname: h.example, username: v, password: { secret: app } } }] } }
      - { tag: c, smarthost: { hostname: h.example, max-connects-per-minute: 3, max-messages-per-connection: 7 } }
    queues:
      - { queue: "* as v", preset: microsoft-365, max-connections: 9 }`,
  ],
  [
    'secret: edge-core } }',
    'secret: edge-core }, max-messages-per-minute: 25, max-connections: 2 }',
  ],
);

test('queues have the names and limits that the running node gives them', () => {
  const { topology } = parsed(TEXT);
  const { fallback, rules, capacities } = compile(TEXT, 'edge').route;
  const names = new Set(
    [fallback, ...rules.map(({ target }) => target)].flatMap((target) => {
      if (target.kind === 'hop') return [target.hop.queue];
      return target.kind === 'pool' ? target.members.map(({ hop }) => hop.queue) : [];
    }),
  );
  const planned = queuesOf(topology, 'edge', hopsOf(topology, 'edge'));
  assert.deepEqual(new Set(planned.map(({ name }) => name)), names);
  assert.equal(names.size, 4);
  for (const { name, maxConnections, rate } of planned) {
    const running: Capacity = { ...capacities.base };
    for (const { queue, capacity } of capacities.byQueue) {
      if (fitsPattern(queue, name)) Object.assign(running, capacity);
    }
    const { maxMessagesPerMinute, maxConnectsPerMinute, maxMessagesPerConnection } = running;
    const carried = (maxConnectsPerMinute ?? Infinity) * maxMessagesPerConnection;
    assert.equal(maxConnections, running.maxConnections, name);
    assert.equal(rate?.value, Math.min(maxMessagesPerMinute ?? Infinity, carried), name);
  }
});

test('each rate has the place of the limit that counts', () => {
  const { topology } = parsed(TEXT);
  const planned = queuesOf(topology, 'edge', hopsOf(topology, 'edge'));
  const places = planned.map(({ name, rate }) => `${name} ${rate?.value} ${rate?.path.join('.')}`);
  assert.deepEqual(places, [
    '(smarthost) 29 nodes.edge.routes.0.smarthost.max-messages-per-minute',
    '(smarthost) h.example:25 800 nodes.edge.max-messages-per-minute',
    '(smarthost) h.example:25 as v 30 nodes.edge.queues.0.preset',
    '(smarthost) h.example:25 (2) 21 nodes.edge.routes.2.smarthost.max-connects-per-minute',
  ]);
});
