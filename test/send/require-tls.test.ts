import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import type { NextHop } from '../../src/send/next-hop.js';
import type { AttemptReport } from '../../src/send/outcome.js';
import { hopTo, kinds, LOGIN, makeSender, type Sender } from './attempting.js';
import { makeCertificate } from './certificates.js';
import {
  close,
  runScriptedServer,
  sayAndClose,
  type Script,
  type ScriptedServer,
} from './scripted-server.js';

const good = await makeCertificate('hop');
const other = await makeCertificate('hop');
const expired = await makeCertificate('hop', Date.now() - 60 * 86_400_000);

const WITH: Script = {
  certificate: good,
  offers: ['STARTTLS'],
  offersInTls: ['PIPELINING', 'DSN', 'REQUIRETLS'],
};
const WITHOUT: Script = { ...WITH, offersInTls: ['PIPELINING', 'DSN'] };

const DEMAND = { message: { requireTls: true } };
const REPORT = { message: { requireTls: true, sender: '' } };

/** A link of the topology with verified TLS. */
function verified({ port }: { port: number }, changes: Partial<NextHop> = {}): NextHop {
  return hopTo(port, { tls: 'verified', ca: [good.ca], ...changes });
}

/** A hop with less of its own, as the router makes it for a message that demands TLS. */
function raised(server: { port: number }, changes: Partial<NextHop> = {}): NextHop {
  return verified(server, { securedByMessage: true, ...changes });
}

/** A sender to a hop with these hosts, in order, and that hop. */
function severalHosts(t: TestContext, hosts: readonly NextHop[]): [Sender, NextHop] {
  const located = hosts.map((host, index) => ({
    ...host,
    name: `host${index + 1}`,
    host: host.host === '127.0.0.1' ? `host${index + 1}.y.test` : host.host,
    address: '127.0.0.1',
    servername: 'localhost',
  }));
  const settings = { connectTimeoutMs: 1000, commandTimeoutMs: 1000 };
  const sender = makeSender(t, settings, systemClock, async () => ({ hosts: located }));
  return [sender, raised({ port: 1 }, { host: 'y.test' })];
}

const mails = (server: ScriptedServer): string[] =>
  server.lines().filter((line) => line.startsWith('MAIL'));

function verdict({ outcomes }: AttemptReport): unknown[] {
  const { kind, enhanced, unfit } = outcomes[0] ?? {};
  return [kind, enhanced, unfit];
}

test('REQUIRETLS is said where the hop offers it inside verified TLS, and the record says so', async (t) => {
  const implicit: Script = { certificate: good, implicit: true, offers: ['REQUIRETLS'] };
  for (const [script, implicitTls] of [
    [WITH, false],
    [implicit, true],
  ] as const) {
    const server = await runScriptedServer(t, script);
    const sender = makeSender(t);
    const report = await sender.send(verified(server, { implicitTls }), DEMAND);
    assert.deepEqual(kinds(report), ['delivered']);
    assert.equal(report.record.require_tls, true);
    assert.match(mails(server)[0] ?? '', /^MAIL FROM:<a@x\.test>.* REQUIRETLS$/);
  }
});

test('mail that does not demand it goes without, over the same session', async (t) => {
  const server = await runScriptedServer(t, WITH);
  const sender = makeSender(t);
  const hop = verified(server);
  await sender.send(hop, DEMAND);
  const report = await sender.send(hop);
  assert.deepEqual([kinds(report), report.record.reused], [['delivered'], true]);
  assert.equal('require_tls' in report.record, false);
  assert.doesNotMatch(mails(server)[1] ?? '', /REQUIRETLS/);
});

test('a hop that does not offer it inside TLS: 5.7.30, not a byte of the message, and the session stays for others', async (t) => {
  const inClearOnly = { ...WITHOUT, offers: ['STARTTLS', 'REQUIRETLS'] };
  const similar = { ...WITHOUT, offersInTls: ['X-REQUIRETLS', 'REQUIRETLS-X', 'DSN'] };
  for (const script of [WITHOUT, inClearOnly, similar]) {
    const server = await runScriptedServer(t, script);
    const sender = makeSender(t);
    const hop = verified(server);
    const report = await sender.send(hop, DEMAND);
    assert.deepEqual(verdict(report), ['failed', '5.7.30', true]);
    assert.equal('require_tls' in report.record, false);
    assert.deepEqual(mails(server), []);
    const plain = await sender.send(hop);
    assert.deepEqual([kinds(plain), plain.record.reused], [['delivered'], true]);
    // Of one that is open already nothing else is learnt by another connection.
    const again = await sender.send(hop, DEMAND);
    assert.deepEqual(verdict(again), ['failed', '5.7.30', true]);
    assert.deepEqual([server.sessions.length, sender.pool.size], [1, 1]);
  }
});

