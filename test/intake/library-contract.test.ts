import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { test, type TestContext } from 'node:test';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import tlsOptions from 'smtp-server/lib/tls-options.js';
import { SmtpParser } from '../../src/intake/smtp-parser.js';
import { makeCertificate } from '../send/certificates.js';
import { Dialogue, until } from './dialogue.js';
import { APP_PASSWORD, authPlain, runIntake } from './running-intake.js';

/*
 * What the stock smtp-server does, beside what we make of it. A test that fails after an update
 * says that a behaviour we correct, or depend on, has changed: look at the correction again.
 */

/** A server of the library alone. */
async function runStock(
  t: TestContext,
  options: SMTPServerOptions = {},
): Promise<{ port: number; server: SMTPServer }> {
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 100,
    onData(stream, _session, done) {
      stream.on('end', () => done()).resume();
    },
    ...options,
  });
  server.on('error', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  t.after(() => new Promise<void>((resolve) => server.close(resolve)));
  return { port: (server.server.address() as AddressInfo).port, server };
}

async function fastestGreetingMs(port: number): Promise<number> {
  let fastestMs = Infinity;
  for (let round = 0; round < 5; round++) {
    const startedMs = performance.now();
    const client = await Dialogue.connect(port);
    assert.match(await client.reply(), /^220 /);
    fastestMs = Math.min(fastestMs, performance.now() - startedMs);
    client.leave();
  }
  return fastestMs;
}

test('the library waits 100 ms before every greeting; we do not', async (t) => {
  const stockMs = await fastestGreetingMs((await runStock(t)).port);
  const oursMs = await fastestGreetingMs((await runIntake(t)).port);
  assert.ok(stockMs >= 99, `stock: ${stockMs} ms`);
  assert.ok(oursMs < stockMs, `ours: ${oursMs} ms`);
});

test('two whole messages in one write are answered also where handlers are synchronous: no hang any more', async (t) => {
  const { port } = await runStock(t, {
    onMailFrom: (_address, _session, done) => done(),
    onRcptTo: (_address, _session, done) => done(),
    onData: (stream, _session, done) => {
      stream.on('end', done).resume();
    },
  });
  const client = await Dialogue.open(port);
  client.write('MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nx\r\n.\r\n'.repeat(2));
  assert.deepEqual(
    (await client.replies(8)).map((reply) => reply.slice(0, 3)),
    ['250', '250', '354', '250', '250', '250', '354', '250'],
  );
});

test('a handler that never answers keeps a session past its timeout; ours have no such handler', async (t) => {
  const { port, server } = await runStock(t, { socketTimeout: 1000, onMailFrom: () => undefined });
  const waiting = await Dialogue.open(port);
  waiting.write('MAIL FROM:<a@x.test>\r\n');
  const idle = await Dialogue.open(port);
  assert.match(await idle.reply(), /^421 /);
  await idle.closed();
  assert.equal(server.connections.size, 1);
  waiting.leave('reset');
});

test('a handler that throws is answered 451 by now, where a session once hung', async (t) => {
  const { port } = await runStock(t, {
    onMailFrom: () => {
      throw new Error('a bug');
    },
  });
  const client = await Dialogue.open(port);
  assert.match(await client.ask('MAIL FROM:<a@x.test>'), /^451 /);
  assert.match(await client.ask('NOOP'), /^250 /);
});

test('the second of two recipients that differ in case replaces the first; we keep both', async (t) => {
  let stock: string[] = [];
  const { port } = await runStock(t, {
    onData(stream, session, done) {
      stock = session.envelope.rcptTo.map(({ address }) => address);
      stream.on('end', () => done()).resume();
    },
  });
  const recipients = ['Smith@x.test', 'smith@x.test'];
  assert.match(await (await Dialogue.open(port)).send('x', recipients), /^250 /);
  assert.deepEqual(stock, ['smith@x.test']);
  const ours = await runIntake(t);
  await (await Dialogue.open(ours.port)).send('x', recipients);
  assert.deepEqual(
    ours.spool.taken[0]?.item.recipients.map(({ address }) => address),
    recipients,
  );
});

