import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { createLocator } from '../../src/route/mx.js';
import {
  hopTo,
  kinds,
  LOGIN,
  makeSender,
  showsNoCredential,
  type Sender,
} from '../send/attempting.js';
import { makeCertificate } from '../send/certificates.js';
import {
  close,
  runScriptedServer,
  type Script,
  type ScriptedServer,
} from '../send/scripted-server.js';
import { startDnsServer, type DnsServer, type DnsZone } from './dns-server.js';

/** Mail by MX from the DNS to servers on addresses of their own: the way that `node.ts` builds. */
async function world(
  t: TestContext,
  zone: DnsZone,
  scripts: ReadonlyArray<[address: string, script: Script]>,
) {
  const servers: ScriptedServer[] = [];
  for (const [host, script] of scripts) {
    // All on the port that the first one got: a port of MX is the same for all.
    const port = servers[0]?.port ?? 0;
    servers.push(await runScriptedServer(t, { ...script, host, port }));
  }
  const port = servers[0]?.port ?? 0;
  const dns: DnsServer = await startDnsServer(zone);
  const locator = createLocator({
    dnsServers: [dns.address],
    mx: () => ({ port, tls: 'opportunistic' }),
    isOwn: ({ address }) => address === '127.0.0.1',
    chance: Math.random,
  });
  const sender: Sender = makeSender(t, {}, systemClock, locator.locate);
  t.after(() => {
    locator.close();
    dns.close();
  });
  const hop = hopTo(port, { name: 'y.test', kind: 'mx', host: 'y.test', tls: 'opportunistic' });
  return { servers, dns, sender, port, hop };
}

const TWO: DnsZone = {
  'y.test': {
    MX: [
      [10, 'mx1.test'],
      [20, 'mx2.test'],
    ],
  },
  'mx1.test': { A: ['127.0.0.2'] },
  'mx2.test': { A: ['127.0.0.3'] },
};

test('mail goes to the preferred server, in TLS where it is offered', async (t) => {
  const certificate = await makeCertificate('mx1.test');
  const { sender, servers, port, hop } = await world(t, TWO, [
    ['127.0.0.2', { certificate, offers: ['STARTTLS'], offersInTls: ['PIPELINING'] }],
    ['127.0.0.3', {}],
  ]);
  const report = await sender.send(hop);
  assert.deepEqual([kinds(report), report.host], [['delivered'], 'mx1.test']);
  assert.deepEqual(
    [report.record.next_hop, report.record.remote, report.record.tls?.verified],
    [`mx1.test:${port}`, `127.0.0.2:${port}`, false],
  );
  assert.equal(servers[1]?.sessions.length, 0);
});

test('the next server is asked when the preferred one cannot be talked to', async (t) => {
  for (const script of [
    { greeting: '421 4.3.2 shutting down' },
    { greeting: close },
  ] satisfies Script[]) {
    const { sender, hop } = await world(t, TWO, [
      ['127.0.0.2', script],
      ['127.0.0.3', {}],
    ]);
    const report = await sender.send(hop);
    assert.deepEqual([kinds(report), report.host], [['delivered'], 'mx2.test']);
    assert.equal(report.earlier?.length, 1);
  }
});

test('a server with several addresses is tried at each of them', async (t) => {
  const zone: DnsZone = { 'y.test': { A: ['127.0.0.9', '127.0.0.2'] } };
  const { sender, hop } = await world(t, zone, [['127.0.0.2', {}]]);
  const report = await sender.send(hop);
  assert.deepEqual(
    [kinds(report), report.host, report.earlier?.length],
    [['delivered'], 'y.test', 1],
  );
  assert.match(report.earlier?.[0]?.description ?? '', /127\.0\.0\.9/);
});

test('a null MX fails the message and nobody is connected to', async (t) => {
  const zone: DnsZone = { 'y.test': { MX: [[0, '.']], A: ['127.0.0.2'] } };
  const { sender, servers, hop } = await world(t, zone, [['127.0.0.2', {}]]);
  const { outcomes } = await sender.send(hop);
  assert.deepEqual(
    [outcomes[0]?.kind, outcomes[0]?.code, outcomes[0]?.enhanced],
    ['failed', 556, '5.1.10'],
  );
  assert.equal(servers[0]?.sessions.length, 0);
});

test('no mail server ever sees a login, whatever it offers', async (t) => {
  const offers = ['AUTH PLAIN LOGIN CRAM-MD5'];
  const { sender, servers, hop } = await world(t, TWO, [['127.0.0.2', { offers }]]);
  const report = await sender.send({ ...hop, login: LOGIN });
  assert.deepEqual([kinds(report), report.record.user], [['delivered'], null]);
  assert.ok(!servers[0]?.lines().some((line) => line.startsWith('AUTH')));
  assert.ok(showsNoCredential(servers[0]?.sessions[0]?.clear ?? ''));
});

test('mail never comes back to ourselves: what the DNS says last counts', async (t) => {
  const { sender, dns, hop, servers } = await world(t, TWO, [['127.0.0.1', {}]]);
  dns.set({ 'y.test': { A: ['127.0.0.1'] } });
  const { outcomes } = await sender.send(hop);
  assert.deepEqual([outcomes[0]?.kind, outcomes[0]?.enhanced], ['failed', '5.4.6']);
  assert.equal(servers[0]?.sessions.length, 0);
});
