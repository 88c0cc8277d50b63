import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import tls from 'node:tls';
import { makeCertificate } from '../send/certificates.js';
import { Dialogue } from './dialogue.js';
import { runIntake, SETTINGS } from './running-intake.js';

test('new limits hold for open sessions too, and the name stays the one that was greeted with', async (t) => {
  const { port, listener } = await runIntake(t);
  const client = await Dialogue.open(port);
  assert.match(await client.ask('MAIL FROM:<a@x.test> SIZE=9000000'), /^250 /);
  await client.ask('RSET');
  listener.reload({
    ...SETTINGS,
    hostname: 'other.example',
    maxMessageBytes: 2000,
    maxRecipients: 1,
  });
  assert.match(await client.ask('MAIL FROM:<a@x.test> SIZE=9000000'), /^552 5\.3\.4 /);
  await client.ask('MAIL FROM:<a@x.test>');
  assert.match(await client.ask('RCPT TO:<b@y.test>'), /^250 /);
  assert.match(await client.ask('RCPT TO:<c@y.test>'), /^452 4\.5\.3 /);
  const ehlo = await client.ask('EHLO client.example');
  assert.match(ehlo, /^250-edge\.example\n/);
  assert.match(ehlo, /SIZE 2000/);
});

test('a new certificate is shown to new sessions, and those that are open go on', async (t) => {
  const { port, listener } = await runIntake(t, { listener: { tls: 'implicit' } });
  const open = await Dialogue.open(port, 'tls');
  const before = await shownAt(port);
  const { cert, key } = await makeCertificate('edge');
  listener.reload({ ...SETTINGS, certificate: { cert, key } });
  assert.notEqual(await shownAt(port), before);
  assert.match(await open.ask('NOOP'), /^250 /);
});

async function shownAt(port: number): Promise<string> {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}