test('quoted local parts with @ are refused and A-labels rewritten; we relay both as written', async (t) => {
  let stock: string[] = [];
  const { port } = await runStock(t, {
    onData(stream, session, done) {
      stock = session.envelope.rcptTo.map(({ address }) => address);
      stream.on('end', () => done()).resume();
    },
  });
  const client = await Dialogue.open(port);
  await client.ask('MAIL FROM:<a@x.test>');
  for (const address of ['"a@b"@x.test', '"a b"@x.test']) {
    assert.match(await client.ask(`RCPT TO:<${address}>`), /^501 /);
  }
  await client.askAll('RCPT TO:<j@xn--bcher-kva.test>', 'DATA', 'x\r\n.');
  assert.deepEqual(stock, ['j@bücher.test']);
  const ours = await runIntake(t);
  await (await Dialogue.open(ours.port)).send('x', ['"a@b"@x.test', 'j@xn--bcher-kva.test']);
  assert.deepEqual(
    ours.spool.taken[0]?.item.recipients.map(({ address }) => address),
    ['"a@b"@x.test', 'j@xn--bcher-kva.test'],
  );
});

test('unknown parameters are taken; we answer 555', async (t) => {
  for (const [port, reply] of [
    [(await runStock(t)).port, /^250 /],
    [(await runIntake(t)).port, /^555 5\.5\.4 /],
  ] as const) {
    assert.match(await (await Dialogue.open(port)).ask('MAIL FROM:<a@x.test> FOO=bar'), reply);
  }
});

test('a MAIL that a handler refused leaves its parameters on the session; we derive them anew', async (t) => {
  let smtpUtf8: boolean | undefined;
  const { port } = await runStock(t, {
    onMailFrom: ({ address }, _session, done) =>
      setImmediate(done, address === 'refused@x.test' ? new Error('no') : null),
    onRcptTo: (_address, { envelope }, done) => {
      ({ smtpUtf8 } = envelope);
      setImmediate(done);
    },
  });
  const client = await Dialogue.open(port);
  assert.match(await client.ask('MAIL FROM:<refused@x.test> SMTPUTF8'), /^550 /);
  await client.askAll('MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
  assert.equal(smtpUtf8, true);
});

test('oversize is answered 250 unless the handler looks; we answer 552', async (t) => {
  const { port } = await runStock(t, { size: 10 });
  assert.match(await (await Dialogue.open(port)).send('x'.repeat(1000)), /^250 /);
  const ours = await runIntake(t, { settings: { maxMessageBytes: 10 } });
  assert.match(await (await Dialogue.open(ours.port)).send('x'.repeat(1000)), /^552 /);
});

test('a client that disappears destroys the stream and, with an error listener, says so', async (t) => {
  let code: unknown = null;
  const { port } = await runStock(t, {
    onData: (stream) => {
      stream.on('error', (error: NodeJS.ErrnoException) => (code = error.code));
    },
  });
  const client = await Dialogue.open(port);
  await client.beginData();
  client.leave('reset');
  await until(() => code !== null, 'the error of the stream');
  assert.equal(code, 'ECONNECTION');
});

test('resets in content are error events of the server, which end a process that has no listener; ours has one', async (t) => {
  const { port, server } = await runStock(t);
  let errors = 0;
  server.on('error', () => errors++);
  const client = await Dialogue.open(port);
  await client.beginData();
  client.leave('reset');
  await until(() => errors > 0, 'the error event');
  const ours = await runIntake(t);
  assert.ok(ours.listener.listenerCount('error') > 0);
});

test('lone CR, LF and NUL reach the handler, and commands may end with a bare LF; we refuse both', async (t) => {
  let heard = Buffer.alloc(0);
  const { port } = await runStock(t, {
    onData(stream, _session, done) {
      stream.on('data', (chunk: Buffer) => (heard = Buffer.concat([heard, chunk])));
      stream.on('end', () => done());
    },
  });
  const client = await Dialogue.open(port);
  assert.match(await client.send('a\rb\nc\0d'), /^250 /);
  assert.equal(heard.toString(), 'a\rb\nc\0d\r\n');
  client.write('NOOP\n');
  assert.match(await client.reply(), /^250 /);
  const ours = await runIntake(t);
  assert.match(await (await Dialogue.open(ours.port)).send('a\rb\nc\0d'), /^550 5\.6\.11 /);
});

test('a dot behind a bare LF is unstuffed by the library; to us such a line is no line', async () => {
  const stock = new SMTPStream();
  const stream = stock.startDataMode();
  stock.write('x\n..y\r\n.\r\n');
  let stockContent = '';
  stream.on('data', (chunk: Buffer) => (stockContent += chunk.toString()));
  await once(stream, 'end');
  assert.equal(stockContent, 'x\n.y\r\n');
  let content = '';
  const violations: string[] = [];
  const ours = new SmtpParser(100);
  ours.receive({
    write: (chunk) => {
      content += chunk.toString();
      return undefined;
    },
    violation: (kind) => void violations.push(kind),
    eightBit: () => undefined,
    end: async () => undefined,
  });
  await new Promise<void>((resolve) => ours.write('x\n..y\r\n.\r\n', () => resolve()));
  assert.deepEqual([content, violations], ['x\n..y\r\n', ['bare LF']]);
});

test('AUTH is advertised before TLS though it is refused there; we advertise it where it is taken', async (t) => {
  const { port } = await runStock(t);
  const client = await Dialogue.connect(port);
  await client.reply();
  assert.match(await client.ask('EHLO client.example'), /AUTH/);
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^538 /);
});

