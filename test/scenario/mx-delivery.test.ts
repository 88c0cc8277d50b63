import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startDnsServer, type DnsServer, type DnsZone } from '../route/dns-server.js';
import { makeCertificate } from '../send/certificates.js';
import {
  runScriptedServer,
  type Script,
  type ScriptedServer,
  type ScriptedSession,
} from '../send/scripted-server.js';
import { atEnd } from './at-end.js';
import { parseReport, type DeliveryReport } from './delivery-report.js';
import { letter, numbered, subjects } from './letters.js';
import { submit } from './mail-sender.js';
import { freePort } from './programs.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

/** The node's own name, which a mail server of others may turn out to be. */
const OWN_NAME = 'relay.self.test';
/** What the node keeps of a failed answer of the DNS, and then some. */
const DNS_HEALED_DEADLINE_MS = 60_000;
const SHARED = 30;

/** The mail servers of the world, each at an address of its own; nobody listens at the last one. */
const ADDRESSES = {
  first: '127.0.0.2',
  second: '127.0.0.3',
  third: '127.0.0.4',
  withTls: '127.0.0.5',
  withBrokenTls: '127.0.0.6',
  away: '127.0.0.7',
} as const;

const mx = (...records: [number, string][]): DnsZone[string] => ({ MX: records });
const at = (address: string): DnsZone[string] => ({ A: [address] });

const ZONE: DnsZone = {
  ...Object.fromEntries(
    Object.entries(ADDRESSES).map(([name, address]) => [
      `${name.toLowerCase()}.host.test`,
      at(address),
    ]),
  ),
  [OWN_NAME]: at('127.0.0.1'),
  'alias-of-self.test': at('127.0.0.1'),
  'preference.test': mx([20, 'second.host.test'], [10, 'first.host.test']),
  'shared.test': mx([10, 'first.host.test'], [10, 'second.host.test']),
  'first-away.test': mx([10, 'away.host.test'], [20, 'second.host.test']),
  'no-mx.test': at(ADDRESSES.third),
  'null-mx.test': mx([0, '.']),
  'servfail.test': 'SERVFAIL',
  'self.test': mx([10, OWN_NAME]),
  'self-by-address.test': mx([10, 'alias-of-self.test']),
  'self-first.test': mx([10, OWN_NAME], [20, 'second.host.test']),
  'self-last.test': mx([10, 'first.host.test'], [20, OWN_NAME]),
  'tls.test': mx([10, 'withtls.host.test']),
  'broken-tls.test': mx([10, 'withbrokentls.host.test']),
  'one.mixed.test': mx([10, 'first.host.test']),
  'two.mixed.test': mx([10, 'second.host.test']),
  'one.away.test': mx([10, 'away.host.test']),
  'two.away.test': mx([10, 'away.host.test']),
};

interface Bench {
  topology: RunningTopology;
  servers: Record<Exclude<keyof typeof ADDRESSES, 'away'>, ScriptedServer>;
  dns: DnsServer;
}

test('delivery to the mail servers of the recipients', { concurrency: true }, async (t) => {
  const bench = await start(t);
  await Promise.all([
    t.test('the preferred one gets all', () => assertPreferred(bench)),
    t.test('equally preferred ones share', (sub) => assertShared(sub, bench)),
    t.test('the next one is asked at once when the first is away', () => assertNext(bench)),
    t.test('a domain without MX is its own mail server', () => assertNoMx(bench)),
    t.test('an address in place of a domain', () => assertLiteral(bench)),
    t.test('recipients of one message go to their own servers', () => assertMixed(bench)),
    t.test('each domain waits in a queue of its own', () => assertQueues(bench)),
    t.test('any certificate will do', () => assertAnyCertificate(bench)),
    t.test('a server without TLS gets its mail in clear', () => assertClear(bench)),
    t.test('so does one that breaks the handshake', () => assertBrokenTls(bench)),
    t.test('a domain that takes no mail', () => assertBounced(bench, 'null-mx.test', NULL_MX)),
    t.test('a domain that does not exist', () => assertBounced(bench, 'nowhere.test', NOWHERE)),
    t.test('mail for which we are the server, by our name', () => assertNoLoop(bench, 'self.test')),
    t.test('mail for which we are the server, by our address', () =>
      assertNoLoop(bench, 'self-by-address.test'),
    ),
    t.test('servers behind ourselves are not asked', () => assertNoLoop(bench, 'self-first.test')),
    t.test('servers before ourselves are', () => assertBefore(bench)),
    t.test('a DNS that fails holds the mail up', () => assertDnsHeals(bench)),
  ]);
});

