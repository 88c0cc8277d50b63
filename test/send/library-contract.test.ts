import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import MimeNode from 'nodemailer/lib/mime-node';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { until } from '../intake/dialogue.js';
import {
  hopTo,
  kinds,
  LOGIN,
  makeSender,
  PASSWORD,
  showsNoCredential,
  USERNAME,
} from './attempting.js';
import { runScriptedServer, type Script } from './scripted-server.js';

/*
 * What the stock nodemailer connection does, beside what we make of it. A test that fails after an
 * update says that a behaviour we correct, or depend on, has changed: look at the correction again.
 */

async function connectStock(
  t: TestContext,
  port: number,
  options: object = {},
): Promise<SMTPConnection> {
  const connection = new SMTPConnection({
    host: '127.0.0.1',
    port,
    name: 'edge.example',
    secure: false,
    logger: false,
    tls: { rejectUnauthorized: false },
    ...options,
  });
  connection.on('error', () => undefined);
  t.after(() => connection.close());
  await new Promise<void>((resolve, reject) => {
    connection.once('error', reject);
    connection.connect((error) => (error ? reject(error) : resolve()));
  });
  return connection;
}

const CREDENTIALS = { credentials: { user: USERNAME, pass: PASSWORD } };

function logInStock(connection: SMTPConnection): Promise<Error | null> {
  return new Promise((resolve) => connection.login(CREDENTIALS, (error) => resolve(error ?? null)));
}

function sendStock(
  connection: SMTPConnection,
  content: string | Buffer | Readable,
  envelope: object = {},
): Promise<Error | null> {
  return new Promise((resolve) =>
    connection.send({ from: 'a@x.test', to: ['b@y.test'], ...envelope }, content, (error) =>
      resolve(error ?? null),
    ),
  );
}

test('it logs in without TLS when STARTTLS is stripped, or EHLO refused; with requireTLS it does not, nor do we', async (t) => {
  const scripts: Script[] = [{ offers: ['AUTH PLAIN'] }, { on: { EHLO: '500 5.5.1 what?' } }];
  for (const script of scripts) {
    const server = await runScriptedServer(t, script);
    assert.equal(await logInStock(await connectStock(t, server.port)), null);
    assert.ok(!showsNoCredential(server.sessions[0]?.clear ?? ''));
    const strict = await runScriptedServer(t, {
      ...script,
      on: { ...script.on, STARTTLS: '502 what?' },
    });
    await assert.rejects(connectStock(t, strict.port, { requireTLS: true }));
    assert.deepEqual(
      kinds(await makeSender(t).send(hopTo(strict.port, { tls: 'required', login: LOGIN }))),
      ['hop-fault'],
    );
    assert.ok(strict.sessions.every(({ clear }) => showsNoCredential(clear)));
  }
});

test('STARTTLS answered 454 ends a session by now, except an opportunistic one, which then logs in when it is told to', async (t) => {
  const script = { offers: ['STARTTLS', 'AUTH PLAIN'], on: { STARTTLS: '454 4.7.0 not now' } };
  const server = await runScriptedServer(t, script);
  await assert.rejects(connectStock(t, server.port));
  const opportunistic = await connectStock(t, server.port, { opportunisticTLS: true });
  assert.equal(await logInStock(opportunistic), null);
  assert.ok(!showsNoCredential(server.sessions[1]?.clear ?? ''));
  assert.deepEqual(
    kinds(await makeSender(t).send(hopTo(server.port, { tls: 'opportunistic', login: LOGIN }))),
    ['hop-fault'],
  );
  assert.ok(showsNoCredential(server.sessions[2]?.clear ?? ''));
});

test('it makes CRLF of a bare CR and of a bare LF: text becomes a header line, so content with them must not get here', async (t) => {
  const server = await runScriptedServer(t);
  await sendStock(
    await connectStock(t, server.port),
    'Subject: a\rX-Injected: b\nX-Too: c\r\n\r\nx\r\n',
  );
  assert.deepEqual(server.contents(), ['Subject: a\r\nX-Injected: b\r\nX-Too: c\r\n\r\nx\r\n']);
});

test('a server that writes all its replies first has it believe in a delivery; we call it broken', async (t) => {
  const greeting = '220 hi\n250 hop\n250 ok\n250 ok\n354 go\n250 2.0.0 delivered, promise';
  const script: Script = {
    greeting,
    on: {
      EHLO: () => undefined,
      MAIL: () => undefined,
      RCPT: () => undefined,
      DATA: () => undefined,
    },
  };
  const server = await runScriptedServer(t, script);
  const connection = await connectStock(t, server.port);
  // Its replies are taken one a turn of the loop, and stand ready as soon as a command does.
  assert.equal(await sendStock(connection, 'x'), null);
  assert.deepEqual(kinds(await makeSender(t).send(hopTo(server.port))), ['hop-fault']);
});

test('it takes 250 for 354 and streams the content into a session of commands; we do not', async (t) => {
  const script: Script = { on: { DATA: '250 2.0.0 thanks', '*': () => undefined } };
  const server = await runScriptedServer(t, script);
  void sendStock(await connectStock(t, server.port), 'Subject: x\r\n\r\nx\r\n');
  await until(
    () => server.lines().some((line) => line.startsWith('Subject')),
    'content as a command',
  );
  assert.deepEqual(kinds(await makeSender(t).send(hopTo(server.port))), ['hop-fault']);
  assert.doesNotMatch(server.sessions[1]?.clear ?? '', /Subject/);
});

