import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouteHop, RouteTable, RouteTarget } from '../../src/route/table.js';
import type { NextHop } from '../../src/send/next-hop.js';
import { compile, inputs, loginOf, smarthostOf } from './compiling.js';
import { allotment, soundBut } from './topology-files.js';

/** The routing of `core`, whose `smarthost: mx` is replaced by these lines. */
function routes(...lines: string[]): RouteTable {
  const keys = lines.map((line) => `    ${line}\n`).join('');
  return compile(soundBut(['    smarthost: mx\n', keys]), 'core').route;
}

function hopOf(target: RouteTarget | undefined): RouteHop {
  assert.equal(target?.kind, 'hop');
  return target.hop;
}

/** Queue, host and port of each hop that a target may choose. */
function choices(target: RouteTarget | undefined): string[] {
  const show = ({ queue, nextHop }: RouteHop): string =>
    `${queue} = ${nextHop.host}:${nextHop.port}`;
  switch (target?.kind) {
    case 'hop':
      return [show(target.hop)];
    case 'pool':
      return [
        ...target.members.map(({ hop, weight }) => `${weight} ${show(hop)}`),
        ...target.failover.map((hop) => `else ${show(hop)}`),
      ];
    default:
      return [String(target?.kind)];
  }
}

test('a node without a smarthost delivers by MX', () => {
  const table = routes('mx-port: 2525');
  assert.deepEqual(table.fallback, { kind: 'mx' });
  assert.deepEqual(table.rules, []);
  assert.equal(table.sink, null);
  assert.equal(table.mx.port, 2525);
  assert.equal(table.mx.tls, 'opportunistic');
  assert.equal(table.mx.ca?.at(-1), 'pem of /pki/ca.pem');
  assert.equal(routes().mx.port, 25);
});

test('an empty smarthost is none', () => {
  assert.deepEqual(routes('smarthost: ""').fallback, { kind: 'mx' });
});

test('DNS servers are handed on, and by default are those of the system', () => {
  const text = soundBut(['    smarthost: mx\n', '    dns-servers: ["127.0.0.1:5353"]\n']);
  assert.deepEqual(compile(text, 'core').send.dnsServers, ['127.0.0.1:5353']);
  assert.deepEqual(compile(text, 'edge').send.dnsServers, []);
});

test('the key of message passwords lies beside the spool, not in it', () => {
  const { messageKeyFile, queue } = compile(soundBut(), 'core');
  assert.equal(messageKeyFile, '/data/message-key');
  assert.ok(!messageKeyFile.startsWith(queue.directory));
});

test('conditions of a route become patterns and comparisons, in the order of the file', () => {
  const { rules, fallback } = routes(
    'smarthost: mx',
    'routes:',
    '  - { recipient: "*@vip.example", smarthost: a.example }',
    '  - { sender: ["<>", "*@bulk.example"], user: app, tag: [x, y], size: ">= 1.5 KiB", attempts: ">=3", smarthost: b.example }',
    '  - { attempts: 0, size: "<10", mx: true }',
  );
  const conditions = rules.map((rule) => ({ ...rule, target: undefined }));
  assert.deepEqual(conditions, [
    { where: 'nodes.core.routes.0', target: undefined, recipient: ['*@vip.example'] },
    {
      where: 'nodes.core.routes.1',
      target: undefined,
      sender: ['<>', '*@bulk.example'],
      user: ['app'],
      tag: ['x', 'y'],
      sizeBytes: { operator: '>=', value: 1536 },
      attempts: { operator: '>=', value: 3 },
    },
    {
      where: 'nodes.core.routes.2',
      target: undefined,
      sizeBytes: { operator: '<', value: 10 },
      attempts: { operator: '=', value: 0 },
    },
  ]);
  assert.deepEqual(choices(rules[0]?.target), ['(smarthost) a.example:25 = a.example:25']);
  assert.deepEqual(rules[2]?.target, { kind: 'mx' });
  assert.deepEqual(choices(fallback), ['(smarthost) = 127.0.0.1:2527']);
});

for (const [size, bytes] of [
  ['>5MB', 5_000_000],
  ['>5mib', 5_242_880],
  ['>7kB', 7000],
  ['>7KiB', 7168],
  ['>1GB', 1_000_000_000],
  ['>0.5GiB', 536_870_912],
  ['>512', 512],
  ['>512B', 512],
] as const) {
  test(`a size of ${size} is ${bytes} bytes`, () => {
    const { rules } = routes(`routes: [{ size: "${size}", mx: true }]`);
    assert.deepEqual(rules[0]?.sizeBytes, { operator: '>', value: bytes });
  });
}