test('WIZ, SHELL and KILL are on, EXPN unknown, QUIT takes arguments; ours is as RFC 5321 has it', async (t) => {
  const { port } = await runStock(t);
  const client = await Dialogue.open(port);
  assert.match(await client.ask('VRFY root'), /^252 /);
  assert.match(await client.ask('WIZ x'), /^200 /);
  assert.match(await client.ask('EXPN x'), /^500 /);
  assert.match(await client.ask('QUIT now'), /^221 /);
  const ours = await Dialogue.open((await runIntake(t)).port);
  const replies = await ours.askAll('VRFY root', 'EXPN x', 'WIZ x', 'SHELL', 'KILL', 'QUIT now');
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 3)),
    ['252', '252', '500', '500', '500', '501'],
  );
});

test('maxRecipients has no default', async (t) => {
  const { port } = await runStock(t);
  const client = await Dialogue.open(port);
  await client.ask('MAIL FROM:<a@x.test>');
  client.write(
    Array.from({ length: 2000 }, (_, index) => `RCPT TO:<${index}@y.test>\r\n`).join(''),
  );
  assert.ok((await client.replies(2000)).every((reply) => reply.startsWith('250 ')));
});

test('a reply text that begins with its enhanced code gets a second one, but not with context false', async (t) => {
  const { port, server } = await runStock(t, {
    hideENHANCEDSTATUSCODES: false,
    onMailFrom: (_address, _session, done) =>
      setImmediate(done, Object.assign(new Error('5.7.1 no'), { responseCode: 550 })),
  });
  const client = await Dialogue.open(port);
  assert.match(await client.ask('MAIL FROM:<a@x.test>'), /^550 5\.\d\.\d 5\.7\.1 no$/);
  for (const connection of server.connections) {
    connection.send(250, '2.0.0 once', false);
  }
  assert.equal(await client.reply(), '250 2.0.0 once');
});

test('its idle timer is no deadline: a byte now and then keeps a session', async (t) => {
  const { port } = await runStock(t, { socketTimeout: 400 });
  const client = await Dialogue.open(port);
  const startedMs = performance.now();
  const drip = setInterval(() => client.write('N'), 25);
  t.after(() => clearInterval(drip));
  let ended = false;
  void client.closed().then(() => (ended = true));
  await until(() => performance.now() - startedMs > 1200, 'three timeouts');
  assert.equal(ended, false);
});

