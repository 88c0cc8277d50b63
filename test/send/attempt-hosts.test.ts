import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import type { NextHop } from '../../src/send/next-hop.js';
import type { LocateHosts } from '../../src/send/request.js';
import { until } from '../intake/dialogue.js';
import { hostileTest } from '../hostile/rows.js';
import { hopTo, kinds, LOGIN, makeSender, showsNoCredential, to, USERNAME } from './attempting.js';
import { makeCertificate } from './certificates.js';
import {
  close,
  runScriptedServer,
  sayAndClose,
  silence,
  type Script,
  type ScriptedServer,
} from './scripted-server.js';

const ORIGIN = hopTo(1, { name: 'y.test', kind: 'mx', host: 'y.test' });

const certificate = await makeCertificate('hop');

/** Host number `index` of a hop. */
function hostTo(port: number, index: number, changes: Partial<NextHop> = {}): NextHop {
  const host = `mx${index}.y.test`;
  return hopTo(port, {
    name: `${host}:${port}`,
    kind: 'host',
    host,
    address: '127.0.0.1',
    ...changes,
  });
}

/** A hop whose hosts are these servers, in order. */
function senderTo(
  t: TestContext,
  servers: ReadonlyArray<{ port: number }>,
  changes: Partial<NextHop> = {},
) {
  const hosts = servers.map(({ port }, index) => hostTo(port, index + 1, changes));
  const settings = { connectTimeoutMs: 1000, commandTimeoutMs: 1000 };
  return makeSender(t, settings, systemClock, async () => ({ hosts }));
}

/** Nobody listens there. */
const NOBODY = { port: 1 };

const heard = ({ sessions }: ScriptedServer): number => sessions.length;

test('the next host is asked when one cannot be talked to, and each one is recorded', async (t) => {
  const scripts: ReadonlyArray<[script: Script | null, state: string, code: number | null]> = [
    [null, 'connect', null],
    [{ greeting: '554 5.7.1 go away' }, 'connect', 554],
    [{ greeting: '421 4.7.0 too busy' }, 'connect', 421],
    [{ greeting: close }, 'connect', null],
    [{ greeting: silence }, 'connect', null],
    [{ on: { EHLO: '500 what?', HELO: '550 no' } }, 'connect', 550],
    [{ on: { EHLO: close } }, 'connect', null],
  ];
  for (const [script, state, code] of scripts) {
    const first = script === null ? NOBODY : await runScriptedServer(t, script);
    const second = await runScriptedServer(t);
    const sender = senderTo(t, [first, second]);
    const report = await sender.send(ORIGIN);
    assert.deepEqual(kinds(report), ['delivered'], JSON.stringify(script));
    assert.equal(report.host, 'mx2.y.test');
    assert.equal(report.record.next_hop, `mx2.y.test:${second.port}`);
    assert.equal(report.earlier?.length, 1);
    const [earlier] = report.earlier ?? [];
    assert.deepEqual(
      [earlier?.next_hop, earlier?.state, earlier?.code, earlier?.recipients],
      [`mx1.y.test:${first.port}`, state, code, ['b@y.test']],
    );
    assert.notEqual(earlier?.result, 'accepted');
    assert.notEqual(earlier?.span_id, report.record.span_id);
    assert.equal(sender.connects, 2);
  }
});

hostileTest('hop-tls', 'where TLS is due, a host without it is passed over', async (t) => {
  const without = await runScriptedServer(t);
  const refusing = await runScriptedServer(t, {
    offers: ['STARTTLS'],
    on: { STARTTLS: '454 4.7.0 no' },
  });
  const good = await runScriptedServer(t, { certificate, offers: ['STARTTLS'], offersInTls: [] });
  const sender = senderTo(t, [without, refusing, good], { tls: 'required' });
  const report = await sender.send(ORIGIN);
  assert.deepEqual([kinds(report), report.host], [['delivered'], 'mx3.y.test']);
  assert.deepEqual(
    report.earlier?.map(({ state }) => state),
    ['starttls', 'starttls'],
  );
  assert.ok(![...without.lines(), ...refusing.lines()].some((line) => line.startsWith('MAIL')));
});

test('when no host can be talked to, the last one speaks for all', async (t) => {
  const first = await runScriptedServer(t, { greeting: '554 5.7.1 first' });
  const last = await runScriptedServer(t, {
    greeting: '450 4.7.1 too many connections, wait 20 seconds',
  });
  const report = await senderTo(t, [first, NOBODY, last]).send(ORIGIN, {
    recipients: [to('1@y.test'), to('2@y.test')],
  });
  const outcome = {
    kind: 'hop-fault',
    slowDown: true,
    retryAfterMs: 20_000,
    inTransaction: false,
    code: 450,
    enhanced: '4.7.1',
    text: 'too many connections, wait 20 seconds',
  };
  assert.deepEqual(report.outcomes, [outcome, outcome]);
  assert.equal(report.earlier?.length, 2);
  assert.equal(report.host, 'mx3.y.test');
});

