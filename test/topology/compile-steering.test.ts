import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SteerTarget } from '../../src/policy/settings.js';
import { compile } from './compiling.js';
import { allotment, soundBut } from './topology-files.js';

/** `edge` with a user and an API that may steer, `core` with a link that may. */
const STEERING = soundBut(
  [
    '{ username: app, password: { secret: app } }',
    '{ username: app, password: { secret: app }, may: [relay, steer], steer-to: [core, ESP.example.] }',
  ],
  ['    smarthost: core', '    smarthost: core\n    steer-to: [mx, "*.Esp.example:587"]'],
  ['secret: edge-core } }', 'secret: edge-core }, may: [steer], steer-to: [mx] }'],
  ['port: 2526, tls: required }', 'port: 2526, tls: required }, { name: plain, port: 2530 }'],
);

const CORE: SteerTarget = {
  kind: 'name',
  name: 'core',
  endpoints: [
    { host: '127.0.0.1', port: 2526 },
    { host: '127.0.0.1', port: 2530 },
  ],
};
const MX: SteerTarget = {
  kind: 'name',
  name: 'mx',
  endpoints: [{ host: '127.0.0.1', port: 2527 }],
};

function targets(...entries: string[]): readonly SteerTarget[] {
  const list = entries.map((entry) => `"${entry}"`).join(', ');
  const text = soundBut(['    smarthost: mx', `    steer-to: [${list}]\n    smarthost: mx`]);
  return compile(text, 'core').policy.apiSteerTo;
}

test('users, peers and the API each have their own list', () => {
  const { users, peers, apiSteerTo } = compile(STEERING, 'edge').policy;
  assert.deepEqual(users[0]?.may, ['relay', 'steer']);
  assert.deepEqual(users[0].steerTo, [CORE, { kind: 'host', host: 'esp.example', port: 25 }]);
  assert.deepEqual(peers, []);
  assert.deepEqual(apiSteerTo, [MX, { kind: 'domain', domain: 'esp.example', port: 587 }]);
  const [peer] = compile(STEERING, 'core').policy.peers;
  assert.deepEqual([peer?.may, peer?.steerTo], [['steer'], [MX]]);
});

test('who is not told otherwise may not steer', () => {
  const { users, apiSteerTo } = compile(soundBut(), 'edge').policy;
  assert.deepEqual([users[0]?.may, users[0]?.steerTo, apiSteerTo], [['relay'], [], []]);
  const [peer] = compile(soundBut(), 'core').policy.peers;
  assert.deepEqual([peer?.may, peer?.steerTo], [[], []]);
});

test('an entry is a host with a port, an address, or all names below a domain', () => {
  assert.deepEqual(
    targets('esp.example:587', '192.0.2.1', '[2001:db8::1]:465', '2001:db8::2', '*.example:25'),
    [
      { kind: 'host', host: 'esp.example', port: 587 },
      { kind: 'host', host: '192.0.2.1', port: 25 },
      { kind: 'host', host: '2001:db8::1', port: 465 },
      { kind: 'host', host: '2001:db8::2', port: 25 },
      { kind: 'domain', domain: 'example', port: 25 },
    ],
  );
});

for (const entry of ['*', 'a.*', '*.192.0.2.1', 'a b', 'h.example:0', 'core:25', 'nosuch']) {
  test(`an entry cannot be '${entry}'`, () => {
    assert.throws(() => targets(entry), {
      code: 'UNKNOWN_SMARTHOST',
      where: 'nodes.core.steer-to.0',
    });
  });
}

test('nodes and sinks that a message may name are known without any login', () => {
  const { named } = compile(STEERING, 'edge').route;
  assert.deepEqual(Object.keys(named).toSorted(), ['core', 'mx']);
  const { core, mx } = named;
  assert.deepEqual(
    { ...core },
    {
      name: 'core',
      kind: 'node',
      host: '127.0.0.1',
      port: 2526,
      tls: 'verified',
      implicitTls: false,
      ca: ['pem of /pki/ca.pem'],
      allowInsecureAuth: false,
      trace: 'none',
    },
  );
  assert.deepEqual(
    [mx?.kind, mx?.port, mx?.tls, mx?.login, mx?.trace],
    ['sink', 2527, 'opportunistic', undefined, 'none'],
  );
  assert.deepEqual(Object.keys(compile(STEERING, 'core').route.named), ['mx']);
});

test('a named node that does not demand TLS is reached with what it offers', () => {
  const text = STEERING.replace('port: 2526, tls: required', 'port: 2526, tls: opportunistic');
  assert.equal(compile(text, 'edge').route.named['core']?.tls, 'opportunistic');
});

test('the ports of named servers come from the allotment', () => {
  const text = STEERING.replace('port: 2530', 'port: auto').replace('port: 2527', 'port: auto');
  const given = allotment({ listeners: { core: { plain: 41 } }, sinks: { mx: 42 } });
  const { policy, route } = compile(text, 'edge', { allotment: given });
  const [core] = policy.users[0]?.steerTo ?? [];
  assert.ok(core?.kind === 'name');
  assert.equal(core.endpoints[1]?.port, 41);
  assert.equal(route.named['mx']?.port, 42);
  assert.throws(() => compile(text, 'edge'), { code: 'PORT_NOT_ALLOTTED' });
});

test('a node on another machine is steered to at its host', () => {
  const text = STEERING.replace('  core:', '  core:\n    host: core.example.com');
  const [core] = compile(text, 'edge').policy.users[0]?.steerTo ?? [];
  assert.ok(core?.kind === 'name');
  assert.deepEqual(core.endpoints[0], { host: 'core.example.com', port: 2526 });
});
