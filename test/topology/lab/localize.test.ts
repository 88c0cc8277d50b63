import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isLoopbackHost } from '../../../src/format/loopback.js';
import { topologyText } from '../../../src/topology/export/yaml-text.js';
import { writtenOf } from '../../../src/topology/export/written.js';
import { OUTSIDE_SERVICES } from '../../../src/topology/init/services.js';
import {
  chainText,
  meshText,
  outsideServiceText,
} from '../../../src/topology/init/starting-points.js';
import { localize } from '../../../src/topology/lab/localize.js';
import { hopsOf } from '../../../src/topology/node-hops.js';
import { queuesOf } from '../../../src/topology/queue-limits.js';
import type { Topology } from '../../../src/topology/schema.js';
import { describeFault } from '../../../src/topology/fault.js';
import { lint, parsed } from '../topology-files.js';

const FOLDER = fileURLToPath(new URL('../../../../topologies/', import.meta.url));

/** The topologies that are meant to run on one machine already. */
const LOCAL: [string, string][] = [
  ...readdirSync(FOLDER)
    .filter((name) => name.endsWith('.yaml'))
    .map((name): [string, string] => [name, readFileSync(join(FOLDER, name), 'utf8')])
    // who names a host outside is meant for other machines
    .filter(([, text]) => !text.includes('stands-for:')),
  ['a chain', chainText(4)],
  ['a mesh', meshText(3, 2)],
  ['an outside service', outsideServiceText()],
  ...OUTSIDE_SERVICES.map((service): [string, string] => [service, outsideServiceText(service)]),
];

function localized(text: string) {
  const local = localize(parsed(text, '/conf/mesh.yaml'));
  const localText = topologyText(local, []);
  const errors = lint(localText).filter(({ severity }) => severity === 'error');
  assert.deepEqual(
    errors.map((fault) => describeFault(fault)),
    [],
  );
  return { local, loaded: parsed(localText) };
}

/** Nothing but loopback, in what nodes listen on and in what they connect to. */
function assertStaysHere(text: string): void {
  const { loaded } = localized(text);
  const { topology } = loaded;
  for (const [name, node] of Object.entries(topology.nodes)) {
    for (const { host, port } of [node, ...node.listen, ...(node.api ? [node.api] : [])] as {
      host: string;
      port?: unknown;
    }[]) {
      assert.ok(isLoopbackHost(host));
      if (port !== undefined) assert.equal(port, 'auto');
    }
    const hops = hopsOf(topology, name);
    assert.notEqual(hops.length, 0, `${name} delivers by MX`);
    for (const { planned } of hops) {
      assert.ok('plan' in planned);
      assert.notEqual(planned.plan.kind, 'host');
      assert.equal(planned.plan.port, 'auto');
      assert.ok(isLoopbackHost(planned.plan.host));
    }
  }
  for (const entry of Object.values(topology.secrets)) assert.deepEqual(entry, { generate: true });
}

for (const [name, text] of LOCAL) {
  test(`${name}, which runs on one machine, comes out as it is but for its tests`, () => {
    const { tests: _tests, ...written } = writtenOf(parsed(text));
    assert.deepEqual(localized(text).local, written);
    assertStaysHere(text);
  });
}

const PRODUCTION = `version: 1
name: mesh
secrets:
  app: { env: APP_PASSWORD }
  link: { file: link.secret }
  esp: { env: ESP_PASSWORD }
  collector: { env: COLLECTOR_TOKEN }
  api: { env: API_TOKEN }
tls: { ca: ca.pem }
defaults:
  otlp: { endpoint: https://otel.example.com, headers: { authorization: { secret: collector } } }
  max-connections: 7
nodes:
  edge:
    host: edge.example.net
    tls: { cert: edge.pem, key: edge.key }
    listen:
      - { name: submission, host: 0.0.0.0, port: 587, tls: required }
      - { name: relay, host: 0.0.0.0, port: 25 }
    api: { host: 0.0.0.0, port: 8025, token: { secret: api } }
    users: [{ username: app, password: { secret: app }, may: [relay, steer], steer-to: ["smtp.example.com:587", "*.other.example:25", exit] }]
    relay-from: [10.0.0.0/8]
    smarthost: { hostname: exit, port: 2525 }
  exit:
    host: 192.0.2.7
    tls: { cert: exit.pem, key: exit.key }
    listen:
      - { name: first, host: 0.0.0.0, port: 25, tls: required }
      - { name: second, host: 0.0.0.0, port: 2525, tls: required }
    smarthost: smtp.example.com
    smarthost-port: 587
    smarthost-username: me
    smarthost-password: { secret: esp }
    queues: [{ queue: "(smarthost) smtp.example.com:465", max-connections: 2 }]
    routes:
      - { recipient: "*@a.test", smarthost: { hostname: smtp.example.com, port: 465, username: you, token: { file: token } } }
      - { recipient: "*@b.test", mx: true }
links:
  - { from: edge, to: exit, username: edge, password: { secret: link } }
sinks:
  esp: { port: 2600, stands-for: ["smtp.example.com:587"] }
  esp465: { port: 2601, stands-for: [SMTP.example.com.] }
  world: { port: 2602, stands-for: ["*"] }
tests:
  - { name: t, steps: [{ send: { via: edge, to: a@b.test } }], expect: {} }
`;

