import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { z } from 'zod';
import type { queueList } from '../../src/api/shape/queues.js';
import type { NextHop } from '../../src/send/next-hop.js';
import type { traceList } from '../../src/api/shape/trace.js';
import { localHop, runNode } from '../api/running-node.js';
import { until } from '../scenario/waiting.js';
import { LOGIN, PASSWORD, showsNoCredential } from '../send/attempting.js';
import { makeCertificate } from '../send/certificates.js';
import {
  close,
  reset,
  runScriptedServer,
  silence,
  type Answer,
  type Script,
} from '../send/scripted-server.js';
import { Accounts } from './accounts.js';
import { startHop } from './hop.js';
import { startHostileNode } from './node-process.js';
import { hostileTest, type Row } from './rows.js';

/* What becomes of mail behind a broken hop, at a whole node: it stays, and the queue says why. */

const good = await makeCertificate('hop');
const other = await makeCertificate('hop');
const expired = await makeCertificate('hop', Date.now() - 60 * 86_400_000);

const flood: Answer = ({ socket }) => {
  const more = (): void => {
    if (socket.writable) socket.write('220-welcome\r\n'.repeat(1000), more);
  };
  more();
};
const SECURED = { certificate: good, offers: ['STARTTLS'], offersInTls: ['AUTH PLAIN'] };

type Shaped<Shape extends z.ZodType> = z.output<Shape>;

interface Case {
  what: string;
  script: Script;
  /** What the hop is asked for, beside a login. */
  hop?: Partial<NextHop>;
  /** Of the fault that the queue shows. */
  words: RegExp;
  /** The login is refused after it was sent, as is due. */
  isLoggedIn?: true;
}

const verified: Partial<NextHop> = { tls: 'verified', ca: [good.ca] };
const inClear = { offers: ['AUTH PLAIN'] };

const CASES: Readonly<Partial<Record<Row, readonly Case[]>>> = {
  'hop-lost': [
    { what: 'closed before the greeting', script: { greeting: close }, words: /closed/ },
    { what: 'reset at EHLO', script: { on: { EHLO: reset } }, words: /ECONNRESET|closed|reset/ },
    {
      what: 'closed at MAIL',
      script: { ...inClear, on: { MAIL: close } },
      words: /closed/,
      isLoggedIn: true,
    },
    { what: 'silent at the greeting', script: { greeting: silence }, words: /Greeting never/ },
  ],
  'hop-order': [
    {
      what: 'all replies before a command',
      script: {
        greeting: '220 hi\n250 hop\n250 ok\n354 go\n250 2.0.0 done',
        on: { EHLO: silence },
      },
      words: /./,
    },
    {
      what: '250 for 354',
      script: { ...inClear, on: { DATA: '250 2.0.0 thanks' } },
      words: /./,
      isLoggedIn: true,
    },
  ],
  'hop-flood': [{ what: 'a greeting without end', script: { greeting: flood }, words: /./ }],
  'hop-tls': [
    {
      what: 'no STARTTLS',
      script: { ...inClear, on: { STARTTLS: '502 5.5.1 what?' } },
      hop: verified,
      words: /what\?/,
    },
    {
      what: 'STARTTLS 454',
      script: { ...SECURED, on: { STARTTLS: '454 4.7.0 not now' } },
      hop: verified,
      words: /not now/,
    },
    {
      what: 'lines glued to the 220',
      script: { ...SECURED, on: { STARTTLS: '220 go\n250 AUTH PLAIN' } },
      hop: verified,
      words: /./,
    },
    {
      what: 'EHLO refused',
      script: { on: { EHLO: '502 5.5.1 what?' } },
      hop: verified,
      words: /what\?/,
    },
    {
      what: 'an expired certificate',
      script: { ...SECURED, certificate: expired },
      hop: { tls: 'verified', ca: [expired.ca] },
      words: /expired/,
    },
    {
      what: 'a certificate of nobody known',
      script: { ...SECURED, certificate: other },
      hop: verified,
      words: /certificate/,
    },
    {
      what: 'a certificate for another name',
      script: SECURED,
      hop: { ...verified, servername: 'other.example' },
      words: /Hostname|altnames/i,
    },
    {
      what: 'TLS 1.0',
      script: {
        ...SECURED,
        tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' },
      },
      hop: verified,
      words: /./,
    },
  ],
  'hop-login': [
    {
      what: 'unknown mechanisms',
      script: { offers: ['AUTH GSSAPI NTLM SCRAM-SHA-256'] },
      words: /offers no login that we know/,
    },
    { what: 'EHLO refused', script: { on: { EHLO: '500 5.5.1 what?' } }, words: /login/ },
    {
      what: 'a broken challenge',
      script: { offers: ['AUTH CRAM-MD5'], on: { AUTH: '334 no base64!' } },
      words: /challenge/,
    },
    {
      what: 'a refused login, repeated in the refusal',
      script: { ...inClear, on: { AUTH: `535 5.7.8 not ${PASSWORD}` } },
      words: /535|hidden/,
      isLoggedIn: true,
    },
  ],
};