test('a session without TLS, or whose certificate was not verified, never takes it', async (t) => {
  const clear = await runScriptedServer(t, { offers: ['REQUIRETLS'] });
  const unverified = await runScriptedServer(t, { ...WITH, certificate: other });
  const hops = [
    hopTo(clear.port),
    hopTo(clear.port, { tls: 'opportunistic' }),
    hopTo(unverified.port, { tls: 'opportunistic' }),
    hopTo(unverified.port, { tls: 'required', ca: [good.ca] }),
    // The name is the other half of a certificate.
    hopTo((await runScriptedServer(t, WITH)).port, {
      tls: 'required',
      ca: [good.ca],
      servername: 'other.example',
    }),
  ];
  for (const hop of hops) {
    const report = await makeSender(t).send(hop, DEMAND);
    assert.deepEqual(verdict(report), ['failed', '5.7.10', true], hop.tls);
  }
  assert.deepEqual([...mails(clear), ...mails(unverified)], []);
});

test('TLS that only this message wants and that the hop lacks for good: 5.7.10 for it', async (t) => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
  const cases: ReadonlyArray<[name: string, script: Script, hop?: Partial<NextHop>]> = [
    ['not offered', { on: { STARTTLS: '502 5.5.1 what?' } }],
    ['refused', { offers: ['STARTTLS'], on: { STARTTLS: '554 5.7.0 never' } }],
    ['EHLO refused', { on: { EHLO: '502 5.5.1 what?' } }],
    ['unknown authority', { ...WITH, certificate: other }],
    ['unknown authority from the first byte', { ...WITH, certificate: other, implicit: true }],
    ['expired', { ...WITH, certificate: expired }, { ca: [expired.ca] }],
    ['another name', WITH, { servername: 'other.example' }],
    ['TLS 1.1', { ...WITH, tls: old }],
  ];
  for (const [name, script, changes] of cases) {
    const server = await runScriptedServer(t, script);
    const sender = makeSender(t);
    const implicitTls = script.implicit === true;
    const report = await sender.send(raised(server, { implicitTls, ...changes }), DEMAND);
    assert.deepEqual(verdict(report), ['failed', '5.7.10', true], name);
    assert.match(report.outcomes[0]?.text ?? '', /REQUIRETLS/, name);
    assert.deepEqual(mails(server), [], name);
    assert.equal(sender.pool.size, 0, name);
  }
});

test('TLS that only this message wants and that fails for now: the message waits, not the queue', async (t) => {
  const cases: ReadonlyArray<[name: string, script: Script]> = [
    ['454', { offers: ['STARTTLS'], on: { STARTTLS: '454 4.7.0 not now' } }],
    ['closed at STARTTLS', { ...WITH, on: { STARTTLS: close } }],
    ['closed in the handshake', { ...WITH, on: { STARTTLS: sayAndClose('220 go') } }],
  ];
  for (const [name, script] of cases) {
    const server = await runScriptedServer(t, script);
    const report = await makeSender(t).send(raised(server), DEMAND);
    assert.deepEqual(verdict(report), ['deferred', '4.7.10', undefined], name);
    assert.deepEqual(mails(server), [], name);
  }
});

test('what stops all mail of the hop is a fault of the hop, for this message too', async (t) => {
  const cases: ReadonlyArray<[name: string, script: Script, hop: (s: ScriptedServer) => NextHop]> =
    [
      ['expired on a verified link', { ...WITH, certificate: expired }, (s) => verified(s)],
      [
        '454 on a verified link',
        { offers: ['STARTTLS'], on: { STARTTLS: '454 4.7.0 not now' } },
        (s) => verified(s),
      ],
      ['a greeting that refuses', { greeting: '554 5.7.1 go away' }, (s) => raised(s)],
      ['421 at STARTTLS', { offers: ['STARTTLS'], on: { STARTTLS: '421 4.3.2 bye' } }, raised],
      [
        'a refused login',
        {
          ...WITH,
          offersInTls: ['AUTH PLAIN', 'REQUIRETLS'],
          on: { AUTH: '535 5.7.8 unknown' },
        },
        (s) => raised(s, { login: LOGIN }),
      ],
    ];
  for (const [name, script, hop] of cases) {
    const server = await runScriptedServer(t, script);
    const report = await makeSender(t).send(hop(server), DEMAND);
    assert.equal(report.outcomes[0]?.kind, 'hop-fault', name);
  }
});