test('a pool has a queue for each member, and its failover in order', () => {
  const { fallback } = routes(
    'smarthost:',
    '  pool: [{ to: mx, weight: 3 }, { to: a.example }]',
    '  failover: ["b.example:587", { hostname: c.example, implicit-tls: true }]',
  );
  assert.deepEqual(choices(fallback), [
    '3 (smarthost) mx = 127.0.0.1:2527',
    '1 (smarthost) a.example:25 = a.example:25',
    'else (smarthost) b.example:587 = b.example:587',
    'else (smarthost) c.example:465 = c.example:465',
  ]);
});

test('the same hop in several places is one object with one queue', () => {
  const { rules, fallback } = routes(
    'smarthost: mx',
    'routes:',
    '  - { recipient: a@x.example, smarthost: { hostname: mx, max-connections: 2 } }',
    '  - { recipient: b@x.example, smarthost: { pool: [{ to: a.example }, { to: mx }] } }',
    '  - { recipient: c@x.example, smarthost: { hostname: a.example, port: 25 } }',
  );
  const smarthost = hopOf(fallback);
  assert.equal(smarthost.queue, '(smarthost)');
  assert.equal(hopOf(rules[0]?.target), smarthost);
  const pool = rules[1]?.target;
  assert.ok(pool?.kind === 'pool');
  assert.equal(pool.members[1]?.hop, smarthost);
  assert.equal(pool.members[0]?.hop, hopOf(rules[2]?.target));
});

test('another login, port or TLS mode at the same host has a queue of its own', () => {
  const at = (keys: string) => `  - { to: { hostname: h.example, ${keys} } }`;
  const { fallback } = routes(
    'smarthost:',
    '  pool:',
    `  ${at('port: 25')}`,
    `  ${at('username: "a*", password: { secret: app }')}`,
    `  ${at('username: "a*", password: { secret: edge-core }')}`,
    `  ${at('tls: required')}`,
    `  ${at('port: 26')}`,
  );
  assert.deepEqual(choices(fallback), [
    '1 (smarthost) h.example:25 = h.example:25',
    '1 (smarthost) h.example:25 as a? = h.example:25',
    '1 (smarthost) h.example:25 as a? (2) = h.example:25',
    '1 (smarthost) h.example:25 (2) = h.example:25',
    '1 (smarthost) h.example:26 = h.example:26',
  ]);
});

test('hops of routes are logged in at over their links, as the smarthost is', () => {
  const text = soundBut(
    ['smarthost: core', 'smarthost: mx\n    routes: [{ tag: a, smarthost: core }]'],
    ['secret: edge-core } }', 'secret: edge-core }, max-connections: 7 }'],
  );
  const { rules, capacities } = compile(text, 'edge').route;
  const { queue, nextHop } = hopOf(rules[0]?.target);
  assert.equal(queue, '(smarthost) core');
  assert.deepEqual(loginOf(nextHop), ['edge', 'value of edge-core']);
  assert.deepEqual([nextHop.tls, nextHop.trace], ['verified', 'envelope']);
  assert.deepEqual(capacities.byQueue, [{ queue, capacity: { maxConnections: 7 } }]);
});

test('an access token is a login, and its file is relative to the topology', () => {
  const login = (token: string): NextHop['login'] =>
    hopOf(routes(`smarthost: { hostname: h.example, username: u, token: ${token} }`).fallback)
      .nextHop.login;
  assert.deepEqual(login('{ file: token.txt }'), {
    username: 'u',
    token: { kind: 'file', path: '/etc/mesh/token.txt' },
  });
  assert.deepEqual(login('{ command: [get-token, --fresh] }'), {
    username: 'u',
    token: { kind: 'command', argv: ['get-token', '--fresh'] },
  });
});

test('a password beside a token is refused', () => {
  const both = 'username: u, password: { secret: app }, token: { file: t }';
  assert.throws(() => routes(`smarthost: { hostname: h.example, ${both} }`), {
    code: 'MISSING_CREDENTIAL',
    where: 'nodes.core.smarthost',
  });
});

test('flat keys mean the same as the keys of a mapping', () => {
  const flat = routes(
    'smarthost: h.example',
    'smarthost-port: 2465',
    'smarthost-username: u',
    'smarthost-password: { secret: app }',
    'smarthost-tls: required',
    'smarthost-implicit-tls: true',
  );
  const mapping = routes(
    'smarthost: { hostname: h.example, port: 2465, username: u, password: { secret: app }, tls: required, implicit-tls: true }',
  );
  assert.deepEqual(flat, mapping);
  const { nextHop } = hopOf(flat.fallback);
  assert.deepEqual([nextHop.port, nextHop.tls, nextHop.implicitTls], [2465, 'required', true]);
  assert.deepEqual(loginOf(nextHop), ['u', 'value of app']);
});

