import assert from 'node:assert/strict';
import { rootCertificates } from 'node:tls';
import { test } from 'node:test';
import type { NextHop } from '../../src/send/next-hop.js';
import type { CompileInputs } from '../../src/topology/compile-inputs.js';
import { compileNode, hostnameOf } from '../../src/topology/compile.js';
import { compile, inputs, loginOf, smarthostOf } from './compiling.js';
import { allotment, MACHINES, parsed, SOUND, soundBut } from './topology-files.js';

function hop(text: string, node = 'core', more: Partial<CompileInputs> = {}): NextHop {
  return smarthostOf(compile(text, node, more));
}

test('the defaults of a node are those of the reference', () => {
  const settings = compile(SOUND, 'edge');
  assert.deepEqual(settings.queue, {
    directory: '/data/spool',
    retryIntervalsSeconds: [60, 300, 900, 1800, 3600],
    expireAfterSeconds: 432_000,
    hopPauseMinSeconds: 1,
    hopPauseMaxSeconds: 60,
    doubtTimeoutSeconds: 3600,
    inlineBodyBytes: 262_144,
    limits: {
      maxMessages: 2_000_000,
      maxBytes: 20 * 1024 ** 3,
      diskReserveBytes: 256 * 1024 ** 2,
      bodyMemoryBytes: 64 * 1024 ** 2,
      maxAttemptsAtOnce: 1000,
      maxAttempts: null,
      maxQuarantined: 10_000,
    },
    deliveryKeys: { lifetimeSeconds: 518_400, maxBytes: 1024 ** 3 },
    reports: { maxPerMinute: 600, delayAfterSeconds: 14_400 },
  });
  assert.deepEqual(settings.trace, {
    directory: '/data/trace',
    maxAgeSeconds: 864_000,
    maxRecords: 1_000_000,
    maxBytes: 1_073_741_824,
  });
  assert.deepEqual(settings.send, {
    hostname: 'edge.mesh',
    connectTimeoutMs: 30_000,
    commandTimeoutMs: 60_000,
    envelopeTimeoutMs: 300_000,
    finalReplyTimeoutMs: 600_000,
    dnsServers: [],
  });
  const { maxMessageBytes, maxHeaderBytes, maxRecipients, maxSessions } = settings.intake;
  assert.deepEqual(
    [maxMessageBytes, maxHeaderBytes, maxRecipients, maxSessions],
    [52_428_800, 262_144, 1000, 1000],
  );
  const { idleTimeoutMs, dataTimeoutMs } = settings.intake;
  assert.deepEqual([idleTimeoutMs, dataTimeoutMs], [300_000, 600_000]);
  assert.equal(settings.drainTimeoutMs, 30_000);
});

test('a node goes before the defaults of the topology, and those before the built-in ones', () => {
  const text = soundBut(
    ['nodes:', 'defaults: { max-connections: 5, drain-timeout: 7 }\nnodes:'],
    ['    smarthost: core', '    drain-timeout: 9\n    smarthost: core'],
  );
  const settings = compile(text, 'edge');
  assert.equal(settings.drainTimeoutMs, 9000);
  assert.equal(settings.route.capacities.base.maxConnections, 5);
  assert.equal(settings.intake.maxSessions, 1000);
});

test('a link gives one end its login and the other its peer', () => {
  const text = soundBut([
    'secret: edge-core } }',
    'secret: edge-core }, also-accept: [{ secret: app }] }',
  ]);
  const next = hop(text, 'edge');
  assert.deepEqual(loginOf(next), ['edge', 'value of edge-core']);
  assert.deepEqual(
    { ...next, login: undefined },
    {
      name: 'core',
      kind: 'node',
      host: '127.0.0.1',
      port: 2526,
      tls: 'verified',
      implicitTls: false,
      ca: ['pem of /pki/ca.pem'],
      login: undefined,
      allowInsecureAuth: false,
      trace: 'envelope',
    },
  );
  const [peer, ...others] = compile(text, 'core').policy.peers;
  assert.deepEqual(others, []);
  assert.equal(peer?.node, 'edge');
  assert.equal(peer.username, 'edge');
  assert.deepEqual(
    peer.passwords.map((password) => password.reveal()),
    ['value of edge-core', 'value of app'],
  );
});