test('each dot-stuffed line costs the library a turn of the event loop, and ours none', async () => {
  const chunk = Buffer.from('..\r\n'.repeat(2000));
  const turnsOf = async (parser: SMTPStream): Promise<number> => {
    let turns = 0;
    let over = false;
    const count = (): void => {
      turns++;
      if (!over) setImmediate(count);
    };
    setImmediate(count);
    await new Promise<void>((resolve) => parser.write(chunk, () => resolve()));
    over = true;
    return turns;
  };
  const stock = new SMTPStream();
  stock.startDataMode().resume();
  assert.ok((await turnsOf(stock)) >= 1000);
  const ours = new SmtpParser(100);
  ours.receive({
    write: () => undefined,
    violation: () => undefined,
    eightBit: () => undefined,
    end: async () => undefined,
  });
  assert.ok((await turnsOf(ours)) < 10);
});

test('close() leaves idle sessions until its timeout; a walk over the connections ends them', async (t) => {
  const { port, server } = await runStock(t, { closeTimeout: 300 });
  const client = await Dialogue.open(port);
  const startedMs = performance.now();
  await new Promise<void>((resolve) => server.close(resolve));
  assert.ok(performance.now() - startedMs >= 290);
  await client.closed();
  assert.equal(server.connections.size, 0);
});

/** The certificate that is shown behind STARTTLS. */
async function certificateAt(port: number): Promise<tls.PeerCertificate> {
  const socket = net.connect(port, '127.0.0.1');
  const client = Dialogue.over(socket);
  await client.reply();
  await client.ask('EHLO client.example');
  assert.match(await client.ask('STARTTLS'), /^220 /);
  socket.removeAllListeners('data');
  const secured = tls.connect({ socket, rejectUnauthorized: false });
  await once(secured, 'secureConnect');
  const shown = secured.getPeerCertificate();
  secured.destroy();
  return shown;
}

test('without a certificate it offers TLS with its own, whose key everybody has; we offer none', async (t) => {
  const stock = await runStock(t);
  const { subject, valid_to: end } = await certificateAt(stock.port);
  assert.equal(subject.CN, 'localhost');
  assert.ok(Date.parse(end) < Date.now(), 'and it has expired');
  const ours = await runIntake(t, { listener: { tls: 'none' } });
  const client = await Dialogue.connect(ours.port);
  await client.reply();
  assert.doesNotMatch(await client.ask('EHLO client.example'), /STARTTLS/);
  assert.match(await client.ask('STARTTLS'), /^500 /);
});

test('it takes TLS 1.0 unless it is told otherwise, which we do', async (t) => {
  const { server } = await runStock(t);
  assert.equal(tlsOptions({}).minVersion, 'TLSv1');
  assert.equal(server.options.minVersion, undefined);
  const { listener } = await runIntake(t);
  assert.equal((listener as unknown as SMTPServer).options.minVersion, 'TLSv1.2');
});

test('updateSecureContext changes the certificate for the sessions to come', async (t) => {
  const { port, server } = await runStock(t);
  const open = await Dialogue.open(port, 'starttls');
  const before = (await certificateAt(port)).fingerprint256;
  const { cert, key } = await makeCertificate('new.example');
  server.updateSecureContext({ cert, key });
  assert.notEqual((await certificateAt(port)).fingerprint256, before);
  assert.match(await open.ask('NOOP'), /^250 /, 'a session that is open goes on');
});

test('no handler is asked before 354; we can refuse DATA itself', async (t) => {
  let asked = 0;
  const stock = await runStock(t, {
    onData(stream, _session, done) {
      asked++;
      done(Object.assign(new Error('no'), { responseCode: 452 }));
      stream.resume();
    },
  });
  const client = await Dialogue.open(stock.port);
  await client.askAll('MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
  assert.match(await client.ask('DATA'), /^354 /);
  assert.equal(asked, 1, 'and with the 354 on its way');
  const ours = await Dialogue.open((await runIntake(t)).port);
  await ours.askAll('MAIL FROM:<a@x.test>');
  assert.match(await ours.ask('DATA'), /^503 /);
});