test('a flat port adds to a name, and an empty flat username takes the login away', () => {
  const { nextHop } = hopOf(
    routes(
      'smarthost: relay',
      'smarthost-port: 2600',
      'smarthost-username: ""',
      'smarthost-password: { secret: app }',
    ).fallback,
  );
  assert.equal(nextHop.name, 'relay:2600');
  assert.equal(nextHop.login, undefined);
});

test('a flat login at a node replaces the login of the link as a whole', () => {
  const text = soundBut([
    'smarthost: core',
    'smarthost: core\n    smarthost-username: u\n    smarthost-password: { secret: app }',
  ]);
  const given = inputs();
  const next = smarthostOf(compile(text, 'edge', given));
  assert.deepEqual(loginOf(next), ['u', 'value of app']);
  assert.deepEqual([next.kind, next.port, next.trace], ['node', 2526, 'none']);
  assert.ok(!given.asked.includes('edge-core'));
});

test('allow-insecure-auth of a node holds for its hops, its sink and the logins of messages', () => {
  const lines = ['smarthost: h.example', 'smtp-sink-address: s.example'];
  const table = routes(...lines, 'allow-insecure-auth: true');
  assert.equal(table.allowInsecureAuth, true);
  assert.equal(hopOf(table.fallback).nextHop.allowInsecureAuth, true);
  assert.equal(table.sink?.allowInsecureAuth, true);
  const strict = routes(...lines);
  assert.deepEqual([strict.allowInsecureAuth, strict.sink?.allowInsecureAuth], [false, false]);
});

test('a sink that stands in for all hops has its own port, login and TLS', () => {
  const { sink, fallback } = routes(
    'smarthost: h.example',
    'smarthost-username: u',
    'smarthost-password: { secret: app }',
    'smtp-sink-address: sink.example',
    'smtp-sink-port: 2700',
    'smtp-sink-username: s',
    'smtp-sink-password: { secret: edge-core }',
  );
  assert.ok(sink);
  assert.deepEqual(
    { ...sink, ca: undefined, login: undefined },
    {
      name: 'smtp-sink sink.example:2700',
      kind: 'sink',
      host: 'sink.example',
      port: 2700,
      tls: 'verified',
      implicitTls: false,
      ca: undefined,
      login: undefined,
      allowInsecureAuth: false,
      trace: 'none',
    },
  );
  assert.deepEqual(loginOf(sink), ['s', 'value of edge-core']);
  assert.deepEqual(loginOf(hopOf(fallback).nextHop), ['u', 'value of app']);
});

test('a sink without a login gets none, whatever the smarthost has', () => {
  const { sink } = routes(
    'smarthost: h.example',
    'smarthost-username: u',
    'smarthost-password: { secret: app }',
    'smtp-sink-address: 192.0.2.9',
  );
  assert.deepEqual(
    [sink?.name, sink?.tls, sink?.login],
    ['smtp-sink 192.0.2.9:25', 'opportunistic', undefined],
  );
});

test('a sink of the topology is named, and has its own port unless another is given', () => {
  const text = soundBut(
    ['    smarthost: mx\n', '    smtp-sink-address: mx\n'],
    ['port: 2527', 'port: auto, tls: implicit'],
  );
  const given = { allotment: allotment({ sinks: { mx: 4711 } }) };
  const { sink } = compile(text, 'core', given).route;
  assert.deepEqual(
    [sink?.name, sink?.host, sink?.port, sink?.implicitTls],
    ['mx', '127.0.0.1', 4711, true],
  );
  assert.equal(routes('smtp-sink-address: mx', 'smtp-sink-port: 99').sink?.port, 99);
});

for (const off of ['0.0.0.0', '""']) {
  test(`a sink address of ${off} is off`, () => {
    assert.equal(routes('smarthost: mx', `smtp-sink-address: ${off}`).sink, null);
  });
}

test('what is no sink is refused where it stands', () => {
  for (const wrong of ['edge', 'nosuch', '"mx:2525"', '"::"']) {
    assert.throws(
      () => routes('smarthost: mx', `smtp-sink-address: ${wrong}`),
      { code: 'UNKNOWN_SMARTHOST', where: 'nodes.core.smtp-sink-address' },
      wrong,
    );
  }
});
