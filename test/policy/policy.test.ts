import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { Secret } from '../../src/base/secret.js';
import { BoundedLine } from '../../src/policy/bounded-line.js';
import { Credentials, type Identity } from '../../src/policy/credentials.js';
import { mayRelay, RelayNetworks } from '../../src/policy/permission.js';
import { Policy } from '../../src/policy/policy.js';
import type { PolicySettings } from '../../src/policy/settings.js';

const LINE = new BoundedLine({ atOnce: 1, maxWaiting: 1, maxWaitMs: 1000 }, systemClock);
const ESP = { kind: 'host', host: 'esp.example', port: 587 } as const;

const SETTINGS: PolicySettings = {
  users: [
    { username: 'app', password: new Secret('swordfish'), may: ['relay'], steerTo: [ESP] },
    { username: 'reader', password: new Secret('words'), may: [], steerTo: [] },
    { username: 'steers', password: new Secret('wheel'), may: ['steer'], steerTo: [ESP] },
  ],
  peers: [
    {
      node: 'core',
      username: 'edge-core',
      passwords: [new Secret('new'), new Secret('old')],
      may: [],
      steerTo: [],
    },
    {
      node: 'exit',
      username: 'edge-exit',
      passwords: [new Secret('way out')],
      may: ['steer'],
      steerTo: [],
    },
  ],
  relayFrom: [],
  apiSteerTo: [],
};

test('a login shows who it is and what it may', async () => {
  const credentials = new Credentials(SETTINGS, LINE);
  assert.deepEqual(await credentials.check('app', 'swordfish'), {
    username: 'app',
    peer: null,
    mayRelay: true,
    maySteer: false,
    steerTo: [],
  });
  assert.deepEqual(await credentials.check('reader', 'words'), {
    username: 'reader',
    peer: null,
    mayRelay: false,
    maySteer: false,
    steerTo: [],
  });
  assert.deepEqual(await credentials.check('steers', 'wheel'), {
    username: 'steers',
    peer: null,
    mayRelay: false,
    maySteer: true,
    steerTo: [ESP],
  });
});

test('a peer is known by its current password and by those of a rotation', async () => {
  const credentials = new Credentials(SETTINGS, LINE);
  const identity = {
    username: 'edge-core',
    peer: 'core',
    mayRelay: true,
    maySteer: false,
    steerTo: [],
  };
  assert.deepEqual(await credentials.check('edge-core', 'new'), identity);
  assert.deepEqual(await credentials.check('edge-core', 'old'), identity);
  assert.equal(await credentials.check('edge-core', 'older'), 'refused');
});

test('names and passwords must fit letter by letter', async () => {
  const credentials = new Credentials(SETTINGS, LINE);
  for (const [username, password] of [
    ['app', ''],
    ['app', 'Swordfish'],
    ['app', 'swordfish '],
    ['App', 'swordfish'],
    ['app ', 'swordfish'],
    ['app', 'words'],
    ['', ''],
    ['nobody', 'swordfish'],
    ['__proto__', ''],
    ['constructor', 'swordfish'],
  ] as const) {
    assert.equal(await credentials.check(username, password), 'refused', `${username}:${password}`);
  }
});

test('an unknown name costs as much as a wrong password', async () => {
  const credentials = new Credentials(SETTINGS, LINE);
  const cost = async (username: string): Promise<number> => {
    const startedMs = performance.now();
    for (let round = 0; round < 2000; round++) await credentials.check(username, 'x'.repeat(2000));
    return performance.now() - startedMs;
  };
  await cost('app');
  // The fastest of several: what else the machine does only ever adds.
  const fastest = async (username: string): Promise<number> => {
    const costs: number[] = [];
    for (let round = 0; round < 5; round++) costs.push(await cost(username));
    return Math.min(...costs);
  };
  const [known, unknown] = [await fastest('app'), await fastest('nobody')];
  assert.ok(unknown > known / 4 && unknown < known * 4, `${known} ms and ${unknown} ms`);
});

test('whether there is anybody to log in, and any peer', () => {
  const { users, peers } = SETTINGS;
  const all = new Credentials(SETTINGS, LINE);
  const none = new Credentials({ ...SETTINGS, users: [], peers: [] }, LINE);
  const onlyUsers = new Credentials({ ...SETTINGS, users, peers: [] }, LINE);
  const onlyPeers = new Credentials({ ...SETTINGS, users: [], peers }, LINE);
  assert.deepEqual(
    [all, none, onlyUsers, onlyPeers].map(({ any }) => any),
    [true, false, true, true],
  );
  assert.deepEqual(
    [all, none, onlyUsers, onlyPeers].map(({ anyPeer }) => anyPeer),
    [true, false, false, true],
  );
});

