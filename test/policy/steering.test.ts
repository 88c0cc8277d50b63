import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SteerTarget } from '../../src/policy/settings.js';
import { steer, type Steering, type SteeringContext } from '../../src/policy/steering.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { hostileTest } from '../hostile/rows.js';

const OWN = ['203.0.113.7', '2001:db8::7', '10.9.9.9'];

interface Asked {
  /** Addresses by name; a name that is missing does not exist, an error is thrown. */
  dns?: Record<string, string[] | Error>;
  resolved?: string[];
}

function context({ dns = {}, resolved = [] }: Asked): SteeringContext {
  return {
    clock: new VirtualClock(),
    ownAddresses: () => OWN,
    resolve: async (host) => {
      resolved.push(host);
      const found = dns[host];
      if (found instanceof Error) throw found;
      if (found === undefined) throw Object.assign(new Error('none'), { code: 'ENOTFOUND' });
      return found;
    },
  };
}

/** `host:port`, `host` or `[v6]:port`. */
function ask(place: string, targets: readonly SteerTarget[], asked: Asked = {}): Promise<Steering> {
  const [, hostname = '', port] = /^(.*?)(?::(\d+))?$/.exec(place) ?? [];
  const wanted = { hostname, port: port === undefined ? null : Number(port) };
  return steer(wanted, targets, context(asked));
}

const host = (name: string, port = 25): SteerTarget => ({ kind: 'host', host: name, port });
const below = (domain: string, port = 25): SteerTarget => ({ kind: 'domain', domain, port });
const node = (name: string, ...endpoints: Array<[string, number]>): SteerTarget => ({
  kind: 'name',
  name,
  endpoints: endpoints.map(([at, port]) => ({ host: at, port })),
});

async function assertRefused(answer: Promise<Steering>, what: string): Promise<void> {
  assert.equal((await answer).kind, 'refused', what);
}

test('a name of the topology is allowed, and the topology says where it is', async () => {
  const targets = [node('core', ['10.1.1.1', 2525], ['10.1.1.1', 2587])];
  const allowed = { kind: 'allowed', hostname: 'core', address: null };
  assert.deepEqual(await ask('core', targets), { ...allowed, port: null });
  assert.deepEqual(await ask('CORE.', targets), { ...allowed, port: null });
  assert.deepEqual(await ask('core:2587', targets), { ...allowed, port: 2587 });
  await assertRefused(ask('core:22', targets), 'a port that the node does not listen on');
  await assertRefused(ask('core2', targets), 'another name');
  await assertRefused(ask('core', []), 'an empty list');
});

test('the address of a listed node or sink is allowed at its port, however it is spelt', async () => {
  const targets = [node('mx', ['127.0.0.1', 2525]), node('core', ['core.mail.internal', 2525])];
  for (const place of ['127.0.0.1:2525', '[127.0.0.1]:2525', '[::ffff:127.0.0.1]:2525']) {
    assert.deepEqual(
      await ask(place, targets),
      { kind: 'allowed', hostname: '127.0.0.1', port: 2525, address: '127.0.0.1' },
      place,
    );
  }
  const dns = { 'core.mail.internal': ['10.3.3.3'], 'mine.example': ['10.3.3.3', '127.0.0.1'] };
  assert.deepEqual(await ask('Core.Mail.Internal:2525', targets, { dns }), {
    kind: 'allowed',
    hostname: 'core.mail.internal',
    port: 2525,
    address: '10.3.3.3',
  });
  assert.deepEqual(
    await ask('mine.example:2525', targets, { dns }),
    { kind: 'allowed', hostname: 'mine.example', port: 2525, address: '127.0.0.1' },
    'only the address that the list names is used',
  );
  await assertRefused(ask('127.0.0.1:2526', targets), 'another port');
  await assertRefused(ask('127.0.0.1', targets), 'port 25');
  await assertRefused(ask('core.mail.internal:22', targets, { dns }), 'another port of the node');
});