test('once a message was offered to a host, no other one is asked', async (t) => {
  const table: ReadonlyArray<[script: Script, kind: string]> = [
    [{ on: { MAIL: '451 4.3.0 later' } }, 'deferred'],
    [{ on: { MAIL: '421 4.3.2 closing' } }, 'hop-fault'],
    [{ on: { RCPT: '550 5.1.1 no' } }, 'failed'],
    [{ on: { MAIL: close } }, 'hop-fault'],
    [{ on: { DATA: close } }, 'hop-fault'],
    [{ on: { '.': close } }, 'in-doubt'],
    [{ on: { '.': silence } }, 'in-doubt'],
  ];
  for (const [script, kind] of table) {
    const first = await runScriptedServer(t, script);
    const second = await runScriptedServer(t);
    const sender = makeSender(t, { finalReplyTimeoutMs: 500 }, systemClock, async () => ({
      hosts: [hostTo(first.port, 1), hostTo(second.port, 2)],
    }));
    const report = await sender.send(ORIGIN);
    assert.deepEqual(
      [kinds(report), report.host, report.earlier],
      [[kind], 'mx1.y.test', undefined],
    );
    assert.equal(heard(second), 0, kind);
  }
});

test('a refused login ends the attempt: it would be refused everywhere', async (t) => {
  const script = { offers: ['AUTH PLAIN'], on: { AUTH: '535 5.7.8 no' } };
  const first = await runScriptedServer(t, script);
  const second = await runScriptedServer(t, script);
  const sender = senderTo(t, [first, second], { login: LOGIN });
  const report = await sender.send({ ...ORIGIN, login: LOGIN });
  assert.deepEqual([kinds(report), report.host], [['hop-fault'], 'mx1.y.test']);
  assert.equal(heard(second), 0);
});

test('a doubt is settled with the host that may have the message, while there is such a host', async (t) => {
  const servers = [await runScriptedServer(t), await runScriptedServer(t)] as const;
  const sender = senderTo(t, servers);
  const report = await sender.send(ORIGIN, { onlyHost: 'mx2.y.test' });
  assert.deepEqual([kinds(report), report.host], [['delivered'], 'mx2.y.test']);
  // A session with the other host is free now: it is not the one that is wanted.
  const other = await sender.send(ORIGIN, { onlyHost: 'mx1.y.test' });
  assert.deepEqual([other.host, other.record.reused], ['mx1.y.test', false]);
  const again = await sender.send(ORIGIN, { onlyHost: 'mx2.y.test' });
  assert.deepEqual([again.host, again.record.reused], ['mx2.y.test', true]);
  const gone = senderTo(t, servers);
  assert.equal((await gone.send(ORIGIN, { onlyHost: 'mx9.y.test' })).host, 'mx1.y.test');
  const down = senderTo(t, [NOBODY, servers[1]]);
  const stuck = await down.send(ORIGIN, { onlyHost: 'mx1.y.test' });
  assert.deepEqual([kinds(stuck), stuck.earlier], [['hop-fault'], undefined]);
});

test('at most ten hosts are asked in one attempt', async (t) => {
  const sender = senderTo(
    t,
    Array.from({ length: 15 }, () => NOBODY),
  );
  const report = await sender.send(ORIGIN);
  assert.deepEqual([report.earlier?.length, report.host, sender.connects], [9, 'mx10.y.test', 10]);
});

test('a session is kept for its hop, whichever host it leads to', async (t) => {
  const server = await runScriptedServer(t);
  const sender = senderTo(t, [NOBODY, server]);
  assert.equal(sender.pool.hasFree(ORIGIN), false);
  await sender.send(ORIGIN);
  assert.equal(sender.pool.hasFree(ORIGIN), true);
  const second = await sender.send(ORIGIN);
  assert.deepEqual(
    [second.record.reused, second.record.next_hop, second.host, second.earlier, sender.connects],
    [true, `mx2.y.test:${server.port}`, 'mx2.y.test', undefined, 2],
  );
  const elsewhere = { ...ORIGIN };
  assert.equal(sender.pool.hasFree(elsewhere), false);
  assert.equal((await sender.send(elsewhere)).record.reused, false);
  sender.pool.retire();
  assert.equal(sender.pool.hasFree(ORIGIN), false);
});

test('a session that the hop has closed is not free any more', async (t) => {
  const server = await runScriptedServer(t);
  const sender = senderTo(t, [server]);
  await sender.send(ORIGIN);
  server.sessions[0]?.close();
  await until(() => !sender.pool.hasFree(ORIGIN), 'the end of the session');
});

test('where a hop has no hosts, what follows is for every recipient, and nothing is connected to', async (t) => {
  const refusal = {
    kind: 'failed',
    inTransaction: false,
    code: 556,
    enhanced: '5.1.10',
    text: 'takes no mail',
  } as const;
  const sender = makeSender(t, {}, systemClock, async () => ({ refusal }));
  const report = await sender.send(ORIGIN, { recipients: [to('1@y.test'), to('2@y.test')] });
  assert.deepEqual(report.outcomes, [refusal, refusal]);
  const { state, result, code, remote, next_hop } = report.record;
  assert.deepEqual(
    [state, result, code, remote, next_hop, report.host, sender.connects],
    ['connect', 'error', 556, null, 'y.test', undefined, 0],
  );
});