test('networks: single addresses, both families, and addresses that are mapped', () => {
  const networks = new RelayNetworks(['192.0.2.0/24', '198.51.100.7', '2001:db8::/32', '::1']);
  for (const inside of [
    '192.0.2.0',
    '192.0.2.255',
    '198.51.100.7',
    '::ffff:192.0.2.9',
    '::FFFF:198.51.100.7',
    '2001:db8:ffff::1',
    '::1',
  ]) {
    assert.equal(networks.includes(inside), true, inside);
  }
  for (const outside of [
    '192.0.3.0',
    '198.51.100.8',
    '2001:db9::1',
    '::2',
    '::ffff:192.0.3.1',
    '127.0.0.1',
  ]) {
    assert.equal(networks.includes(outside), false, outside);
  }
  assert.equal(new RelayNetworks([]).includes('127.0.0.1'), false);
});

test('mail is relayed for a login with the right or for a network, else for nobody', () => {
  const networks = new RelayNetworks(['192.0.2.0/24']);
  const steering = { maySteer: false, steerTo: [] };
  const trusted = { username: 'app', peer: null, mayRelay: true, ...steering };
  const reader = { username: 'reader', peer: null, mayRelay: false, ...steering };
  assert.equal(mayRelay(null, '203.0.113.1', networks), false);
  assert.equal(mayRelay(null, '192.0.2.1', networks), true);
  assert.equal(mayRelay(trusted, '203.0.113.1', networks), true);
  assert.equal(mayRelay(reader, '203.0.113.1', networks), false);
});

test('a reload replaces everything at once', async () => {
  const policy = new Policy({ ...SETTINGS, relayFrom: ['192.0.2.1'] });
  policy.reload({
    users: [{ username: 'other', password: new Secret('x'), may: ['relay'], steerTo: [] }],
    peers: [],
    relayFrom: ['198.51.100.1'],
    apiSteerTo: [ESP],
  });
  assert.equal(await policy.logIn('app', 'swordfish'), 'refused');
  const identity = await policy.logIn('other', 'x');
  assert.equal(typeof identity === 'object' && identity.username, 'other');
  assert.equal(policy.offersMesh, false);
  assert.equal(policy.mayRelay(null, '192.0.2.1'), false);
  assert.equal(policy.mayRelay(null, '198.51.100.1'), true);
  assert.deepEqual(policy.apiSteerTargets, [ESP]);
});

test('whose messages may be steered, and where to: a right that a reload took is gone at once', async () => {
  const policy = new Policy(SETTINGS);
  const login = async (username: string, password: string): Promise<Identity> => {
    const identity = await policy.logIn(username, password);
    return typeof identity === 'object' ? identity : assert.fail(username);
  };
  const steers = await login('steers', 'wheel');
  assert.deepEqual(policy.steerTargets(steers), [ESP]);
  assert.deepEqual(policy.steerTargets(await login('edge-exit', 'way out')), []);
  assert.equal(policy.steerTargets(null), null);
  for (const [username, password] of [
    ['app', 'swordfish'],
    ['reader', 'words'],
    ['edge-core', 'new'],
  ] as const) {
    assert.equal(policy.steerTargets(await login(username, password)), null, username);
  }
  const account = { username: 'steers', password: new Secret('wheel') };
  policy.reload({ ...SETTINGS, users: [{ ...account, may: ['steer'], steerTo: [] }] });
  assert.deepEqual(policy.steerTargets(steers), []);
  policy.reload({ ...SETTINGS, users: [{ ...account, may: ['relay'], steerTo: [ESP] }] });
  assert.equal(policy.steerTargets(steers), null);
  policy.reload({ ...SETTINGS, users: [] });
  assert.equal(policy.steerTargets(steers), null);
  const peer = { node: 'other', username: 'steers', passwords: [new Secret('wheel')] };
  policy.reload({
    ...SETTINGS,
    users: [],
    peers: [{ ...peer, may: ['steer'], steerTo: [ESP] }],
  });
  assert.equal(policy.steerTargets(steers), null, 'a peer of the same name is somebody else');
});