const NULL_MX = { status: '5.1.10', diagnostic: /^smtp; 556 5\.1\.10 / };
const NOWHERE = {
  status: '5.1.2',
  diagnostic: /^smtp; 550 5\.1\.2 .*nowhere\.test does not exist/,
};
const LOOP = { status: '5.4.6', diagnostic: /^smtp; 554 5\.4\.6 / };

async function start(t: TestContext): Promise<Bench> {
  // The node listens at this port too: what leads to its own address is itself.
  const port = await freePort();
  const { ca: _, ...certificate } = await makeCertificate('nobody-vouches-for-it');
  const scripts: Record<keyof Bench['servers'], Script> = {
    first: {},
    second: {},
    third: {},
    withTls: { certificate, offers: ['STARTTLS'] },
    withBrokenTls: {
      offers: ['STARTTLS'],
      on: { STARTTLS: breakHandshake },
    },
  };
  const servers = {} as Bench['servers'];
  for (const name of Object.keys(scripts) as (keyof typeof scripts)[]) {
    servers[name] = await runScriptedServer(t, { ...scripts[name], host: ADDRESSES[name], port });
  }
  const dns = await startDnsServer(ZONE);
  atEnd(t, () => dns.close());
  const topology = await startTopology(
    t,
    `version: 1
name: mx-delivery
defaults: { retry-interval: [1] }
nodes:
  edge:
    hostname: ${OWN_NAME}
    listen: [{ name: relay, port: ${port} }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    dns-servers: ["${dns.address}"]
    mx-port: ${port}
    routes:
      # bounces
      - { sender: "<>", smarthost: mx }
    queues:
      - { queue: shared.test, max-messages-per-connection: 1 }
sinks:
  mx: { port: auto }
`,
  );
  return { topology, servers, dns };
}

function breakHandshake(session: ScriptedSession): void {
  session.socket.removeAllListeners('data');
  session.socket.once('data', () => session.socket.end('this is no handshake'));
  session.say('220 2.0.0 go');
}

function send({ topology }: Bench, recipients: string | string[]): Promise<void> {
  // Each has a sender of its own, who gets the bounce.
  const sender = `sender-of-${String([recipients].flat()[0]).replaceAll(/[@[\]]/g, '-')}@scenario.test`;
  return submit(topology.relay('edge'), letter({ recipients, sender }));
}

function untilTaken(server: ScriptedServer, ...expected: string[]): Promise<boolean> {
  const taken = (): string[] => subjects(server.contents());
  const all = (): boolean => expected.every((subject) => taken().includes(subject));
  return until(`the mail of ${expected.join(', ')}`, all, { seen: taken });
}

/** No server but this one has got such mail. */
function assertOnlyAt({ servers }: Bench, only: ScriptedServer, domain: string): void {
  for (const server of Object.values(servers)) {
    if (server === only) continue;
    const others = subjects(server.contents()).filter((subject) => subject.endsWith(`@${domain}`));
    assert.deepEqual(others, []);
  }
}