test('opportunistic: where the TLS handshake breaks, the same host gets the mail in clear', async (t) => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
  for (const script of [
    { certificate, offers: ['STARTTLS'], tls: old },
    { offers: ['STARTTLS'], on: { STARTTLS: [sayAndClose('220 go')] } },
    { offers: ['STARTTLS'], on: { STARTTLS: '220 go, but nothing follows' } },
  ] satisfies Script[]) {
    const first = await runScriptedServer(t, script);
    const second = await runScriptedServer(t);
    const sender = senderTo(t, [first, second], { tls: 'opportunistic' });
    const report = await sender.send(ORIGIN);
    assert.deepEqual([kinds(report), report.host], [['delivered'], 'mx1.y.test']);
    assert.deepEqual(
      report.earlier?.map(({ next_hop, state, code }) => [next_hop, state, code]),
      [[`mx1.y.test:${first.port}`, 'starttls', null]],
    );
    assert.equal(report.record.tls, null);
    assert.equal(sender.connects, 2);
    assert.equal(heard(second), 0);
  }
});

hostileTest(
  'hop-tls',
  'opportunistic with a login: a TLS handshake that breaks ends it, nothing goes in clear',
  async (t) => {
    const script = { offers: ['STARTTLS', 'AUTH PLAIN'], on: { STARTTLS: sayAndClose('220 go') } };
    const server = await runScriptedServer(t, script);
    const hop = hopTo(server.port, { tls: 'opportunistic', login: LOGIN });
    const report = await makeSender(t).send(hop);
    assert.deepEqual([kinds(report), report.record.state], [['hop-fault'], 'starttls']);
    assert.deepEqual(server.lines(), ['EHLO edge.example', 'STARTTLS']);
    assert.ok(showsNoCredential(server.sessions[0]?.clear ?? ''));
  },
);

test('a stop of the node ends an attempt at its host: no other one is asked', async (t) => {
  const first = await runScriptedServer(t, { greeting: silence });
  const second = await runScriptedServer(t);
  const sender = senderTo(t, [first, second]);
  const attempt = sender.send(ORIGIN);
  await until(() => heard(first) === 1, 'the first host');
  sender.pool.close();
  assert.deepEqual(kinds(await attempt), ['hop-fault']);
  assert.equal(heard(second), 0);
});

test('an address is connected to, and the certificate is for the name', async (t) => {
  const server = await runScriptedServer(t, { certificate, offers: ['STARTTLS'] });
  const hop = hopTo(server.port, { tls: 'verified', ca: [certificate.ca], address: '127.0.0.1' });
  const right = await makeSender(t).send({ ...hop, host: 'hop' });
  assert.deepEqual([kinds(right), right.record.tls?.verified], [['delivered'], true]);
  const wrong = await makeSender(t).send({ ...hop, host: 'other.example' });
  assert.deepEqual([kinds(wrong), wrong.record.state], [['hop-fault'], 'starttls']);
  const named = await makeSender(t).send({ ...hop, host: 'other.example', servername: 'hop' });
  assert.deepEqual(kinds(named), ['delivered']);
});

test("a login that a message brought and that is refused is that message's trouble, not the queue's", async (t) => {
  const table: ReadonlyArray<[script: Script, kind: string]> = [
    [{ offers: ['AUTH PLAIN'], on: { AUTH: '535 5.7.8 no' } }, 'deferred'],
    [{ offers: ['AUTH PLAIN'], on: { AUTH: '454 4.7.0 later' } }, 'deferred'],
    [{ offers: ['AUTH GSSAPI'] }, 'deferred'],
    [{ offers: ['AUTH PLAIN'], on: { AUTH: '421 4.7.0 too many' } }, 'hop-fault'],
    [{ offers: ['AUTH PLAIN'], on: { AUTH: close } }, 'hop-fault'],
    [{ greeting: '554 5.7.1 no' }, 'hop-fault'],
  ];
  for (const [script, kind] of table) {
    const server = await runScriptedServer(t, script);
    const own = hopTo(server.port, { ofMessage: true, login: LOGIN });
    assert.deepEqual(kinds(await makeSender(t).send(own)), [kind], JSON.stringify(script));
    const configured = hopTo(server.port, { login: LOGIN });
    assert.deepEqual(kinds(await makeSender(t).send(configured)), ['hop-fault']);
  }
});

test('a stored password that cannot be decrypted is tried nowhere', async (t) => {
  const server = await runScriptedServer(t, { offers: ['AUTH PLAIN'] });
  const locate: LocateHosts = () => assert.fail('nothing is looked up');
  const sender = makeSender(t, {}, systemClock, locate);
  const login = { username: USERNAME, password: null };
  const { outcomes, record } = await sender.send(hopTo(server.port, { ofMessage: true, login }));
  assert.deepEqual(
    [outcomes[0]?.kind, outcomes[0]?.text, record.state, record.user],
    ['deferred', 'the stored password of this message cannot be decrypted', 'authplain', null],
  );
  assert.equal(heard(server), 0);
});
