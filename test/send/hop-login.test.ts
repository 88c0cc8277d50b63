import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import {
  hopTo,
  kinds,
  LOGIN,
  makeSender,
  PASSWORD,
  showsNoCredential,
  USERNAME,
} from './attempting.js';
import { close, runScriptedServer, type Answer, type ScriptedSession } from './scripted-server.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

test('PLAIN is used where it is offered, and the record names the login', async (t) => {
  const server = await runScriptedServer(t, { offers: ['AUTH LOGIN PLAIN CRAM-MD5'] });
  const report = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
  assert.deepEqual(kinds(report), ['delivered']);
  assert.equal(server.lines()[1], `AUTH PLAIN ${base64(`\0${USERNAME}\0${PASSWORD}`)}`);
  assert.equal(report.record.user, USERNAME);
  assert.ok('auth' in report.record.phases_ms);
});

test('LOGIN is used where PLAIN is not offered', async (t) => {
  const on = {
    AUTH: '334 VXNlcm5hbWU6',
    '*': ['334 UGFzc3dvcmQ6', '235 2.7.0 welcome'],
  };
  const server = await runScriptedServer(t, { offers: ['AUTH CRAM-MD5 LOGIN'], on });
  assert.deepEqual(kinds(await makeSender(t).send(hopTo(server.port, { login: LOGIN }))), [
    'delivered',
  ]);
  assert.deepEqual(server.lines().slice(1, 4), ['AUTH LOGIN', base64(USERNAME), base64(PASSWORD)]);
});

test('CRAM-MD5 is used where nothing else is offered', async (t) => {
  const challenge = '<1.2@hop.example>';
  const on = { AUTH: `334 ${base64(challenge)}`, '*': '235 2.7.0 welcome' };
  const server = await runScriptedServer(t, { offers: ['AUTH CRAM-MD5'], on });
  assert.deepEqual(kinds(await makeSender(t).send(hopTo(server.port, { login: LOGIN }))), [
    'delivered',
  ]);
  const digest = createHmac('md5', PASSWORD).update(challenge).digest('hex');
  assert.deepEqual(server.lines().slice(1, 3), ['AUTH CRAM-MD5', base64(`${USERNAME} ${digest}`)]);
});

test('a hop that offers no login, or none that we know, gets none: a fault of the hop', async (t) => {
  const table: ReadonlyArray<[offers: string[], words: RegExp]> = [
    [[], /offers no login that we know/],
    [['AUTH'], /offers no login/],
    [['AUTH GSSAPI NTLM DIGEST-MD5 SCRAM-SHA-256 PLAIN-CLIENTTOKEN'], /offers no login/],
    [['AUTH XOAUTH2'], /only XOAUTH2/],
    [['XAUTH PLAIN', 'AUTHPLAIN'], /offers no login/],
  ];
  for (const [offers, words] of table) {
    const server = await runScriptedServer(t, { offers });
    const { outcomes, record } = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
    assert.deepEqual([outcomes[0]?.kind, record.state], ['hop-fault', 'authplain'], offers.join());
    assert.match(outcomes[0]?.text ?? '', words);
    assert.deepEqual(server.lines(), ['EHLO edge.example']);
    assert.equal(record.user, null);
  }
});

test('a refused login is a fault of the hop with its words, and no mail is offered', async (t) => {
  const answers: ReadonlyArray<[answer: Answer, words: string]> = [
    ['535 5.7.8 bad credentials', '535 5.7.8 bad credentials'],
    ['454 4.7.0 try later', '454 4.7.0 try later'],
    ['421 4.7.0 too many', '421 4.7.0 too many'],
    ['530 5.7.0 first TLS', '530 5.7.0 first TLS'],
    ['500 5.5.2 what?', '500 5.5.2 what?'],
    [close, 'null null the hop closed the connection'],
  ];
  for (const [answer, words] of answers) {
    const server = await runScriptedServer(t, { offers: ['AUTH PLAIN'], on: { AUTH: answer } });
    const sender = makeSender(t);
    const { outcomes, record } = await sender.send(hopTo(server.port, { login: LOGIN }));
    const { kind, code, enhanced, text, inTransaction } = outcomes[0] ?? {};
    assert.deepEqual(
      [kind, inTransaction, `${code} ${enhanced} ${text}`],
      ['hop-fault', false, words],
    );
    assert.deepEqual([record.state, record.user], ['authplain', null]);
    assert.ok(!server.lines().some((line) => line.startsWith('MAIL')));
    assert.equal(sender.pool.size, 0);
    assert.ok(showsNoCredential(JSON.stringify({ outcomes, record: { ...record, user: null } })));
  }
});

test('a refused LOGIN names its mechanism in the record', async (t) => {
  const on = { AUTH: '334 VXNlcm5hbWU6', '*': ['334 UGFzc3dvcmQ6', '535 5.7.8 no'] };
  const server = await runScriptedServer(t, { offers: ['AUTH LOGIN'], on });
  const { record } = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
  assert.deepEqual([record.state, record.code], ['authlogin', 535]);
});

test('a hop that refuses EHLO and takes HELO gets mail without a login, but no login', async (t) => {
  const server = await runScriptedServer(t, { on: { EHLO: '502 5.5.1 what?' } });
  assert.deepEqual(kinds(await makeSender(t).send(hopTo(server.port))), ['delivered']);
  const withLogin = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
  assert.deepEqual(kinds(withLogin), ['hop-fault']);
  assert.ok(showsNoCredential(server.sessions.map(({ clear }) => clear).join('')));
});

test('a login stays with its session: the next message does not log in again', async (t) => {
  const server = await runScriptedServer(t, { offers: ['AUTH PLAIN'] });
  const sender = makeSender(t);
  const hop = hopTo(server.port, { login: LOGIN });
  await sender.send(hop);
  const second = await sender.send(hop);
  assert.deepEqual([second.record.reused, second.record.user], [true, USERNAME]);
  assert.equal(server.lines().filter((line) => line.startsWith('AUTH')).length, 1);
});

test('what a hop echoes of a login is not passed on by us in any other word than its own', async (t) => {
  const echo: Answer = (session: ScriptedSession, line) =>
    session.say(`535 5.7.8 ${line.slice(0, 10)}`);
  const server = await runScriptedServer(t, { offers: ['AUTH PLAIN'], on: { AUTH: echo } });
  const { outcomes } = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
  assert.equal(outcomes[0]?.text, 'AUTH PLAIN');
});

/** An address of this machine that is not loopback, or undefined. */
const outside = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

test(
  'without TLS a login goes to loopback alone, or where it is allowed in so many words',
  { skip: outside === undefined && 'this machine has no address but loopback' },
  async (t) => {
    const server = await runScriptedServer(t, { host: '0.0.0.0', offers: ['AUTH PLAIN'] });
    const hop = { host: outside ?? '', login: LOGIN };
    for (const tls of ['none', 'opportunistic'] as const) {
      const { outcomes, record } = await makeSender(t).send(hopTo(server.port, { ...hop, tls }));
      assert.deepEqual([outcomes[0]?.kind, record.state], ['hop-fault', 'authplain']);
      assert.match(outcomes[0]?.text ?? '', /never sent in clear text/);
    }
    assert.ok(server.sessions.every(({ clear }) => showsNoCredential(clear)));
    const allowed = await makeSender(t).send(
      hopTo(server.port, { ...hop, allowInsecureAuth: true }),
    );
    assert.deepEqual(kinds(allowed), ['delivered']);
    assert.ok(!showsNoCredential(server.sessions.at(-1)?.clear ?? ''));
  },
);
