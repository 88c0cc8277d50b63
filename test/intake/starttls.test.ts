import assert from 'node:assert/strict';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import tls from 'node:tls';
import { hostileTest } from '../hostile/rows.js';
import { Dialogue, turns, until } from './dialogue.js';
import { APP_PASSWORD, authPlain, runIntake } from './running-intake.js';

hostileTest('starttls', 'what comes behind it in clear is never executed', async (t, cases) => {
  const { port, spool } = await runIntake(t);
  for (const injected of [
    'RSET\r\n',
    'MAIL FROM:<inj@x.test>\r\nRCPT TO:<v@x.test>\r\n',
    'MAIL FROM:<inj',
    'NOOP\r\n'.repeat(300),
    'EHLO clear.example\r\nMAIL FROM:<inj@x.test>\r\nRCPT TO:<v@x.test>\r\nDATA\r\nx\r\n.\r\n',
    `${authPlain('app', APP_PASSWORD)}\r\n`,
    'QUIT\r\n',
    'STARTTLS\r\n',
    '\n',
    '\0',
  ]) {
    cases.add();
    const client = await Dialogue.open(port);
    client.write(`STARTTLS\r\n${injected}`);
    assert.match(await client.reply(), /^220 /);
    await client.secure();
    // Inside TLS the first reply belongs to the first command there.
    assert.match(await client.ask('EHLO inside.example'), /^250-edge\.example\n/);
    assert.match(await client.ask('RCPT TO:<v@x.test>'), /^503 /);
    assert.match(await client.ask('MAIL FROM:<a@x.test>'), /^250 2\.1\.0 /);
    assert.match(await client.ask('QUIT'), /^221 /);
  }
  assert.equal(spool.taken.length, 0);
});

hostileTest('starttls', 'EHLO, MAIL and login from before TLS are gone inside it', async (t) => {
  const { port } = await runIntake(t, { policy: { relayFrom: [] } });
  const client = await Dialogue.open(port);
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^235 /);
  await client.askAll('MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
  await client.startTls();
  for (const verb of [
    'MAIL FROM:<a@x.test>',
    'RCPT TO:<b@y.test>',
    'DATA',
    authPlain('app', APP_PASSWORD),
  ]) {
    assert.match(await client.ask(verb), /^503 /, verb);
  }
  const ehlo = await client.ask('EHLO client.example');
  assert.match(ehlo, /AUTH PLAIN LOGIN/);
  assert.doesNotMatch(ehlo, /STARTTLS/);
  assert.match(await client.ask('DATA'), /^503 /);
  await client.ask('MAIL FROM:<a@x.test>');
  assert.match(await client.ask('RCPT TO:<b@y.test>'), /^550 5\.7\.1 /);
});

hostileTest(
  'starttls',
  'half a command in clear and half inside TLS are none',
  async (t, cases) => {
    const { port, spool } = await runIntake(t);
    const command = 'MAIL FROM:<inj@x.test>\r\n';
    const bystander = await Dialogue.open(port);
    for (let cut = 1; cut < command.length; cut++) {
      cases.add();
      const client = await Dialogue.open(port);
      client.write(`STARTTLS\r\n${command.slice(0, cut)}`);
      assert.match(await client.reply(), /^220 /);
      await client.secure();
      client.write(command.slice(cut));
      // Where only the LF is left, it is a bare one.
      const due = cut === command.length - 1 ? /^521 / : /^50[03] /;
      assert.match(await client.reply(), due, `cut at ${cut}`);
      if (cut === command.length - 1) continue;
      assert.match(await client.ask('EHLO inside.example'), /^250-/);
      assert.match(await client.ask('RCPT TO:<v@x.test>'), /^503 /, `cut at ${cut}`);
      client.leave();
    }
    assert.equal(spool.taken.length, 0);
    assert.match(await bystander.send('x: y\r\n\r\nx'), /^250 /);
  },
);

hostileTest('starttls', 'a TLS close in DATA, then clear bytes: no message', async (t, cases) => {
  const { port, spool, listener } = await runIntake(t);
  for (const clear of [
    '\r\n.\r\n',
    '.',
    'QUIT\r\n',
    '\r\n.\r\nMAIL FROM:<evil@x.test>\r\n',
    '\0',
  ]) {
    cases.add();
    const raw = net.connect({ port, host: '127.0.0.1', noDelay: true });
    const before = Dialogue.over(raw);
    await before.reply();
    await before.askAll('EHLO client.example', 'STARTTLS');
    raw.removeAllListeners('data');
    const secured = tls.connect({ socket: keptOpen(raw), rejectUnauthorized: false });
    await new Promise((resolve) => secured.once('secureConnect', resolve));
    const client = Dialogue.over(secured);
    await client.ask('EHLO client.example');
    await client.beginData();
    client.write('Subject: x\r\n\r\nhalf');
    // close_notify goes out, and the connection below stays.
    await new Promise<void>((resolve) => secured.end(resolve));
    raw.write(clear);
    await until(() => listener.connections.size === 0, 'the end of the session');
    raw.destroy();
    assert.equal(spool.openBodies.size, 0, JSON.stringify(clear));
  }
  assert.equal(spool.taken.length, 0);
  const next = await Dialogue.open(port);
  assert.match(await next.send('x: y\r\n\r\nx'), /^250 /);
});