for (const [row, each] of Object.entries(CASES)) {
  hostileTest(row as Row, 'the mail behind it stays, and its queue says why', async (t, cases) => {
    await Promise.all(each.map((one) => assertKept(t, one)));
    cases.add(each.length);
  });
}

async function assertKept(
  t: TestContext,
  { what, script, hop = {}, words, isLoggedIn }: Case,
): Promise<void> {
  const server = await runScriptedServer(t, script);
  const smarthost = { ...localHop('hop', 'sink', server.port), kind: 'host' as const };
  const node = await runNode(t, 'edge', { ...smarthost, login: LOGIN, ...hop });
  await node.client.postJson('/v1/inject', {
    envelope: 'a@x.test',
    recipient: 'b@y.test',
    mime: 'Subject: x\r\n\r\nx\r\n',
  });
  const queue = await until(`the fault of ${what}`, async () => {
    const { queues } = await node.client.getJson<Shaped<typeof queueList>>('/v1/queues');
    return queues.find(({ last_fault: fault }) => fault !== null);
  });
  const shown = JSON.stringify(queue.last_fault);
  assert.match(shown, words, what);
  assert.ok(shown.length < 2000, what);
  assert.equal(queue.ready + queue.deferred, 1, `${what}: it waits`);
  const { messages } = await node.client.getJson<Shaped<typeof traceList>>('/trace');
  assert.equal(messages.length, 1, `${what}: no report of a failure`);
  assert.ok(!['relayed', 'delivered', 'failed'].includes(messages[0]?.action ?? 'failed'), what);
  assert.ok(!JSON.stringify([queue, messages]).includes(PASSWORD), what);
  const clear = server.sessions.map((session) => session.clear).join('');
  assert.equal(showsNoCredential(clear), isLoggedIn !== true, what);
  assert.deepEqual(server.contents(), [], what);
}

hostileTest(
  'hop-refusal',
  '4xx for ever: tried by the schedule until the message expires, then one bounce with the last words',
  async (t, cases) => {
    const hop = await startHop(t);
    hop.busyFor = /^busy-/;
    const node = await startHostileNode(t, { hopPort: hop.port, config: { 'expire-after': 4 } });
    const accounts = new Accounts(node.port, 'busy');
    await accounts.handInAll(3, { clients: 1 });
    cases.add(3);
    const senders = accounts.entries.map(({ mail }) => mail.sender);
    const bounces = await until('a bounce of each', () => {
      const found = hop.offered.filter(({ recipients }) => senders.includes(recipients[0] ?? ''));
      return found.length >= 3 ? found : null;
    });
    assert.equal(bounces.length, 3);
    for (const recipient of accounts.accepted) {
      const tries = hop.asked.filter((one) => one.recipient === recipient);
      assert.ok(tries.length >= 3, `${tries.length} attempts`);
      const [record] = await node.api.records(recipient);
      assert.equal(record?.action, 'failed');
      assert.match(record.attempts.at(-1)?.description ?? '', /busy, come back/);
    }
    // nothing is tried or told again
    const asked = hop.asked.length;
    await accounts.handIn();
    await until('the next message', () => hop.asked.length > asked);
    assert.equal(hop.offered.length, 3);
  },
);
