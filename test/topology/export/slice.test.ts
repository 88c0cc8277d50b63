import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import type { Secret } from '../../../src/base/secret.js';
import { compileNode } from '../../../src/topology/compile.js';
import { sliceOf } from '../../../src/topology/export/slice.js';
import { writtenOf } from '../../../src/topology/export/written.js';
import { lintTopology } from '../../../src/topology/lint.js';
import type { Topology } from '../../../src/topology/schema.js';
import { inputs } from '../compiling.js';
import { allotment, allottedBrokers, parsed } from '../topology-files.js';
import { PRODUCTION } from './production.js';

const FOLDER = 'topologies';
const FILES = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.yaml'))
  .map((name): [string, string] => [name, readFileSync(join(FOLDER, name), 'utf8')]);

/** Ports for everything, as `topology up` would settle them. */
function ports(topology: Topology) {
  const { nodes, sinks } = topology;
  let port = 20_000;
  const fill = (names: string[]) => Object.fromEntries(names.map((name) => [name, port++]));
  return allotment({
    listeners: Object.fromEntries(
      Object.entries(nodes).map(([name, node]) => [name, fill(node.listen.map((one) => one.name))]),
    ),
    apis: fill(Object.keys(nodes).filter((name) => nodes[name]?.api !== undefined)),
    sinks: fill(Object.keys(sinks)),
    brokers: allottedBrokers(topology),
  });
}

