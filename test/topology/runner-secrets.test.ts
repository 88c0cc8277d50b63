import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compileNode } from '../../src/topology/compile.js';
import {
  generateSecrets,
  onlySecrets,
  secretsOfNode,
} from '../../src/topology/runner/generated-secrets.js';
import type { Allotment, Topology } from '../../src/topology/schema.js';
import { inputs } from './compiling.js';
import { allotment, allottedBrokers, parsed, soundBut } from './topology-files.js';

/** Ports for everything, as `topology up` would settle them. */
function portsFor(topology: Topology): Partial<Allotment> {
  const { nodes, sinks } = topology;
  let port = 20_000;
  const fill = (names: string[]) => Object.fromEntries(names.map((name) => [name, port++]));
  const listeners = Object.entries(nodes).map(([name, { listen }]) => [
    name,
    fill(listen.map((listener) => listener.name)),
  ]);
  return {
    listeners: Object.fromEntries(listeners),
    apis: fill(Object.keys(nodes)),
    sinks: fill(Object.keys(sinks)),
    brokers: allottedBrokers(topology),
  };
}

function assertExact(topology: Topology): void {
  for (const node of Object.keys(topology.nodes)) {
    const given = inputs({ allotment: allotment(portsFor(topology)) });
    compileNode(topology, node, given);
    const asked = [...new Set(given.asked)].toSorted();
    assert.deepEqual([...secretsOfNode(topology, node)].toSorted(), asked, node);
  }
}

const FOLDER = fileURLToPath(new URL('../../../topologies/', import.meta.url));
for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.yaml'))) {
  test(`each node of topologies/${name} is handed exactly the secrets that it uses`, () => {
    assertExact(parsed(readFileSync(join(FOLDER, name), 'utf8')).topology);
  });
}

/** `edge` with a login in every place that can have one, each with a secret of its own. */
const EVERYWHERE = soundBut(
  [
    '  app: { generate: true }\n',
    ['app', 'smarthost', 'sink', 'route', 'member', 'failover', 'token', 'other', 'spool', 'unused']
      .map((name) => `  ${name}: { generate: true }\n`)
      .join(''),
  ],
  ['port: 8025', 'port: 8025, token: { secret: token }'],
  [
    '    smarthost: core\n',
    `    smarthost: h.example
    smarthost-username: u
    smarthost-password: { secret: smarthost }
    spool: { amqp: amqps://b.example, username: u, password: { secret: spool } }
    smtp-sink-address: s.example
    smtp-sink-username: u
    smtp-sink-password: { secret: sink }
    routes:
      - { tag: a, smarthost: { hostname: r.example, username: u, password: { secret: route } } }
      - { tag: b, smarthost: { hostname: t.example, username: u, token: { file: token } } }
      - tag: c
        smarthost:
          pool: [{ to: { hostname: m.example, username: u, password: { secret: member } } }, { to: core }]
          failover: [{ hostname: f.example, username: u, password: { secret: failover } }]
`,
  ],
  [
    '    smarthost: mx',
    '    smarthost: { hostname: mx, username: u, password: { secret: other } }',
  ],
);

test('a node is handed the secrets of its routes, its pools, its flat keys and its sink', () => {
  const { topology } = parsed(EVERYWHERE);
  assertExact(topology);
  assert.deepEqual([...secretsOfNode(topology, 'edge')].toSorted(), [
    'app',
    'edge-core',
    'failover',
    'member',
    'route',
    'sink',
    'smarthost',
    'spool',
    'token',
  ]);
  assert.deepEqual([...secretsOfNode(topology, 'core')].toSorted(), [
    'edge-core',
    'other',
    'token',
  ]);
});

test('the secret of a link whose login is not used stays at the other end', () => {
  const { topology } = parsed(
    soundBut([
      'smarthost: core',
      'smarthost: { hostname: core, username: edge, password: { secret: app } }',
    ]),
  );
  assertExact(topology);
  assert.deepEqual([...secretsOfNode(topology, 'edge')], ['app']);
});

test('what is handed out is what was made', () => {
  const { topology } = parsed(EVERYWHERE);
  const made = generateSecrets(topology, { route: 'of the run before' });
  assert.equal(made['route'], 'of the run before');
  assert.notEqual(made['member'], made['failover']);
  assert.deepEqual(onlySecrets(made, new Set(['route'])), { route: 'of the run before' });
});