test('it sends MAIL, RCPT and DATA at once where PIPELINING is offered, else one by one', async (t) => {
  for (const [offers, together] of [
    [['PIPELINING'], 3],
    [[], 1],
  ] as const) {
    const script: Script = {
      offers: [...offers],
      on: { MAIL: () => undefined, RCPT: () => undefined, DATA: () => undefined },
    };
    const server = await runScriptedServer(t, script);
    void sendStock(await connectStock(t, server.port), 'x');
    await until(() => server.lines().length >= 1 + together, 'the commands');
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(server.lines().length, 1 + together);
  }
});

test('it sends UTF-8 addresses and 8-bit content also to a server that offers neither; we bounce them', async (t) => {
  const server = await runScriptedServer(t);
  const connection = await connectStock(t, server.port);
  assert.equal(
    await sendStock(connection, Buffer.from('x: \xfc\r\n\r\nx', 'latin1'), {
      to: ['ü@y.test'],
      use8BitMime: true,
    }),
    null,
  );
  assert.equal(Buffer.from(server.lines()[2] ?? '', 'latin1').toString(), 'RCPT TO:<ü@y.test>');
  assert.equal(server.lines()[1], 'MAIL FROM:<a@x.test>');
});

test('a source that fails leaves its connection open in DATA; we close ours', async (t) => {
  const server = await runScriptedServer(t);
  const connection = await connectStock(t, server.port);
  const failing = Readable.from(
    (async function* () {
      yield Buffer.from('Subject: x\r\n');
      throw new Error('EIO');
    })(),
    { objectMode: false },
  );
  assert.match((await sendStock(connection, failing))?.message ?? '', /EIO/);
  await until(() => server.sessions[0]?.clear.includes('Subject') === true, 'half of the content');
  assert.deepEqual([connection.destroyed, server.sessions[0]?.closed], [false, false]);
});

test('a source that is short and ends normally is a message to it; we check the length', async (t) => {
  const server = await runScriptedServer(t, { offers: ['SIZE'] });
  const connection = await connectStock(t, server.port);
  assert.equal(
    await sendStock(connection, Readable.from([Buffer.from('half')], { objectMode: false }), {
      size: 1000,
    }),
    null,
  );
  assert.equal(server.contents().length, 1);
});

test('a message over SIZE is refused by it without a reply, so we check before', async (t) => {
  const server = await runScriptedServer(t, { offers: ['SIZE 10'] });
  const error: (Error & { code?: string; response?: string }) | null = await sendStock(
    await connectStock(t, server.port),
    'x',
    { size: 11 },
  );
  assert.deepEqual([error?.code, error?.response], ['EMESSAGE', undefined]);
});

test('after a refused message reset() makes the session usable again', async (t) => {
  const server = await runScriptedServer(t, { on: { RCPT: ['550 5.1.1 no', '250 ok'] } });
  const connection = await connectStock(t, server.port);
  assert.notEqual(await sendStock(connection, 'x'), null);
  await new Promise<void>((resolve, reject) =>
    connection.reset((error) => (error ? reject(error) : resolve())),
  );
  assert.equal(await sendStock(connection, 'x'), null);
});

test('a server that closes an idle session is an end without an error, with 421 and without', async (t) => {
  for (const words of [null, '421 4.4.2 idle']) {
    const server = await runScriptedServer(t);
    const connection = await connectStock(t, server.port);
    let errors = 0;
    connection.on('error', () => errors++);
    const ended = once(connection, 'end');
    if (words !== null) {
      server.sessions[0]?.say(words);
    }
    server.sessions[0]?.close();
    await ended;
    assert.equal(errors, 0);
  }
});

test('its socket timeout is an idle timer: a reply that drips outlives it', async (t) => {
  const server = await runScriptedServer(t, { on: { MAIL: () => undefined } });
  const connection = await connectStock(t, server.port, { socketTimeout: 300 });
  let failed = false;
  void sendStock(connection, 'x').then((error) => (failed = error !== null));
  const drip = setInterval(() => server.sessions[0]?.socket.write('2'), 15);
  t.after(() => clearInterval(drip));
  await new Promise((resolve) => setTimeout(resolve, 900));
  assert.equal(failed, false);
});

test("one DSN set serves a whole envelope, so each recipient's own goes through our override", async (t) => {
  const server = await runScriptedServer(t, { offers: ['DSN'] });
  const dsn = { notify: ['NEVER'], orcpt: 'rfc822;b@y.test' };
  await sendStock(await connectStock(t, server.port), 'x', { to: ['1@y.test', '2@y.test'], dsn });
  assert.deepEqual(
    server.lines().slice(2, 4),
    ['1', '2'].map((name) => `RCPT TO:<${name}@y.test> NOTIFY=NEVER ORCPT=rfc822;b@y.test`),
  );
});

test('a reply of more than the limit ends the connection', async (t) => {
  const server = await runScriptedServer(t, {
    on: { MAIL: (session) => session.say('250-x\n'.repeat(20_000).trimEnd()) },
  });
  const connection = await connectStock(t, server.port, { maxResponseSize: 64 * 1024 });
  assert.match((await sendStock(connection, 'x'))?.message ?? '', /exceeds maximum/);
});

test('mime-node builds a report with the null sender', async () => {
  const report = new MimeNode('multipart/report; report-type=delivery-status');
  report.setHeader({ from: 'MAILER-DAEMON@edge.example', to: 'a@x.test' });
  report.setEnvelope({ from: '', to: ['a@x.test'] });
  report.createChild('message/delivery-status').setContent('Reporting-MTA: dns; edge.example\r\n');
  const bytes = (await report.build()).toString();
  assert.match(
    bytes,
    /^Content-Type: multipart\/report; report-type=delivery-status;\r\n boundary=/m,
  );
  const { from, to } = report.getEnvelope();
  assert.deepEqual([from || '', to], ['', ['a@x.test']]);
});
