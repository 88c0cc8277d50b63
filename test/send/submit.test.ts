import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RelayError } from '../../src/base/errors.js';
import { submit, type SubmitOptions } from '../../src/send/submit.js';
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