async function assertPreferred(bench: Bench): Promise<void> {
  const recipients = numbered(10, 'rcpt', 'preference.test');
  for (const recipient of recipients) await send(bench, recipient);
  await untilTaken(bench.servers.first, ...recipients);
  assertOnlyAt(bench, bench.servers.first, 'preference.test');
  const record = await bench.topology.api('edge').untilRecord(recipients[0] ?? '');
  assert.equal(record.queue, 'preference.test');
  assert.match(record.attempts[0]?.next_hop ?? '', /^first\.host\.test:/);
}

async function assertShared(t: TestContext, bench: Bench): Promise<void> {
  const { first, second } = bench.servers;
  const recipients = numbered(SHARED, 'rcpt', 'shared.test');
  await Promise.all(recipients.map((recipient) => send(bench, recipient)));
  const sharesOf = (server: ScriptedServer): number =>
    subjects(server.contents()).filter((subject) => recipients.includes(subject)).length;
  const shares = (): number[] => [sharesOf(first), sharesOf(second)];
  await until('all of them', () => sharesOf(first) + sharesOf(second) === SHARED, { seen: shares });
  // With an even chance each: one in 500 million runs would give one of them everything.
  assert.ok(shares().every((share) => share > 0));
  t.diagnostic(`${SHARED} messages: ${shares().join(' and ')}`);
}

async function assertNext(bench: Bench): Promise<void> {
  const recipient = 'rcpt@first-away.test';
  await send(bench, recipient);
  await untilTaken(bench.servers.second, recipient);
  const { hops } = await bench.topology.api('edge').untilComplete(recipient);
  assert.deepEqual(
    hops[0]?.attempts.map(({ next_hop: hop, state, result }) => [
      hop.split(':')[0],
      state,
      result === 'accepted',
    ]),
    [
      ['away.host.test', 'connect', false],
      ['second.host.test', 'message', true],
    ],
  );
  assert.equal(hops[0].recipients[0]?.attempts, 1);
}

async function assertNoMx(bench: Bench): Promise<void> {
  await send(bench, 'rcpt@no-mx.test');
  await untilTaken(bench.servers.third, 'rcpt@no-mx.test');
  assert.ok(bench.dns.questions.includes('MX no-mx.test'));
}

async function assertLiteral(bench: Bench): Promise<void> {
  const recipient = `rcpt@[${ADDRESSES.third}]`;
  await send(bench, recipient);
  await untilTaken(bench.servers.third, recipient);
  assert.ok(bench.servers.third.lines().some((line) => line.startsWith(`RCPT TO:<${recipient}>`)));
}

async function assertMixed(bench: Bench): Promise<void> {
  const { first, second } = bench.servers;
  const recipients = ['a@one.mixed.test', 'b@two.mixed.test', 'c@ONE.mixed.test'];
  await send(bench, recipients);
  const subject = recipients[0] ?? '';
  await Promise.all([untilTaken(first, subject), untilTaken(second, subject)]);
  const transactions = (server: ScriptedServer): string[] =>
    server
      .lines()
      .filter((line) => /^RCPT TO:.*mixed\.test/i.test(line))
      .map((line) => line.toLowerCase());
  assert.deepEqual(transactions(first), [
    'rcpt to:<a@one.mixed.test>',
    'rcpt to:<c@one.mixed.test>',
  ]);
  assert.deepEqual(transactions(second), ['rcpt to:<b@two.mixed.test>']);
  assert.equal(subjects(first.contents()).filter((one) => one === subject).length, 1);
}

async function assertQueues(bench: Bench): Promise<void> {
  await send(bench, ['a@one.away.test', 'b@Two.Away.test', 'c@two.away.test']);
  const names = ['one.away.test', 'two.away.test'];
  const queues = await until('both to wait', async () => {
    const views = await bench.topology.api('edge').queues();
    const waiting = names.map((name) => views.find((view) => view.name === name));
    return waiting.every((view) => view?.state === 'backoff') ? waiting : null;
  });
  assert.deepEqual(
    queues.map((view) => [view?.next_hop, view?.ready, view?.last_fault?.stage]),
    names.map((name) => [`mail servers of ${name}`, 1, 'connect']),
  );
}

