import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hopTo, kinds, makeSender, to } from './attempting.js';
import { runScriptedServer } from './scripted-server.js';

const RECIPIENTS = [
  to('b@y.test', { notify: 'SUCCESS,DELAY', orcpt: 'rfc822;B+2Bb@Y.test' }),
  to('c@y.test', { notify: 'NEVER', orcpt: 'utf-8;gr\\x{FC}n\\x{2B}1@y.test' }),
  to('d@y.test'),
];
const MESSAGE = { ret: 'HDRS', envid: 'QQ+2B1' } as const;

test('what DSN asks for goes on as it came, to a hop that offers it', async (t) => {
  const server = await runScriptedServer(t, { offers: ['PIPELINING', 'dsn'] });
  const sender = makeSender(t);
  const hop = hopTo(server.port);
  const first = await sender.send(hop, { message: MESSAGE, recipients: RECIPIENTS });
  assert.deepEqual(server.lines().slice(1, 5), [
    'MAIL FROM:<a@x.test> RET=HDRS ENVID=QQ+2B1',
    'RCPT TO:<b@y.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+2Bb@Y.test',
    'RCPT TO:<c@y.test> NOTIFY=NEVER ORCPT=utf-8;gr\\x{FC}n\\x{2B}1@y.test',
    'RCPT TO:<d@y.test>',
  ]);
  const second = await sender.send(hop);
  assert.deepEqual([first.dsnOffered, second.dsnOffered, second.record.reused], [true, true, true]);
});

test('to a hop that does not offer it nothing of it goes, and that is said', async (t) => {
  const server = await runScriptedServer(t, { offers: ['PIPELINING', 'XDSN'] });
  const changes = { message: MESSAGE, recipients: RECIPIENTS };
  const { dsnOffered, outcomes } = await makeSender(t).send(hopTo(server.port), changes);
  assert.deepEqual([dsnOffered, outcomes[0]?.kind], [false, 'delivered']);
  assert.deepEqual(server.lines().slice(1, 5), [
    'MAIL FROM:<a@x.test>',
    'RCPT TO:<b@y.test>',
    'RCPT TO:<c@y.test>',
    'RCPT TO:<d@y.test>',
  ]);
});

test('an original recipient above ASCII goes on in UTF-8', async (t) => {
  const server = await runScriptedServer(t, { offers: ['DSN', '8BITMIME', 'SMTPUTF8'] });
  const recipients = [to('b@y.test', { orcpt: 'utf-8;gr\u00fcn@y.test' })];
  const report = await makeSender(t).send(hopTo(server.port), {
    message: { smtpUtf8: true },
    recipients,
  });
  assert.deepEqual(kinds(report), ['delivered']);
  assert.deepEqual(
    server
      .lines()
      .slice(1, 3)
      .map((line) => Buffer.from(line, 'latin1').toString('utf8')),
    ['MAIL FROM:<a@x.test> SMTPUTF8', 'RCPT TO:<b@y.test> ORCPT=utf-8;gr\u00fcn@y.test'],
  );
});

test('where nobody could be talked to nothing was offered', async (t) => {
  const server = await runScriptedServer(t, { greeting: '554 5.3.2 not now', offers: ['DSN'] });
  const { dsnOffered, outcomes } = await makeSender(t).send(hopTo(server.port));
  assert.deepEqual([dsnOffered, outcomes[0]?.kind], [false, 'hop-fault']);
});