test('only the secrets of the node itself are asked for', () => {
  const text = soundBut(
    ['  edge-core:', '  other: { generate: true }\n  edge-core:'],
    ['smarthost: mx', 'smarthost: { hostname: mx, username: u, password: { secret: other } }'],
  );
  const edge = inputs();
  compileNode(parsed(text).topology, 'edge', edge);
  assert.deepEqual(edge.asked.toSorted(), ['app', 'edge-core']);
  const core = inputs();
  compileNode(parsed(text).topology, 'core', core);
  assert.deepEqual(core.asked.toSorted(), ['edge-core', 'other']);
});

test('without a link a node is reached without a login or a trace', () => {
  const text = soundBut([
    '  - { from: edge, to: core, username: edge, password: { secret: edge-core } }',
    '  []',
  ]);
  const { login, tls, trace } = hop(text, 'edge');
  assert.deepEqual(
    { login, tls, trace },
    { login: undefined, tls: 'opportunistic', trace: 'none' },
  );
});

test('a link without a login carries the trace in a header only when it says so', () => {
  const bare = soundBut(['username: edge, password: { secret: edge-core }', 'tls: required']);
  assert.equal(hop(bare, 'edge').trace, 'none');
  assert.equal(
    hop(bare.replace('tls: required }\nsinks', 'trace: header }\nsinks'), 'edge').trace,
    'header',
  );
});

test('the listener of the next node suits the TLS mode', () => {
  const listen = 'listen: [{ port: 1, name: plain }, { port: 2, name: tls, tls: implicit }]';
  const link = (mode: string) =>
    hop(
      soundBut(
        ['listen: [{ port: 2526, tls: required }]', listen],
        ['secret: edge-core } }', `secret: edge-core }, ${mode} }`],
      ),
      'edge',
    );
  const place = ({ port, implicitTls }: NextHop) => ({ port, implicitTls });
  assert.deepEqual(place(link('tls: verified')), { port: 2, implicitTls: true });
  assert.deepEqual(place(link('tls: none')), { port: 1, implicitTls: false });
  assert.deepEqual(place(link('tls: opportunistic, listener: tls')), {
    port: 2,
    implicitTls: true,
  });
});

test('a listener on all addresses goes before one on loopback when the node is elsewhere', () => {
  const text = soundBut([
    'listen: [{ port: 2526, tls: required }]',
    'host: core.example.com\n    listen: [{ name: a, port: 1, host: 127.0.0.1, tls: required }, { port: 2, host: "::", tls: required }]',
  ]);
  const { host, port } = hop(text, 'edge');
  assert.deepEqual({ host, port }, { host: 'core.example.com', port: 2 });
});

test('a node elsewhere listens on all addresses, one on this machine on loopback', () => {
  const text = soundBut(['  core:', '  core:\n    host: core.example.com']);
  assert.equal(compile(text, 'core').intake.listeners[0]?.host, '0.0.0.0');
  assert.equal(compile(text, 'edge').intake.listeners[0]?.host, '127.0.0.1');
});

test('ports that the file leaves to chance come from the allotment', () => {
  const text = soundBut(
    ['port: 2525', 'port: auto'],
    ['port: 2526', 'port: auto'],
    ['port: 2527', 'port: auto'],
    ['port: 8026', 'port: auto'],
  );
  const given = allotment({
    listeners: { edge: { smtp: 11 }, core: { smtp: 12 } },
    apis: { core: 14 },
    sinks: { mx: 13 },
  });
  const edge = compile(text, 'edge', { allotment: given });
  assert.equal(edge.intake.listeners[0]?.port, 11);
  assert.equal(smarthostOf(edge).port, 12);
  assert.equal(edge.api.peers[0]?.url, 'http://127.0.0.1:14');
  const core = compile(text, 'core', { allotment: given });
  assert.equal(smarthostOf(core).port, 13);
  assert.equal(core.api.port, 14);
});