test('a topology of several machines runs on one, with its ways, logins and names', () => {
  assertStaysHere(PRODUCTION);
  const { local, loaded } = localized(PRODUCTION);
  const { edge, exit } = loaded.topology.nodes;
  assert.equal(edge?.hostname, 'edge.example.net');
  assert.equal(exit?.hostname, undefined);
  assert.deepEqual(local['tls'], { ephemeral: true });
  assert.equal(local['tests'], undefined);
  assert.deepEqual(local['defaults'], { 'max-connections': 7 });
  assert.deepEqual(edge?.api, { host: '127.0.0.1', port: 'auto', token: { secret: 'api' } });
  assert.deepEqual(edge?.['relay-from'], ['10.0.0.0/8', '127.0.0.1/32']);
  assert.deepEqual(edge?.users[0]?.['steer-to'], ['esp', 'exit']);
  assert.doesNotMatch(JSON.stringify(local), /\.pem|\.key|token":\{"file|otel/);
});

test('a link that logs in by certificate does so with the one that is made for its node', () => {
  const { local } = localized(`version: 1
name: mesh
tls: { ca: ca.pem, cert: cert.pem, key: key.pem }
nodes:
  edge: { host: edge.example, listen: [{ port: 2525 }], relay-from: [192.0.2.1], smarthost: core }
  core: { host: core.example, listen: [{ port: 2526, tls: required }], smarthost: mx }
links:
  - { from: edge, to: core, certificate: { cert: c.pem, key: k.pem, name: relay.example } }
sinks: { mx: { port: 2527 } }
`);
  assert.deepEqual(local['links'], [{ from: 'edge', to: 'core', certificate: true }]);
  assert.deepEqual(local['tls'], { ephemeral: true });
});

test('a listener that was chosen by its port is chosen by its name', () => {
  const [hop] = hopsOf(localized(PRODUCTION).loaded.topology, 'edge');
  assert.ok(hop !== undefined && 'plan' in hop.planned);
  assert.equal(hop.planned.plan.listener?.name, 'second');
  assert.equal(hop.planned.plan.username, 'edge');
});

test('a listener that was chosen by its port gets a link where there is none', () => {
  const text = PRODUCTION.replace(/links:\n.*\n/, '')
    .replace(
      'relay-from: [10.0.0.0/8]\n    smarthost: { hostname: exit, port: 2525 }',
      'relay-from: [10.0.0.0/8]\n    smarthost: { hostname: exit, port: 2525, tls: required }',
    )
    .replace('host: 192.0.2.7', 'host: 192.0.2.7\n    relay-from: [192.0.2.0/24]');
  const [hop] = hopsOf(localized(text).loaded.topology, 'edge');
  assert.ok(hop !== undefined && 'plan' in hop.planned);
  assert.equal(hop.planned.plan.listener?.name, 'second');
  assert.equal(hop.planned.plan.username, undefined);
});

test('stand-ins demand the login and the TLS that their host would get', () => {
  const { loaded } = localized(PRODUCTION);
  const { esp, esp465, world } = loaded.topology.sinks;
  assert.deepEqual(
    [esp?.tls, esp?.users],
    ['required', [{ username: 'me', password: { secret: 'esp' } }]],
  );
  // an access token becomes a password, which a sink can check
  const made = { secret: 'lab-token-esp465' };
  assert.deepEqual(
    [esp465?.tls, esp465?.users],
    ['implicit', [{ username: 'you', password: made }]],
  );
  assert.deepEqual([world?.tls, world?.users], ['none', []]);
  const [fallback, route, mx] = hopsOf(loaded.topology, 'exit');
  assert.ok(fallback && route && mx && 'plan' in fallback.planned && 'plan' in route.planned);
  assert.deepEqual([fallback.planned.plan.name, fallback.planned.plan.tls], ['esp', 'verified']);
  assert.deepEqual(
    [route.planned.plan.name, route.planned.plan.implicitTls, route.planned.plan.password],
    ['esp465', true, 'lab-token-esp465'],
  );
  // beside other hops a route by MX leads to the sink alone
  assert.ok('plan' in mx.planned);
  assert.equal(mx.planned.plan.name, 'world');
});