/** Settings with the secrets in clear, so that a comparison sees them. */
function compiled(topology: Topology, node: string, given = ports(topology)) {
  const asked = inputs({ allotment: given });
  const settings = compileNode(topology, node, asked);
  const reveal = (_key: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && 'reveal' in value
      ? (value as Secret).reveal()
      : value;
  return { settings: JSON.parse(JSON.stringify(settings, reveal)) as unknown, asked: asked.asked };
}

/** Peers that connect in all the ways that there are. */
const WAYS = `version: 1
name: ways
secrets: { one: { env: ONE }, two: { env: TWO }, three: { env: THREE } }
nodes:
  as-user:
    listen: [{ port: 2501 }]
    relay-from: [127.0.0.1]
    smarthost: { hostname: core, username: user, password: { secret: one } , tls: none }
  in-clear:
    host: in-clear.example
    listen: [{ port: 2502 }]
    relay-from: [10.0.0.1]
    allow-insecure-auth: true
    smarthost: { hostname: core, tls: none }
  by-port:
    listen: [{ port: 2503 }]
    relay-from: [127.0.0.1]
    smarthost: { pool: [{ to: "core:2505", weight: 1 }] }
  no-login:
    listen: [{ port: 2506 }]
    relay-from: [127.0.0.1]
    routes: [{ recipient: "*@a.example", smarthost: core }]
    smarthost: mail.example
  core:
    listen: [{ port: 2504 }, { name: other, port: 2505 }]
    users: [{ username: user, password: { secret: one } }]
    relay-from: [127.0.0.1]
    smarthost: mail.example
links:
  - { from: in-clear, to: core, username: in-clear, password: { secret: two }, tls: none }
  - { from: by-port, to: core, username: by-port, password: { secret: three }, tls: none, max-connections: 3 }
`;

/** A tier of three at a broker, of which two send to `exit`; and a node with one of its own. */
const TIERS = `version: 1
name: tiers
secrets: { one: { env: ONE }, two: { env: TWO }, core: { env: CORE }, edge: { env: EDGE } }
defaults:
  workers: 2
  spool: { amqp: ['amqps://a.example', 'amqps://b.example'], tier: core, username: core, password: { secret: core } }
nodes:
  edge:
    listen: [{ port: 2501 }]
    relay-from: [127.0.0.1]
    workers: 1
    spool: { amqp: 'amqp://edge.example', username: edge, password: { secret: edge } }
    allow-insecure-auth: true
    smarthost: { pool: [{ to: core-1, weight: 1 }, { to: core-2, weight: 1 }] }
  core-1: { listen: [{ port: 2502 }], workers: 1, smarthost: exit }
  core-2:
    listen: [{ port: 2503 }]
    workers: 1
    spool: { amqp: ['amqps://b.example', 'amqps://a.example'], tier: core, username: core, password: { secret: core } }
    smarthost: exit
  core-3: { listen: [{ port: 2504 }], workers: 1, relay-from: [127.0.0.1], smarthost: mail.example }
  exit: { listen: [{ port: 2505 }], spool: none, smarthost: mail.example }
links:
  - { from: edge, to: core-1, username: edge, password: { secret: one }, tls: none }
  - { from: edge, to: core-2, username: edge, password: { secret: one }, tls: none }
  - { from: core-1, to: exit, username: core-1, password: { secret: two }, tls: none }
  - { from: core-2, to: exit, username: core-2, password: { secret: two }, tls: none }
`;

for (const [name, text] of [
  ...FILES,
  ['a production file', PRODUCTION] as [string, string],
  ['a file of many ways', WAYS] as [string, string],
  ['a file of tiers', TIERS] as [string, string],
]) {
  const whole = parsed(text);
  for (const node of Object.keys(whole.topology.nodes)) {
    test(`${name}: node ${node} gets the same settings from its slice as from the whole`, () => {
      const written = writtenOf(whole);
      const slice = parsed(stringify(sliceOf(whole.topology, written, node)));
      const given = ports(whole.topology);
      const fromSlice = compiled(slice.topology, node, given);
      assert.deepEqual(fromSlice, compiled(whole.topology, node, given));

      const faults = lintTopology(slice, { node, env: {} });
      const errors = faults.filter(
        ({ severity, ruleId }) =>
          // the certificates of the production file are not here
          severity === 'error' && !(ruleId === 'missing-certificate' && text === PRODUCTION),
      );
      assert.deepEqual(errors, []);
      const ofSinks = Object.values(slice.topology.sinks).flatMap(({ users }) =>
        users.map(({ password }) => password.secret),
      );
      const needed = new Set([...fromSlice.asked, ...ofSinks]);
      assert.deepEqual(new Set(Object.keys(slice.topology.secrets)), needed);
    });
  }
}

test('a slice has no users, routes or secrets of other nodes', () => {
  const whole = parsed(PRODUCTION);
  const slice = sliceOf(whole.topology, writtenOf(whole), 'core-a');
  assert.deepEqual(slice['nodes'], {
    edge: {
      host: 'edge.mail.internal',
      listen: [
        { name: 'submission', port: 587, tls: 'required' },
        { name: 'relay', port: 2525 },
      ],
      api: { host: '0.0.0.0', port: 8025, token: { secret: 'api' } },
      'expire-after': 86_400,
      smarthost: 'core-a',
    },
    'core-a': {
      host: 'core-a.mail.internal',
      listen: [{ port: 2525, tls: 'required' }],
      api: { host: '0.0.0.0', port: 8025, token: { secret: 'api' } },
      smarthost: 'exit',
    },
    'core-b': {
      host: 'core-b.mail.internal',
      listen: [{ port: 2525, tls: 'required' }],
      api: { host: '0.0.0.0', port: 8025, token: { secret: 'api' } },
    },
    exit: {
      host: 'exit.mail.internal',
      listen: [{ port: 2525, tls: 'required' }],
      api: { host: '0.0.0.0', port: 8025, token: { secret: 'api' } },
      tls: { cert: '/etc/mail/exit.pem', key: '/etc/mail/exit.key' },
    },
  });
  assert.deepEqual(Object.keys(slice['secrets'] as object), [
    'edge-core',
    'edge-core-old',
    'core-exit',
    'api',
    'collector',
  ]);
  assert.equal((slice['links'] as unknown[]).length, 2);
});

test('a node learns who shares the mail of the nodes that it hears from, and not their logins', () => {
  const whole = parsed(TIERS);
  const slice = sliceOf(whole.topology, writtenOf(whole), 'exit');
  const spool = { amqp: ['amqps://a.example', 'amqps://b.example'], tier: 'core' };
  assert.deepEqual(slice['nodes'], {
    'core-1': { listen: [{ port: 2502 }], spool, smarthost: 'exit' },
    'core-2': {
      listen: [{ port: 2503 }],
      spool: { ...spool, amqp: spool.amqp.toReversed() },
      smarthost: 'exit',
    },
    'core-3': { listen: [{ port: 2504 }], spool },
    exit: { listen: [{ port: 2505 }], smarthost: 'mail.example' },
  });
  assert.deepEqual(Object.keys(slice['secrets'] as object), ['two']);
});