test('a port that nobody settled is an error with a code', () => {
  const text = soundBut(['port: 2526', 'port: auto']);
  assert.throws(() => compile(text, 'edge'), {
    code: 'PORT_NOT_ALLOTTED',
    where: 'nodes.edge.smarthost',
  });
  assert.equal(compile(text, 'core', { allotment: allotment() }).intake.listeners[0]?.port, 0);
});

test('a sink is reached at its address, with the roots of the system and of the mesh', () => {
  const next = hop(SOUND);
  assert.deepEqual(
    { ...next, ca: next.ca?.slice(-1) },
    {
      name: 'mx',
      kind: 'sink',
      host: '127.0.0.1',
      port: 2527,
      tls: 'opportunistic',
      implicitTls: false,
      ca: ['pem of /pki/ca.pem'],
      allowInsecureAuth: false,
      trace: 'none',
    },
  );
  assert.equal(next.ca?.length, rootCertificates.length + 1);
});

test('a smarthost object that names a sink brings its own login', () => {
  const text = soundBut([
    'smarthost: mx',
    'smarthost: { hostname: mx, username: u, password: { secret: app } }',
  ]);
  const next = hop(text);
  const { kind, port, tls } = next;
  assert.deepEqual({ kind, port, tls }, { kind: 'sink', port: 2527, tls: 'verified' });
  assert.deepEqual(loginOf(next), ['u', 'value of app']);
});

test('a smarthost object that names a node takes its address, and its own login instead of the link', () => {
  const text = soundBut([
    'smarthost: core',
    'smarthost: { hostname: core, username: u, password: { secret: app }, tls: required }',
  ]);
  const { kind, port, tls, login, trace } = hop(text, 'edge');
  assert.deepEqual(
    { kind, port, tls, trace },
    { kind: 'node', port: 2526, tls: 'required', trace: 'none' },
  );
  assert.equal(login?.username, 'u');
});

test('a smarthost object without a login leaves the login to the link', () => {
  const text = soundBut(['smarthost: core', 'smarthost: { hostname: core, tls: required }']);
  const { login, tls, trace } = hop(text, 'edge');
  assert.equal(login?.username, 'edge');
  assert.deepEqual({ tls, trace }, { tls: 'required', trace: 'envelope' });
});

const FOREIGN: [string, Partial<NextHop>][] = [
  [
    'mx.example.com',
    {
      name: 'mx.example.com:25',
      host: 'mx.example.com',
      port: 25,
      tls: 'opportunistic',
      implicitTls: false,
    },
  ],
  ['"mx.example.com:465"', { name: 'mx.example.com:465', port: 465, implicitTls: true }],
  ['"[2001:db8::1]:587"', { name: '[2001:db8::1]:587', host: '2001:db8::1', port: 587 }],
  ['{ hostname: mx.example.com, implicit-tls: true }', { port: 465, implicitTls: true }],
  [
    '{ hostname: mx.example.com, port: 465, implicit-tls: false }',
    { port: 465, implicitTls: false },
  ],
];
for (const [smarthost, expected] of FOREIGN) {
  test(`a host outside: ${smarthost}`, () => {
    const next = hop(soundBut(['smarthost: mx', `smarthost: ${smarthost}`]));
    assert.equal(next.kind, 'host');
    assert.deepEqual(
      Object.fromEntries(Object.keys(expected).map((key) => [key, next[key as keyof NextHop]])),
      expected,
    );
  });
}

test('without a CA of the mesh the roots are those of the system', () => {
  const text = soundBut(['tls: { ephemeral: true }', 'tls: { cert: c.pem, key: k.pem }']);
  const settings = compile(text, 'core', { allotment: undefined });
  assert.equal(smarthostOf(settings).ca, undefined);
  assert.deepEqual(settings.intake.certificate, { cert: 'pem of c.pem', key: 'pem of k.pem' });
});

test('ephemeral certificates without an allotment are an error with a code', () => {
  assert.throws(() => compile(SOUND, 'core', { allotment: undefined }), { code: 'NO_CERTIFICATE' });
});