test('a listed host is allowed at its port alone; without a port it is 25', async () => {
  const targets = [host('esp.example', 587), host('Mx.Example.')];
  const dns = { 'esp.example': ['198.51.100.1'], 'mx.example': ['198.51.100.2'] };
  assert.deepEqual(await ask('ESP.example.:587', targets, { dns }), {
    kind: 'allowed',
    hostname: 'esp.example',
    port: 587,
    address: '198.51.100.1',
  });
  assert.deepEqual(await ask('mx.example', targets, { dns }), {
    kind: 'allowed',
    hostname: 'mx.example',
    port: 25,
    address: '198.51.100.2',
  });
  for (const place of [
    'esp.example',
    'esp.example:25',
    'mx.example:587',
    'mail.esp.example:587',
    'xesp.example:587',
    'esp.example.evil.test:587',
    'esp:587',
  ]) {
    await assertRefused(ask(place, targets, { dns }), place);
  }
});

test('*.domain stands for the names below the domain, not for the domain', async () => {
  const targets = [below('esp.example', 587)];
  const dns = {
    'a.esp.example': ['198.51.100.1'],
    'b.a.esp.example': ['198.51.100.1'],
    'esp.example': ['198.51.100.1'],
    'xesp.example': ['198.51.100.1'],
  };
  assert.equal((await ask('a.esp.example:587', targets, { dns })).kind, 'allowed');
  assert.equal((await ask('B.A.ESP.example:587', targets, { dns })).kind, 'allowed');
  for (const place of ['esp.example:587', 'xesp.example:587', 'a.esp.example:25']) {
    await assertRefused(ask(place, targets, { dns }), place);
  }
});

hostileTest(
  'steering-hosts',
  'nobody is asked for a name that is not listed, nor for one that is half an address',
  async (_t, cases) => {
    const resolved: string[] = [];
    const targets = [host('esp.example', 25), below('esp.example', 25), host('127.0.0.1', 25)];
    for (const place of [
      'other.example',
      '2130706433',
      '0x7f.1',
      '0x7f000001',
      '0177.0.0.1',
      '127.1',
      '017700000001',
      '0x7f.0.0.1.',
      'a.0x1',
      '1.esp.example.5',
    ]) {
      cases.add();
      await assertRefused(ask(place, targets, { resolved }), place);
    }
    await assertRefused(ask('2130706433', [host('2130706433')], { resolved }), 'even when listed');
    assert.deepEqual(resolved, []);
  },
);

hostileTest(
  'steering-hosts',
  'loopback, private, link-local and own addresses need to be listed by address',
  async (_t, cases) => {
    const hidden = [
      '127.0.0.1',
      '::1',
      '0.0.0.0',
      '::',
      '::ffff:127.0.0.1',
      '::ffff:10.0.0.1',
      '64:ff9b::127.0.0.1',
      '169.254.169.254',
      'fe80::1',
      '10.0.0.1',
      '172.16.0.1',
      '192.168.1.1',
      '100.64.0.1',
      'fd00::1',
      '224.0.0.1',
      '255.255.255.255',
      '192.0.0.1',
      ...OWN,
    ];
    for (const address of hidden) {
      cases.add();
      const dns = { 'esp.example': [address], 'a.below.example': [address] };
      const targets = [host('esp.example'), below('below.example')];
      const answer = await ask('esp.example', targets, { dns });
      assert.equal(answer.kind, 'refused', address);
      assert.match(answer.kind === 'refused' ? answer.reason : '', /esp\.example:25 leads to/);
      assert.ok(!JSON.stringify(answer).includes(address), 'the address is not told');
      await assertRefused(ask('a.below.example', targets, { dns }), address);
      await assertRefused(ask(`[${address}]`, targets), `${address} itself`);
      const listed = await ask('esp.example', [...targets, host(address)], { dns });
      assert.equal(listed.kind, 'allowed', `${address}, listed`);
      assert.equal((await ask(`[${address}]`, [host(address)])).kind, 'allowed', address);
      await assertRefused(
        ask('esp.example', [...targets, host(address, 26)], { dns }),
        `${address}, listed for another port`,
      );
    }
  },
);

