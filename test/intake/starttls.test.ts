import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { Dialogue, turns, until } from './dialogue.js';
import { APP_PASSWORD, authPlain, runIntake } from './running-intake.js';

test('what comes behind STARTTLS in clear is never executed', async (t) => {
  const { port, spool } = await runIntake(t);
  for (const injected of [
    'RSET\r\n',
    'MAIL FROM:<inj@x.test>\r\nRCPT TO:<v@x.test>\r\n',
    'MAIL FROM:<inj',
    'NOOP\r\n'.repeat(300),
  ]) {
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

test('EHLO, MAIL and login from before TLS are gone inside it', async (t) => {
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

test('a clear byte in the middle of TLS content ends the session without a message', async (t) => {
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
});

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