test('of several hosts one that can takes it, and the others are left with QUIT', async (t) => {
  const without = await runScriptedServer(t, WITHOUT);
  const unknown = await runScriptedServer(t, { ...WITH, certificate: other });
  const fit = await runScriptedServer(t, WITH);
  const [sender, hop] = severalHosts(
    t,
    [without, unknown, fit].map((server) => verified(server)),
  );
  const report = await sender.send(hop, DEMAND);
  assert.deepEqual([kinds(report), report.host], [['delivered'], 'host3.y.test']);
  assert.deepEqual(
    report.earlier?.map(({ next_hop: name, enhanced_code: code }) => [name, code]),
    [
      ['host1', '5.7.30'],
      ['host2', '5.7.10'],
    ],
  );
  assert.deepEqual([mails(without), mails(unknown)], [[], []]);
  assert.equal(without.lines().at(-1), 'QUIT');
});

test('an open session with a host that cannot is no reason not to ask the other hosts', async (t) => {
  const without = await runScriptedServer(t, WITHOUT);
  const fit = await runScriptedServer(t, WITH);
  const [sender, hop] = severalHosts(
    t,
    [without, fit].map((server) => verified(server)),
  );
  assert.deepEqual((await sender.send(hop)).host, 'host1.y.test');
  const report = await sender.send(hop, DEMAND);
  assert.deepEqual([kinds(report), report.host], [['delivered'], 'host2.y.test']);
  assert.equal(report.earlier?.[0]?.enhanced_code, '5.7.30');
  assert.equal(without.sessions.length, 1);
  assert.equal(without.lines().at(-1), 'QUIT');
});

test('when no host can, it is returned; when one could not be asked, it waits without its hop', async (t) => {
  const [one, two] = [await runScriptedServer(t, WITHOUT), await runScriptedServer(t, WITHOUT)];
  const nobody = verified({ port: 1 });
  const table: ReadonlyArray<[hosts: NextHop[], verdict: unknown[]]> = [
    [
      [verified(one), verified(two)],
      ['failed', '5.7.30', true],
    ],
    [
      [nobody, verified(two)],
      ['deferred', '5.7.30', undefined],
    ],
    [
      [verified(one), nobody],
      ['deferred', null, undefined],
    ],
    [
      [nobody, nobody],
      ['hop-fault', null, undefined],
    ],
  ];
  for (const [hosts, expected] of table) {
    const [sender, hop] = severalHosts(t, hosts);
    assert.deepEqual(verdict(await sender.send(hop, DEMAND)), expected);
  }
});

test('the addresses of one host are one host: what one of them lacks is not waited for at another', async (t) => {
  const without = await runScriptedServer(t, WITHOUT);
  const named = (port: number): NextHop => verified({ port }, { host: 'dual.y.test' });
  for (const hosts of [
    [named(1), named(without.port)],
    [named(without.port), named(1)],
  ]) {
    const [sender, hop] = severalHosts(t, hosts);
    assert.deepEqual(verdict(await sender.send(hop, DEMAND)), ['failed', '5.7.30', true]);
    assert.deepEqual(verdict(await sender.send(hop, DEMAND)), ['failed', '5.7.30', true]);
    assert.deepEqual([kinds(await sender.send(hop)), sender.pool.size], [['delivered'], 1]);
  }
});

test('hosts that an MX record names are not asked: nothing vouches for the record', async (t) => {
  const server = await runScriptedServer(t, WITH);
  const byMx = verified(server, { namedByMx: true });
  const [sender, hop] = severalHosts(t, [byMx]);
  assert.deepEqual(verdict(await sender.send(hop, DEMAND)), ['failed', '5.7.10', true]);
  assert.equal(server.sessions.length, 0);
  const [mixed, mixedHop] = severalHosts(t, [byMx, verified(server)]);
  assert.equal((await mixed.send(mixedHop, DEMAND)).host, 'host2.y.test');
});

test('a report goes with REQUIRETLS where that can be, and else as all mail to the hop does', async (t) => {
  const fit = await runScriptedServer(t, WITH);
  await makeSender(t).send(verified(fit), REPORT);
  assert.match(mails(fit)[0] ?? '', /^MAIL FROM:<>.* REQUIRETLS$/);
  const without = await runScriptedServer(t, WITHOUT);
  const clear = await runScriptedServer(t, { offers: ['REQUIRETLS'] });
  for (const [server, hop] of [
    [without, verified(without)],
    [clear, hopTo(clear.port)],
    [fit, verified(fit, { namedByMx: true })],
  ] as const) {
    assert.deepEqual(kinds(await makeSender(t).send(hop, REPORT)), ['delivered']);
    assert.doesNotMatch(mails(server).at(-1) ?? 'REQUIRETLS', /REQUIRETLS/);
  }
});