function capacitiesOf(topology: Topology, node: string): Map<string, number> {
  const queues = queuesOf(topology, node, hopsOf(topology, node));
  return new Map(queues.map(({ name, maxConnections }) => [name, maxConnections]));
}

test('limits of the queue of an outside host hold for the queue of its stand-in', () => {
  const before = capacitiesOf(parsed(PRODUCTION).topology, 'exit');
  const after = capacitiesOf(localized(PRODUCTION).loaded.topology, 'exit');
  assert.equal(before.get('(smarthost) smtp.example.com:465'), 2);
  assert.equal(after.get('(smarthost) esp465'), 2);
  assert.equal(after.get('(smarthost)'), 7);
});

test('a node that delivers by MX alone hands everything to the sink that stands for `*`', () => {
  const text = `version: 1
name: mesh
nodes:
  out: { listen: [{ port: 25 }], relay-from: [127.0.0.1], dns-servers: [192.0.2.53], mx-port: 2525 }
sinks: { world: { port: 2602, stands-for: ["*"] } }
`;
  const { local } = localized(text);
  assert.deepEqual(local['nodes'], {
    out: {
      listen: [{ port: 'auto' }],
      'relay-from': ['127.0.0.1'],
      'smtp-sink-address': 'world',
    },
  });
});

function refusal(text: string): { code: string; where: string | undefined; hint: string } {
  try {
    localize(parsed(text, 'mesh.yaml'));
  } catch (error) {
    return error as { code: string; where: string; hint: string };
  }
  return assert.fail('it was taken');
}

test('an outside host without a stand-in is refused at its place', () => {
  const flat = refusal(
    PRODUCTION.replace('["smtp.example.com:587"]', '[x.example.com]').replace(
      'SMTP.example.com.',
      'y.example.com',
    ),
  );
  assert.deepEqual([flat.code, flat.where], ['LAB_OUTSIDE', 'mesh.yaml:30:16']);
  assert.match(flat.hint, /`stands-for: \[smtp\.example\.com:587\]`/);
  const mx = refusal(PRODUCTION.replace('["*"]', '[z.example.com]'));
  assert.deepEqual([mx.code, mx.where?.split(':')[1]], ['LAB_OUTSIDE', '37']);
  assert.match(mx.hint, /stands-for: \["\*"\]/);
});

test('a sink that would have to do two things at once is refused', () => {
  const both = refusal(PRODUCTION.replace('["smtp.example.com:587"]', '[smtp.example.com]'));
  assert.equal(both.code, 'LAB_STAND_IN');
  const logins = `version: 1
name: mesh
secrets: { a: { generate: true } }
nodes:
  one: { listen: [{ port: 25 }], smarthost: { hostname: smtp.example.com, username: a, password: { secret: a } } }
  two: { listen: [{ port: 26 }], smarthost: smtp.example.com }
sinks: { esp: { port: 2602, stands-for: [smtp.example.com] } }
`;
  const mixed = refusal(logins);
  assert.deepEqual([mixed.code, mixed.where], ['LAB_STAND_IN', 'mesh.yaml:6:45']);
});

test('each RabbitMQ that tiers share becomes one of the run, without the login there', () => {
  const spools = PRODUCTION.replace(
    '  max-connections: 7',
    '  spool: { amqp: "amqps://r.example.net", username: me, password: { secret: esp }, tier: core }',
  )
    .replace('    relay-from:', '    spool: { prefetch: 5 }\n    relay-from:')
    .replace('    queues:', '    spool: { amqp: ["amqps://other.example.net/x"] }\n    queues:');
  const { local, loaded } = localized(spools);
  assert.deepEqual(local['brokers'], { broker: { port: 'auto' }, 'broker-2': { port: 'auto' } });
  const { edge, exit } = loaded.topology.nodes;
  assert.deepEqual(
    [loaded.topology.defaults.spool, edge?.spool, exit?.spool],
    [{ amqp: 'broker-2', tier: 'core' }, { prefetch: 5 }, { amqp: 'broker' }],
  );
});
