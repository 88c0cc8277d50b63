import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DnsZone } from './dns-server.js';
import type { NextHop } from '../../src/send/next-hop.js';
import { locatorFor, mxHop } from './locating.js';

test('mail servers are asked by their preference, each at all of its addresses, IPv4 first', async (t) => {
  const { hosts, locator } = await locatorFor(t, {
    'y.test': {
      MX: [
        [20, 'b.y.test'],
        [10, 'A.y.test'],
        [30, 'c.y.test'],
      ],
    },
    'a.y.test': { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8::1'] },
    'b.y.test': { AAAA: ['2001:db8::2'] },
    'c.y.test': { A: ['192.0.2.3'] },
  });
  assert.deepEqual(await hosts(mxHop('y.test')), [
    'a.y.test 192.0.2.1',
    'a.y.test 192.0.2.2',
    'a.y.test 2001:db8::1',
    'b.y.test 2001:db8::2',
    'c.y.test 192.0.2.3',
  ]);
  const located = await locator.locate(mxHop('y.test'));
  assert.deepEqual('hosts' in located && located.hosts[0], {
    name: 'a.y.test:2500',
    kind: 'host',
    host: 'a.y.test',
    address: '192.0.2.1',
    port: 2500,
    tls: 'opportunistic',
    implicitTls: false,
    allowInsecureAuth: false,
    trace: 'none',
    namedByMx: true,
  });
});

test('a server that an MX record names is told from the domain itself and from an address', async (t) => {
  const { locator } = await locatorFor(t, {
    'x.test': { MX: [[10, 'mx.x.test']] },
    'mx.x.test': { A: ['192.0.2.1'] },
    'y.test': { A: ['192.0.2.2'] },
  });
  const named: unknown[] = [];
  for (const domain of ['x.test', 'y.test', '[192.0.2.3]']) {
    const located = await locator.locate(mxHop(domain));
    named.push('hosts' in located && located.hosts.map(({ namedByMx }) => namedByMx));
  }
  assert.deepEqual(named, [[true], [undefined], [undefined]]);
});

test('equal preferences are shuffled by chance, others never change places', async (t) => {
  let turn = 0;
  const chances = [0, 0, 0, 0.99, 0.99, 0.99];
  const { hosts } = await locatorFor(
    t,
    {
      'y.test': {
        MX: [
          [10, 'a.y.test'],
          [10, 'b.y.test'],
          [10, 'c.y.test'],
          [5, 'd.y.test'],
        ],
      },
      'a.y.test': { A: ['192.0.2.1'] },
      'b.y.test': { A: ['192.0.2.2'] },
      'c.y.test': { A: ['192.0.2.3'] },
      'd.y.test': { A: ['192.0.2.4'] },
    },
    { chance: () => chances[turn++ % chances.length] as number },
  );
  const first = await hosts(mxHop('y.test'));
  const second = await hosts(mxHop('y.test'));
  assert.equal(first[0], 'd.y.test 192.0.2.4');
  assert.equal(second[0], 'd.y.test 192.0.2.4');
  assert.notDeepEqual(first, second);
  assert.deepEqual([...first].sort(), [...second].sort());
});

test('a domain without MX is its own mail server', async (t) => {
  const { hosts, dns } = await locatorFor(t, {
    'y.test': { A: ['192.0.2.1'], AAAA: ['2001:db8::1'] },
  });
  assert.deepEqual(await hosts(mxHop('Y.test')), ['y.test 192.0.2.1', 'y.test 2001:db8::1']);
  assert.deepEqual(dns.questions[0], 'MX y.test');
});

test('a null MX takes no mail: 556 5.1.10, and no address is asked for', async (t) => {
  const { refusal, dns } = await locatorFor(t, { 'y.test': { MX: [[0, '.']], A: ['192.0.2.1'] } });
  assert.match(await refusal(mxHop('y.test')), /^failed 556 5\.1\.10 y\.test takes no mail/);
  assert.deepEqual(dns.questions, ['MX y.test']);
});

test('a root among other mail servers is passed over', async (t) => {
  const { hosts } = await locatorFor(t, {
    'y.test': {
      MX: [
        [0, '.'],
        [10, 'a.y.test'],
      ],
    },
    'a.y.test': { A: ['192.0.2.1'] },
  });
  assert.deepEqual(await hosts(mxHop('y.test')), ['a.y.test 192.0.2.1']);
});

test('what the DNS says for good is said to the sender', async (t) => {
  const { refusal } = await locatorFor(t, {
    'empty.test': {},
    'lost.test': {
      MX: [
        [10, 'a.lost.test'],
        [20, 'nowhere.test'],
      ],
    },
    'a.lost.test': {},
    'zero.test': { MX: [[10, 'zero.zero.test']] },
    'zero.zero.test': { A: ['0.0.0.0', '224.0.0.1', '255.255.255.255'], AAAA: ['::', 'ff02::1'] },
    'odd.test': {
      MX: [
        [10, 'a b.odd.test'],
        [20, '-x.test'],
      ],
    },
  });
  assert.match(await refusal(mxHop('no.test')), /^failed 550 5\.1\.2 .*no\.test does not exist/);
  assert.match(await refusal(mxHop('empty.test')), /^failed 550 5\.1\.2 .*neither/);
  for (const domain of ['lost.test', 'zero.test', 'odd.test']) {
    assert.match(await refusal(mxHop(domain)), /^failed 550 5\.4\.4 no mail server of/, domain);
  }
});

test('what the DNS cannot say now is asked again later, with its word', async (t) => {
  const { refusal, hosts } = await locatorFor(t, {
    'a.test': 'SERVFAIL',
    'b.test': 'REFUSED',
    'c.test': { MX: [[10, 'mx.c.test']] },
    'mx.c.test': { A: 'SERVFAIL', AAAA: [] },
    'd.test': { MX: [], A: 'SERVFAIL' },
    'e.test': {
      MX: [
        [10, 'mx.c.test'],
        [20, 'mx.e.test'],
      ],
    },
    'mx.e.test': { A: ['192.0.2.1'], AAAA: 'SERVFAIL' },
  });
  for (const [domain, word] of [
    ['a.test', 'SERVFAIL'],
    ['b.test', 'REFUSED'],
    ['c.test', 'SERVFAIL'],
    ['d.test', 'SERVFAIL'],
  ] as const) {
    const words = await refusal(mxHop(domain));
    assert.match(words, /^deferred null 4\.4\.3 /, domain);
    assert.ok(words.endsWith(`: ${word}`), words);
  }
  assert.deepEqual(
    await hosts(mxHop('e.test')),
    ['mx.e.test 192.0.2.1'],
    'one that is known will do',
  );
});

test('ourselves among the mail servers: only better ones are asked, and none means a loop', async (t) => {
  const zone: DnsZone = {
    'y.test': {
      MX: [
        [10, 'a.y.test'],
        [20, 'us.test'],
        [20, 'b.y.test'],
        [30, 'c.y.test'],
      ],
    },
    'loop.test': {
      MX: [
        [20, 'us.test'],
        [20, 'b.y.test'],
        [30, 'c.y.test'],
      ],
    },
    'nameless.test': { MX: [[10, 'us-unknown.test']] },
    'plain.test': { A: ['192.0.2.9'] },
    'a.y.test': { A: ['192.0.2.1'] },
    'b.y.test': { A: ['192.0.2.2'] },
    'c.y.test': { A: ['192.0.2.3'] },
    'us.test': { A: ['192.0.2.9'] },
  };
  const byAddress = await locatorFor(t, zone, {
    isOwn: ({ address, port }) => address === '192.0.2.9' && port === 2500,
  });
  assert.deepEqual(await byAddress.hosts(mxHop('y.test')), ['a.y.test 192.0.2.1']);
  for (const domain of ['loop.test', 'plain.test', '[192.0.2.9]']) {
    const words = await byAddress.refusal(mxHop(domain));
    assert.equal(words, `failed 554 5.4.6 mail for ${domain} loops back to this node`);
  }
  const byName = await locatorFor(t, zone, { isOwn: ({ name }) => name.startsWith('us') });
  assert.deepEqual(await byName.hosts(mxHop('y.test')), ['a.y.test 192.0.2.1']);
  assert.match(await byName.refusal(mxHop('nameless.test')), /^failed 554 5\.4\.6 /);
});

test('address literals need no DNS; what is no address of a host gets no mail', async (t) => {
  const { hosts, refusal, locator, dns } = await locatorFor(t, {});
  assert.deepEqual(await hosts(mxHop('[192.0.2.1]')), ['192.0.2.1 192.0.2.1']);
  assert.deepEqual(await hosts(mxHop('[IPv6:2001:db8::1]')), ['2001:db8::1 2001:db8::1']);
  const located = await locator.locate(mxHop('[IPv6:2001:db8::1]'));
  assert.equal('hosts' in located && located.hosts[0]?.name, '[2001:db8::1]:2500');
  for (const domain of [
    '[]',
    '[x]',
    '[0.0.0.0]',
    '[IPv6:::]',
    '[300.1.1.1]',
    '[2130706433]',
    '127.0.0.1',
    '１２７.0.0.1',
    'a..b',
    '-a.test',
    `${'a'.repeat(64)}.test`,
    'a\0b.test',
    '',
  ]) {
    assert.match(await refusal(mxHop(domain)), /^failed 550 5\.1\.2 /, domain);
  }
  assert.deepEqual(dns.questions, []);
});

test('numbers that other programs take for an address are names here, and do not exist', async (t) => {
  const { refusal, dns } = await locatorFor(t, {});
  for (const domain of ['2130706433', '0x7f.1', '0177.0.0.1x']) {
    assert.match(await refusal(mxHop(domain)), /^failed 550 5\.1\.2 .* does not exist$/, domain);
  }
  assert.deepEqual(dns.questions, ['MX 2130706433', 'MX 0x7f.1', 'MX 0177.0.0.1x']);
});

test('a domain in Unicode is asked for as its A-label', async (t) => {
  const { hosts } = await locatorFor(t, {
    'xn--bcher-kva.test': { MX: [[10, 'mx.xn--bcher-kva.test']] },
    'mx.xn--bcher-kva.test': { A: ['192.0.2.1'] },
  });
  assert.deepEqual(await hosts(mxHop('Bücher.test')), ['mx.xn--bcher-kva.test 192.0.2.1']);
});

test('a mail server inherits what its hop asks for, and never a login', async (t) => {
  const replyRules = [{ stages: ['rcpt'], codes: [550, 550], kind: 'deferred' }] as const;
  const { locator } = await locatorFor(
    t,
    { 'y.test': { A: ['192.0.2.1'] } },
    { mx: () => ({ port: 25, tls: 'opportunistic', ca: ['PEM'] }) },
  );
  const hop = mxHop('y.test', { tls: 'verified', ofMessage: true, replyRules });
  const located = await locator.locate(hop);
  assert.deepEqual('hosts' in located && located.hosts[0], {
    name: 'y.test:25',
    kind: 'host',
    host: 'y.test',
    address: '192.0.2.1',
    port: 25,
    tls: 'verified',
    implicitTls: false,
    allowInsecureAuth: false,
    trace: 'none',
    ca: ['PEM'],
    ofMessage: true,
    replyRules,
  });
  const weaker = await locator.locate(mxHop('y.test', { tls: 'none' }));
  assert.equal('hosts' in weaker && weaker.hosts[0]?.tls, 'opportunistic');
});

test('a smarthost at an address is the same object each time, until its description changes', async (t) => {
  const zone = { 'smarthost.test': { A: ['192.0.2.1', '192.0.2.2'] } };
  const { locator } = await locatorFor(t, zone);
  const hop = mxHop('smarthost.test', { kind: 'host', tls: 'verified' });
  const hostsOf = async (one: NextHop): Promise<readonly NextHop[]> => {
    const located = await locator.locate(one);
    return 'hosts' in located ? located.hosts : [];
  };
  const [first, second] = [await hostsOf(hop), await hostsOf(hop)];
  assert.equal(first.length, 2);
  // What is kept of a host, such as sessions of TLS, hangs on it.
  first.forEach((host, index) => assert.equal(host, second[index]));
  const [reloaded] = await hostsOf({ ...hop });
  assert.ok(reloaded !== undefined && !first.includes(reloaded));
});

test('a smarthost with several addresses is tried at each; the rest of it stays as it is', async (t) => {
  const { locator } = await locatorFor(t, {
    'core.test': { A: ['192.0.2.1', '192.0.2.2'], MX: [[10, 'elsewhere.test']] },
  });
  const hop = mxHop('core.test', { kind: 'node', name: 'core', trace: 'envelope' });
  const located = await locator.locate(hop);
  assert.deepEqual('hosts' in located && located.hosts, [
    { ...hop, address: '192.0.2.1' },
    { ...hop, address: '192.0.2.2' },
  ]);
  const known = { ...hop, address: '192.0.2.7' };
  assert.deepEqual(await locator.locate(known), { hosts: [known] });
});

test('a smarthost that cannot be found is a fault of the hop, never of the message', async (t) => {
  const { refusal } = await locatorFor(t, { 'a.test': 'SERVFAIL', 'b.test': {} });
  const host = (name: string) => mxHop(name, { kind: 'host' });
  assert.equal(
    await refusal(host('a.test')),
    'hop-fault null null the host a.test cannot be resolved: SERVFAIL',
  );
  for (const name of ['b.test', 'c.test']) {
    assert.match(await refusal(host(name)), /^hop-fault null null the host .*does not exist/);
  }
});

test('of very many mail servers only the best ones are looked up', async (t) => {
  const names = Array.from({ length: 30 }, (_, index) => `mx${index}.test`);
  const { hosts, dns } = await locatorFor(t, {
    'y.test': { MX: names.map((name, index) => [index, name] as const) },
    ...Object.fromEntries(names.map((name) => [name, { A: ['192.0.2.1'] }])),
  });
  assert.equal((await hosts(mxHop('y.test'))).length, 20);
  assert.equal(dns.questions.length, 41);
});