test('a node that offers no TLS reads no certificate', () => {
  const text = soundBut(['port: 2525, tls: required', 'port: 2525']);
  assert.equal(compile(text, 'edge').intake.certificate, undefined);
});

test('the API token is the named secret, else the allotted one, else the own one', () => {
  const named = soundBut(['port: 8025', 'port: 8025, token: { secret: app }']);
  assert.equal(compile(named, 'edge').api.token.reveal(), 'value of app');
  assert.equal(compile(SOUND, 'edge').api.token.reveal(), 'allotted-token');
  const plain = soundBut(['tls: { ephemeral: true }', 'tls: { cert: c, key: k }']);
  assert.equal(compile(plain, 'edge', { allotment: undefined }).api.token.reveal(), 'own-token');
});

test('the APIs of the other nodes are known with their tokens', () => {
  const named = soundBut(['port: 8025', 'port: 8025, token: { secret: app }']);
  const [edge] = compile(named, 'core').api.peers;
  assert.equal(edge?.url, 'http://127.0.0.1:8025');
  assert.equal(edge.token.reveal(), 'value of app');
  const [core] = compile(named, 'edge').api.peers;
  assert.equal(core?.token.reveal(), 'value of app');
});

test('an API is known by the names that its node has in the file, and by those that it lists', () => {
  assert.deepEqual(compile(SOUND, 'edge').api.hosts, ['edge', '127.0.0.1', 'edge.mesh']);
  const listed = soundBut(['port: 8025', 'port: 8025, hosts: [relay.example]']);
  assert.ok(compile(listed, 'edge').api.hosts.includes('relay.example'));
  // the others ask it by its host
  const { hosts } = compile(MACHINES, 'core').api;
  assert.deepEqual(hosts, ['core', 'core.example.com']);
  for (const host of ['two words', 'a:1', 'http://a', '']) {
    const text = SOUND.replace('port: 8025', `port: 8025, hosts: ['${host}']`);
    assert.throws(() => compile(text, 'edge'), host);
  }
});

test('a node without an API has one on loopback, known to others only when it was allotted', () => {
  const text = soundBut(['    api: { port: 8026 }\n', '']);
  const { host, port } = compile(text, 'core').api;
  assert.deepEqual({ host, port }, { host: '127.0.0.1', port: 0 });
  assert.deepEqual(compile(text, 'edge').api.peers, []);
  const given = allotment({ apis: { core: 77 } });
  assert.equal(compile(text, 'core', { allotment: given }).api.port, 77);
  assert.equal(
    compile(text, 'edge', { allotment: given }).api.peers[0]?.url,
    'http://127.0.0.1:77',
  );
});

test('a node is named by its hostname, else its host, else its place in the topology', () => {
  const name = (keys: string) =>
    hostnameOf(parsed(soundBut(['  core:', `  core:\n    ${keys}`])).topology, 'core');
  assert.equal(name('hostname: a.example'), 'a.example');
  assert.equal(name('host: b.example'), 'b.example');
  assert.equal(name('host: 192.0.2.1'), 'core.mesh');
  assert.equal(name('host: localhost'), 'core.mesh');
});

test('an unknown node, an unknown smarthost and half a login have codes', () => {
  assert.throws(() => compile(SOUND, 'egde'), {
    code: 'UNKNOWN_NODE',
    hint: "did you mean 'edge'?",
  });
  assert.throws(() => compile(SOUND, 'constructor'), { code: 'UNKNOWN_NODE' });
  const unknown = soundBut(['smarthost: mx', 'smarthost: mxx']);
  assert.throws(() => compile(unknown, 'core'), {
    code: 'UNKNOWN_SMARTHOST',
    where: 'nodes.core.smarthost',
  });
  const half = soundBut([', password: { secret: edge-core }', '']);
  assert.throws(() => compile(half, 'edge'), { code: 'MISSING_CREDENTIAL', where: 'links.0' });
});

test('compiled settings print no secret', () => {
  assert.doesNotMatch(JSON.stringify(compile(SOUND, 'edge')), /value of|-token/);
});
