import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { SinkMessage } from '../../src/sink/message.js';
import type { RunningSink } from '../../src/sink/sink.js';
import { get, runSink, SmtpClient } from './client.js';

async function messagesOf(sink: RunningSink): Promise<SinkMessage[]> {
  const page = (await (await get(sink, '/messages')).json()) as { messages: SinkMessage[] };
  return page.messages;
}

function pipelined(name: string): string {
  return `MAIL FROM:<${name}@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n${name}\r\n.\r\n`;
}

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test('a session is greeted at once and offered what a public server offers', async (t) => {
  const sink = await runSink(t);
  let fastestMs = Infinity;
  for (let round = 0; round < 5; round++) {
    const visitor = await SmtpClient.connect(sink.smtp.port);
    const startedMs = performance.now();
    assert.equal(await visitor.reply(), '220 sink.example ESMTP');
    fastestMs = Math.min(fastestMs, performance.now() - startedMs);
  }
  assert.ok(fastestMs < 80, `${fastestMs} ms; the library alone waits for 100`);
  const client = await SmtpClient.connect(sink.smtp.port);
  await client.reply();
  assert.equal(
    await client.ask('EHLO client.example'),
    [
      '250-sink.example',
      '250-PIPELINING',
      '250-SIZE 209715200',
      '250-8BITMIME',
      '250-SMTPUTF8',
      '250-ENHANCEDSTATUSCODES',
      '250 DSN',
    ].join('\n'),
  );
  assert.equal(await client.ask('QUIT'), '221 2.0.0 Bye');
});

