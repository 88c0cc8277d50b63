import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RelayError } from '../../src/base/errors.js';
import { submit, SubmitSession, type SubmitOptions } from '../../src/send/submit.js';
import { LOGIN } from './attempting.js';
import { makeCertificate } from './certificates.js';
import { close, runScriptedServer, type Script } from './scripted-server.js';

function options(port: number, changes: Partial<SubmitOptions> = {}): SubmitOptions {
  return {
    host: '127.0.0.1',
    port,
    tls: 'none',
    hostname: 'client.example',
    sender: 'a@x.test',
    recipients: ['b@y.test', 'c@y.test'],
    message: Buffer.from('Subject: x\r\n\r\nx\r\n'),
    timeoutMs: 2000,
    ...changes,
  };
}

test('a message is handed over and the reply with its queue id comes back', async (t) => {
  const server = await runScriptedServer(t);
  assert.deepEqual(await submit(options(server.port)), {
    reply: '250 Ok: queued as HOP1',
    queueId: 'HOP1',
  });
  assert.deepEqual(server.contents(), ['Subject: x\r\n\r\nx\r\n']);
});

test('with TLS that our root vouches for, and a login', async (t) => {
  const { ca, cert, key } = await makeCertificate('edge');
  for (const [tls, script] of [
    ['required', { offers: ['STARTTLS'], offersInTls: ['AUTH PLAIN'] }],
    ['implicit', { implicit: true, offers: ['AUTH PLAIN'] }],
  ] as const) {
    const server = await runScriptedServer(t, {
      ...script,
      offers: [...script.offers],
      certificate: { cert, key },
    } as Script);
    const { queueId } = await submit(options(server.port, { tls, ca, login: LOGIN }));
    assert.equal(queueId, 'HOP1');
    const wrongRoot = submit(
      options(server.port, { tls, ca: (await makeCertificate('edge')).ca, login: LOGIN }),
    );
    await assert.rejects(
      wrongRoot,
      (error) => error instanceof RelayError && error.code === 'SUBMIT_REFUSED',
    );
  }
});

test('a refusal anywhere rejects with the words of the node', async (t) => {
  const table: ReadonlyArray<[script: Script, words: RegExp]> = [
    [{ greeting: '421 4.3.2 shutting down' }, /shutting down/],
    [{ on: { MAIL: '530 5.7.0 log in first' } }, /530 log in first/],
    [{ on: { RCPT: ['250 ok', '550 5.7.1 relaying denied'] } }, /550 relaying denied/],
    [{ on: { DATA: '451 4.3.0 later' } }, /451 later/],
    [{ on: { '.': '554 5.4.6 loop' } }, /554 loop/],
    [{ on: { '.': close } }, /closed the connection/],
  ];
  for (const [script, words] of table) {
    const server = await runScriptedServer(t, script);
    await assert.rejects(submit(options(server.port)), (error) => {
      assert.ok(error instanceof RelayError);
      assert.deepEqual(
        [error.code, error.fault, error.where],
        ['SUBMIT_REFUSED', 'next-hop', `127.0.0.1:${server.port}`],
      );
      assert.match(error.message, words);
      return true;
    });
  }
});

test('a session takes one message after the other, also after a refusal', async (t) => {
  const server = await runScriptedServer(t, {
    on: {
      MAIL: ['250 ok', '451 4.3.0 later', '250 ok'],
      RCPT: ['250 ok', '550 5.1.1 nobody', '550 5.1.1 nobody', '450 4.2.1 busy', '250 ok'],
    },
  });
  const session = await SubmitSession.open(options(server.port));
  t.after(() => session.close());
  const message = options(server.port);
  const nobody = { recipient: 'c@y.test', code: 550, reply: '550 nobody' };
  const taken = await session.send(message);
  assert.deepEqual(taken, {
    accepted: true,
    taken: ['b@y.test'],
    refused: [nobody],
    code: 250,
    reply: '250 Ok: queued as HOP1',
    queueId: 'HOP1',
    inDoubt: false,
  });
  const later = await session.send(message);
  assert.deepEqual([later.accepted, later.code, later.reply], [false, 451, '451 later']);
  const allRefused = await session.send(message);
  assert.deepEqual(
    [allRefused.accepted, allRefused.taken, allRefused.refused.map(({ code }) => code)],
    [false, [], [550, 450]],
  );
  assert.equal((await session.send({ ...message, recipients: ['b@y.test'] })).accepted, true);
  assert.equal(server.sessions.length, 1);
  assert.equal(server.lines().filter((line) => line === 'RSET').length, 2);
});

test('a message above the size that the node announces is refused for good, and not tried', async (t) => {
  const server = await runScriptedServer(t, { offers: ['SIZE 100'] });
  const session = await SubmitSession.open(options(server.port));
  t.after(() => session.close());
  const letter = (length: number): SubmitOptions =>
    options(server.port, { message: Buffer.alloc(length, 'x') });
  const answer = await session.send(letter(101));
  assert.deepEqual([answer.accepted, answer.code, answer.inDoubt], [false, 552, false]);
  assert.match(answer.reply, /^552 .* 101 bytes, .* 100 \(SIZE\)$/);
  assert.equal((await session.send(letter(100))).accepted, true);
  assert.equal(server.lines().filter((line) => line.startsWith('MAIL')).length, 1);
});

test('a session that is lost is an answer too, and a doubt once the content was sent', async (t) => {
  const table: ReadonlyArray<[script: Script, code: number | null, inDoubt: boolean]> = [
    [{ on: { '.': close } }, null, true],
    [{ on: { DATA: close } }, null, false],
    [{ on: { RCPT: ['250 ok', close] } }, null, false],
    [{ on: { RCPT: ['550 5.1.1 nobody', close] } }, null, false],
    [{ on: { MAIL: (session) => session.close('421 4.3.2 bye') } }, 421, false],
  ];
  for (const [script, code, inDoubt] of table) {
    const server = await runScriptedServer(t, script);
    const session = await SubmitSession.open(options(server.port));
    const answer = await session.send(options(server.port));
    assert.deepEqual(
      [answer.accepted, answer.code, answer.inDoubt, session.usable],
      [false, code, inDoubt, false],
    );
    session.close();
  }
});

test('a session that is not open yet is cut off by its signal', async (t) => {
  const server = await runScriptedServer(t, { greeting: () => undefined });
  const stop = new AbortController();
  const opening = SubmitSession.open(options(server.port), stop.signal);
  stop.abort();
  await assert.rejects(
    opening,
    (error) => error instanceof RelayError && error.code === 'SUBMIT_REFUSED',
  );
  await assert.rejects(SubmitSession.open(options(server.port), stop.signal));
});