hostileTest('starttls', 'commands behind it, in two writes cut at every byte', async (t, cases) => {
  const { port, spool, listener } = await runIntake(t);
  for (const bytes of ['STARTTLS\r\nRSET\r\n', 'STARTTLS\r\nMAIL FROM:<inj']) {
    for (let cut = 1; cut < bytes.length; cut++) {
      cases.add();
      const client = await Dialogue.open(port);
      client.write(bytes.slice(0, cut));
      await turns();
      client.write(bytes.slice(cut));
      assert.match(await client.reply(), /^220 /);
      // Clear bytes that come when TLS has begun are none of its own: it ends.
      const secured = await client.secure().then(
        () => true,
        () => false,
      );
      if (secured) {
        assert.match(await client.ask('EHLO inside.example'), /^250-edge\.example\n/);
        assert.match(await client.ask('RCPT TO:<v@x.test>'), /^503 /, `cut at ${cut}`);
      }
      client.leave();
    }
  }
  await until(() => listener.connections.size === 0, 'the end of all sessions');
  assert.equal(spool.taken.length, 0);
  assert.match(await (await Dialogue.open(port)).send('x: y\r\n\r\nx'), /^250 /);
});

test('a transaction that STARTTLS cut off does not hold up a stop', async (t) => {
  const { port, listener } = await runIntake(t);
  const client = await Dialogue.open(port);
  await client.ask('MAIL FROM:<a@x.test>');
  await client.startTls();
  await client.ask('NOOP');
  listener.drain();
  assert.match(await client.reply(), /^421 /);
});

test('STARTTLS takes no argument and is not there twice', async (t) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.open(port);
  assert.match(await client.ask('STARTTLS now'), /^501 /);
  await client.startTls();
  await client.ask('EHLO client.example');
  assert.match(await client.ask('STARTTLS'), /^503 /);
});

test('without TLS at the listener STARTTLS is neither offered nor taken', async (t) => {
  const { port } = await runIntake(t, { listener: { tls: 'none' } });
  const client = await Dialogue.connect(port);
  await client.reply();
  assert.doesNotMatch(await client.ask('EHLO client.example'), /STARTTLS/);
  assert.match(await client.ask('STARTTLS'), /^500 /);
});

test('tls required: nothing of a transaction before STARTTLS, all of it after', async (t) => {
  const { port, spool } = await runIntake(t, { listener: { tls: 'required' } });
  const client = await Dialogue.connect(port);
  await client.reply();
  const ehlo = await client.ask('EHLO client.example');
  assert.match(ehlo, /STARTTLS/);
  assert.doesNotMatch(ehlo, /AUTH/);
  assert.match(await client.ask('MAIL FROM:<a@x.test>'), /^530 5\.7\.0 /);
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^538 5\.7\.11 /);
  assert.match(await client.ask('RCPT TO:<b@y.test>'), /^503 /);
  assert.match(await client.ask('DATA'), /^503 /);
  await client.startTls();
  await client.ask('EHLO client.example');
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^235 /);
  assert.match(await client.send('x: y\r\n\r\nx'), /^250 /);
  assert.equal(spool.taken.length, 1);
});

hostileTest(
  'starttls',
  'clear bytes within TLS content end the session without a message',
  async (t) => {
    const { port, spool, listener } = await runIntake(t);
    const client = await Dialogue.connect(port);
    await client.reply();
    await client.ask('EHLO client.example');
    await client.startTls();
    await client.ask('EHLO client.example');
    await client.beginData();
    client.write('Subject: x\r\n\r\nhalf');
    await turns();
    client.writeBelowTls('\r\n.\r\n');
    await until(() => listener.connections.size === 0, 'the end of the session');
    assert.equal(spool.taken.length, 0);
    assert.equal(spool.openBodies.size, 0);
    const next = await Dialogue.open(port);
    assert.match(await next.send('x: y\r\n\r\nx'), /^250 /);
  },
);

test('a client that speaks clear text to a TLS port is cut, others go on', async (t) => {
  const { port } = await runIntake(t, { listener: { tls: 'implicit' } });
  const clear = await Dialogue.connect(port);
  clear.write('EHLO client.example\r\n');
  await clear.closed();
  const client = await Dialogue.open(port, 'tls');
  assert.match(await client.ask('NOOP'), /^250 /);
});

test('a socket that closed before its TLS began is let go, not wrapped', async (t) => {
  const { listener } = await runIntake(t, { listener: { tls: 'implicit' } });
  const socket = new net.Socket().destroy();
  const refused = await new Promise<Error | null>((resolve) => {
    listener._upgrade(socket, (error) => resolve(error));
  });
  assert.match(refused?.message ?? '', /closed before TLS/);
});

/** The same connection, but its end is not passed on: TLS can be closed over one that stays. */
function keptOpen(socket: net.Socket): Duplex {
  const kept = new Duplex({
    read: () => socket.resume(),
    write: (chunk: Buffer, _encoding, done) => void socket.write(chunk, done),
    final: (done) => done(),
  });
  socket.on('data', (chunk: Buffer) => kept.push(chunk));
  socket.on('error', () => undefined);
  socket.once('close', () => kept.push(null));
  return kept;
}