test('what is answered 250 is listed with its envelope and hashes', async (t) => {
  const sink = await runSink(t);
  const client = await SmtpClient.greeted(sink.smtp.port);
  const content = 'Message-ID: <1@x.example>\r\nSubject: x\r\n\r\n.dot\r\nbody';
  const replies = await client.send(
    'a@x.example',
    ['b@y.example'],
    content.replace('.dot', '..dot'),
  );
  const [message] = await messagesOf(sink);
  assert.ok(message !== undefined);
  assert.equal(replies.at(-1), `250 2.0.0 Ok: queued as ${message.id}`);
  assert.match(message.received_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(
    { ...message, id: '', received_at: '' },
    {
      id: '',
      received_at: '',
      sender: 'a@x.example',
      recipients: ['b@y.example'],
      size_bytes: content.length + 2,
      sha256: sha256(`${content}\r\n`),
      body_sha256: sha256('.dot\r\nbody\r\n'),
      user: null,
      tls: null,
      message_id: '<1@x.example>',
      header_names: ['message-id', 'subject'],
    },
  );
});

test('recipients are kept letter by letter and each as often as it was given', async (t) => {
  const sink = await runSink(t);
  const client = await SmtpClient.greeted(sink.smtp.port);
  const recipients = [
    'Smith@x.example',
    'smith@x.example',
    'smith@x.example',
    '"quoted @ local"@x.example',
    'j@xn--bcher-kva.example',
    'Postmaster',
  ];
  const replies = await client.send('', recipients, 'x');
  assert.ok(
    replies.every((reply) => /^[23]/.test(reply)),
    replies.join('\n'),
  );
  const [message] = await messagesOf(sink);
  assert.deepEqual(message?.recipients, recipients);
  assert.equal(message?.sender, '');
});

test('an address above ASCII needs SMTPUTF8 and is kept as it is', async (t) => {
  const sink = await runSink(t);
  const client = await SmtpClient.greeted(sink.smtp.port);
  const utf8 = (line: string): Promise<string> => {
    client.write(Buffer.from(`${line}\r\n`, 'utf8'));
    return client.reply();
  };
  assert.match(await utf8('MAIL FROM:<jürgen@bücher.example>'), /^553 5\.6\.7 /);
  assert.match(await utf8('MAIL FROM:<a@x.example>'), /^250 /);
  assert.match(await utf8('RCPT TO:<grün@x.example>'), /^553 5\.6\.7 /);
  await client.ask('RSET');
  assert.match(await utf8('MAIL FROM:<jürgen@bücher.example> SMTPUTF8'), /^250 /);
  assert.match(await utf8('RCPT TO:<grün@x.example>'), /^250 /);
  await client.ask('DATA');
  await client.ask('x\r\n.');
  const [message] = await messagesOf(sink);
  assert.equal(message?.sender, 'jürgen@bücher.example');
  assert.deepEqual(message?.recipients, ['grün@x.example']);
});

test('several messages in one packet are all answered, in order', async (t) => {
  const sink = await runSink(t);
  const client = await SmtpClient.greeted(sink.smtp.port);
  client.write(`${pipelined('a')}${pipelined('b')}${pipelined('c')}NOOP\r\n`);
  const codes: string[] = [];
  for (let index = 0; index < 13; index++) codes.push((await client.reply()).slice(0, 3));
  const each = ['250', '250', '354', '250'];
  assert.deepEqual(codes, [...each, ...each, ...each, '250']);
  assert.deepEqual(
    (await messagesOf(sink)).map(({ sender }) => sender),
    ['c@x.example', 'b@x.example', 'a@x.example'],
  );
});

test('commands out of order, broken or unknown are refused and do not count', async (t) => {
  const sink = await runSink(t);
  const client = await SmtpClient.connect(sink.smtp.port);
  await client.reply();
  assert.match(await client.ask('MAIL FROM:<a@x.example>'), /^503 5\.5\.1 /);
  assert.match(await client.ask('EHLO'), /^501 /);
  await client.ask('EHLO client.example');
  assert.match(await client.ask('RCPT TO:<a@x.example>'), /^503 5\.5\.1 /);
  assert.match(await client.ask('MAIL FROM:a@x.example'), /^501 5\.1\.7 /);
  assert.match(await client.ask('MAIL FROM:<a@x.example> XMESH=1'), /^555 5\.5\.4 /);
  assert.match(await client.ask('MAIL FROM:<a@x.example> SIZE=x'), /^501 5\.5\.4 /);
  assert.match(await client.ask('MAIL FROM:<a@x.example> BODY=BINARYMIME'), /^501 5\.5\.4 /);
  assert.match(
    await client.ask('MAIL FROM:<a@x.example> RET=HDRS ENVID=abc BODY=8BITMIME'),
    /^250 2/,
  );
  assert.match(await client.ask('MAIL FROM:<a@x.example>'), /^503 5\.5\.1 /);
  assert.match(await client.ask('DATA'), /^503 5\.5\.1 /);
  assert.match(await client.ask('RCPT TO:<>'), /^501 5\.1\.3 /);
  assert.match(await client.ask('RCPT TO:<b@x.example> NOTIFY=NEVER,DELAY'), /^501 5\.5\.4 /);
  assert.match(
    await client.ask('RCPT TO:<b@x.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b@x.example'),
    /^250 2/,
  );
  assert.match(await client.ask('DATA now'), /^501 5\.5\.4 /);
  for (const verb of ['VRFY a', 'WIZ x', 'SHELL', 'KILL', 'STARTTLS']) {
    assert.match(await client.ask(verb), /^500 /, verb);
  }
  assert.match(await client.ask('AUTH PLAIN AGEAYg=='), /^502 5\.5\.1 /);
  const stats = (await (await get(sink, '/stats')).json()) as { refused: number };
  assert.equal(stats.refused, 0);
});

test('RSET and EHLO forget the transaction', async (t) => {
  const sink = await runSink(t);
  const client = await SmtpClient.greeted(sink.smtp.port);
  for (const reset of ['RSET', 'EHLO client.example']) {
    await client.ask('MAIL FROM:<a@x.example>');
    await client.ask('RCPT TO:<b@x.example>');
    assert.match(await client.ask(reset), /^250/);
    assert.match(await client.ask('DATA'), /^503 /);
  }
});

test('a message over the size limit is refused, announced or not', async (t) => {
  const sink = await runSink(t, { limits: { maxMessageBytes: 1000 } });
  const client = await SmtpClient.greeted(sink.smtp.port);
  assert.match(await client.ask('MAIL FROM:<a@x.example> SIZE=1001'), /^552 5\.3\.4 /);
  const replies = await client.send('a@x.example', ['b@x.example'], 'x'.repeat(200_000));
  assert.match(replies.at(-1) as string, /^552 5\.3\.4 /);
  const next = await client.send('a@x.example', ['b@x.example'], 'x'.repeat(998));
  assert.match(next.at(-1) as string, /^250 /);
  assert.deepEqual(await (await get(sink, '/stats')).json(), {
    accepted: 1,
    lost: 0,
    refused: 2,
    bytes: 1000,
    connections: 1,
  });
});

test('recipients over the limit get 452 and the others their mail', async (t) => {
  const sink = await runSink(t, { limits: { maxRecipients: 2 } });
  const client = await SmtpClient.greeted(sink.smtp.port);
  const replies = await client.send(
    'a@x.example',
    ['1@x.example', '2@x.example', '3@x.example'],
    'x',
  );
  assert.match(replies[3] as string, /^452 4\.5\.3 /);
  assert.deepEqual((await messagesOf(sink))[0]?.recipients, ['1@x.example', '2@x.example']);
});

test('sessions over the limit get 421', async (t) => {
  const sink = await runSink(t, { limits: { maxSessions: 1 } });
  const first = await SmtpClient.greeted(sink.smtp.port);
  const second = await SmtpClient.connect(sink.smtp.port);
  assert.match(await second.reply(), /^421 /);
  await second.ended();
  assert.match(await first.ask('NOOP'), /^250 /);
});

test('a client that leaves in the middle of a message leaves nothing behind', async (t) => {
  const sink = await runSink(t);
  for (let round = 0; round < 20; round++) {
    const client = await SmtpClient.greeted(sink.smtp.port);
    await client.ask('MAIL FROM:<a@x.example>');
    await client.ask('RCPT TO:<b@x.example>');
    await client.ask('DATA');
    client.write('half a mess');
    client.destroy();
  }
  const client = await SmtpClient.greeted(sink.smtp.port);
  await client.send('a@x.example', ['b@x.example'], 'whole');
  assert.equal((await messagesOf(sink)).length, 1);
});

test('a silent session is closed with 421', async (t) => {
  const sink = await runSink(t, { limits: { idleTimeoutMs: 100 } });
  const silent = await SmtpClient.connect(sink.smtp.port);
  assert.match(await silent.ended(), /^220 .*\r\n421 /);
});

test('a message that never ends is closed with 421, however busy it looks', async (t) => {
  const sink = await runSink(t, { limits: { dataTimeoutMs: 200 } });
  const endless = await SmtpClient.greeted(sink.smtp.port);
  await endless.ask('MAIL FROM:<a@x.example>');
  await endless.ask('RCPT TO:<b@x.example>');
  await endless.ask('DATA');
  const drip = setInterval(() => endless.write('x'), 20);
  t.after(() => clearInterval(drip));
  assert.match(await endless.ended(), /^421 4\.4\.2 /);
  clearInterval(drip);
  assert.equal((await messagesOf(sink)).length, 0);
});

test('a command line without end is refused', async (t) => {
  const sink = await runSink(t);
  const client = await SmtpClient.greeted(sink.smtp.port);
  client.write('x'.repeat(40_000));
  assert.match(await client.ended(), /^421 /);
});

test('40 MB from a real client arrive whole', async (t) => {
  const sink = await runSink(t);
  const body = randomBytes(30_000_000).toString('base64').replace(/.{76}/g, '$&\r\n');
  const content = `Subject: large\r\n\r\n${body}\r\n`;
  const client = new SMTPConnection({ host: '127.0.0.1', port: sink.smtp.port });
  t.after(() => client.close());
  await new Promise<void>((resolve, reject) => {
    client.once('error', reject);
    client.connect(() => {
      client.send({ from: 'a@x.example', to: ['b@x.example'] }, content, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  });
  const [message] = await messagesOf(sink);
  assert.equal(message?.size_bytes, content.length);
  assert.equal(message?.sha256, sha256(content));
  assert.equal(message?.body_sha256, sha256(`${body}\r\n`));
});