async function assertAnyCertificate(bench: Bench): Promise<void> {
  const { withTls } = bench.servers;
  await send(bench, 'rcpt@tls.test');
  await untilTaken(withTls, 'rcpt@tls.test');
  assert.ok(withTls.sessions.every((session) => session.inTls));
  assert.ok(withTls.sessions.every(({ clear }) => !/MAIL|RCPT|DATA/.test(clear)));
  const { attempts } = await bench.topology.api('edge').untilRecord('rcpt@tls.test');
  assert.equal(attempts[0]?.tls?.verified, false);
}

async function assertClear(bench: Bench): Promise<void> {
  await send(bench, 'clear@preference.test');
  await untilTaken(bench.servers.first, 'clear@preference.test');
  const { attempts } = await bench.topology.api('edge').untilRecord('clear@preference.test');
  assert.equal(attempts[0]?.tls, null);
}

async function assertBrokenTls(bench: Bench): Promise<void> {
  const { withBrokenTls } = bench.servers;
  await send(bench, 'rcpt@broken-tls.test');
  await untilTaken(withBrokenTls, 'rcpt@broken-tls.test');
  assert.equal(withBrokenTls.sessions.length, 2);
  const { attempts } = await bench.topology.api('edge').untilRecord('rcpt@broken-tls.test');
  assert.deepEqual(
    attempts.map(({ state, tls }) => [state, tls]),
    [
      ['starttls', null],
      ['message', null],
    ],
  );
}

async function assertBounced(
  bench: Bench,
  domain: string,
  due: { status: string; diagnostic: RegExp },
): Promise<void> {
  const recipient = `rcpt@${domain}`;
  await send(bench, recipient);
  const report = await untilBounce(bench.topology, `sender-of-rcpt-${domain}@scenario.test`);
  const [group] = report.recipients;
  assert.equal(group?.get('final-recipient'), `rfc822; ${recipient}`);
  assert.equal(group.get('action'), 'failed');
  assert.equal(group.get('status'), due.status);
  assert.match(group.get('diagnostic-code') ?? '', due.diagnostic);
  for (const server of Object.values(bench.servers)) {
    assert.ok(!subjects(server.contents()).includes(recipient));
  }
}

async function assertNoLoop(bench: Bench, domain: string): Promise<void> {
  await assertBounced(bench, domain, LOOP);
  // It came in once: from us, and not from the node itself.
  assert.equal((await bench.topology.api('edge').records(`rcpt@${domain}`)).length, 1);
}

async function assertBefore(bench: Bench): Promise<void> {
  await send(bench, 'rcpt@self-last.test');
  await untilTaken(bench.servers.first, 'rcpt@self-last.test');
}

async function assertDnsHeals(bench: Bench): Promise<void> {
  const recipient = 'rcpt@servfail.test';
  await send(bench, recipient);
  const attempt = await until('the first attempt', async () => {
    const [record] = await bench.topology.api('edge').records(recipient);
    return record?.attempts[0];
  });
  assert.equal(attempt.enhanced_code, '4.4.3');
  assert.match(attempt.description, /SERVFAIL/);
  bench.dns.set({ ...ZONE, 'servfail.test': mx([10, 'third.host.test']) });
  const taken = (): boolean => subjects(bench.servers.third.contents()).includes(recipient);
  await until('the message', taken, { deadlineMs: DNS_HEALED_DEADLINE_MS });
  const bounces = await bench.topology
    .sink()
    .messages('sender-of-rcpt-servfail.test@scenario.test');
  assert.deepEqual(bounces, []);
}

async function untilBounce(topology: RunningTopology, sender: string): Promise<DeliveryReport> {
  const { id } = await topology.sink().untilMessage(sender);
  assert.equal((await topology.sink().messages(sender)).length, 1);
  return parseReport(await topology.sink().raw(id));
}