hostileTest(
  'steering-hosts',
  'localhost stands for the loopback when it is listed by that name, and for nothing else',
  async () => {
    const targets = [host('localhost', 2525)];
    const dns = { localhost: ['127.0.0.1', '::1'] };
    assert.deepEqual(await ask('localhost:2525', targets, { dns }), {
      kind: 'allowed',
      hostname: 'localhost',
      port: 2525,
      address: '127.0.0.1',
    });
    await assertRefused(ask('localhost:25', targets, { dns }), 'another port');
    await assertRefused(ask('localhost:2525', [host('esp.example', 2525)], { dns }), 'not listed');
    await assertRefused(ask('127.0.0.1:2525', targets), 'the address is not the name');
    for (const address of ['10.0.0.1', '169.254.169.254', '203.0.113.7']) {
      await assertRefused(
        ask('localhost:2525', targets, { dns: { localhost: [address] } }),
        address,
      );
    }
    const fake = { 'x.localhost': ['127.0.0.1'] };
    await assertRefused(
      ask('x.localhost:2525', [below('localhost', 2525)], { dns: fake }),
      'below',
    );
  },
);

test('of several addresses the first that is allowed is used, and it is asked for once', async () => {
  const resolved: string[] = [];
  const dns = { 'esp.example': ['10.0.0.1', 'fe80::1%eth0', '198.51.100.1', '198.51.100.2'] };
  assert.deepEqual(await ask('esp.example', [host('esp.example')], { dns, resolved }), {
    kind: 'allowed',
    hostname: 'esp.example',
    port: 25,
    address: '198.51.100.1',
  });
  assert.deepEqual(resolved, ['esp.example']);
});

hostileTest(
  'steering-hosts',
  'an address that is not listed is refused, be it ever so public',
  async (_t, cases) => {
    const targets = [host('198.51.100.1', 25), host('2001:DB8::1', 25)];
    assert.deepEqual(await ask('198.51.100.1', targets), {
      kind: 'allowed',
      hostname: '198.51.100.1',
      port: 25,
      address: '198.51.100.1',
    });
    assert.equal((await ask('[2001:db8:0::1]', targets)).kind, 'allowed');
    await assertRefused(ask('198.51.100.2', targets), 'next to it');
    await assertRefused(ask('[2001:db8::2]', targets), 'next to it');
    for (const port of [22, 80, 6379, 11_211]) {
      cases.add();
      await assertRefused(ask(`198.51.100.1:${port}`, targets), `port ${port}`);
    }
  },
);

test('a name that does not exist is refused, one that DNS cannot tell of is not decided', async () => {
  const targets = [host('esp.example')];
  await assertRefused(ask('esp.example', targets), 'NXDOMAIN');
  await assertRefused(ask('esp.example', targets, { dns: { 'esp.example': [] } }), 'no address');
  const failures: ReadonlyArray<[code: string, kind: Steering['kind']]> = [
    ['ENOTFOUND', 'refused'],
    ['ENODATA', 'refused'],
    ['ESERVFAIL', 'temporary'],
    ['ETIMEOUT', 'temporary'],
    ['ECONNREFUSED', 'temporary'],
    ['EAI_AGAIN', 'temporary'],
    ['', 'temporary'],
  ];
  for (const [code, kind] of failures) {
    const dns = { 'esp.example': Object.assign(new Error('no'), { code }) };
    assert.equal((await ask('esp.example', targets, { dns })).kind, kind, code);
  }
});

test('a resolver that never answers is waited for 5 seconds', async () => {
  const clock = new VirtualClock();
  const answer = steer({ hostname: 'esp.example', port: 25 }, [host('esp.example')], {
    clock,
    ownAddresses: () => [],
    resolve: () => new Promise(() => undefined),
  });
  assert.deepEqual(clock.delaysMs, [5000]);
  clock.advance(5000);
  assert.equal((await answer).kind, 'temporary');
  assert.equal(clock.timers, 0);
});

test('no timer is left when the resolver has answered', async () => {
  const clock = new VirtualClock();
  for (const resolve of [async () => ['198.51.100.1'], () => Promise.reject(new Error('no'))]) {
    await steer({ hostname: 'esp.example', port: 25 }, [host('esp.example')], {
      clock,
      ownAddresses: () => [],
      resolve,
    });
    assert.equal(clock.timers, 0);
  }
});
