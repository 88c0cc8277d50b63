import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dialogue } from './dialogue.js';
import { APP_PASSWORD, authPlain, PEER_PASSWORD, runIntake } from './running-intake.js';

const XMESH =
  '1;00-0123456789abcdef0123456789abcdef-0000000000000001-01;core;01KE6Q1XB500000077;core;0';

async function send(client: Dialogue, parameters = ''): Promise<string> {
  await client.askAll(`MAIL FROM:<a@x.test>${parameters}`, 'RCPT TO:<b@y.test>', 'DATA');
  return client.ask('Subject: x\r\n\r\nx\r\n.');
}

test('a message counts by its protocol when it is durable, with its recipients and bytes', async (t) => {
  const { port, listener, spool } = await runIntake(t);
  assert.match(await send(await Dialogue.open(port)), /^250 /);
  assert.match(await send(await Dialogue.open(port, 'starttls')), /^250 /);
  const { messages, recipients, bytes } = listener.counts;
  assert.deepEqual(Object.fromEntries(messages), { ESMTP: 1, ESMTPS: 1 });
  assert.equal(recipients, 2);
  const stored = spool.taken.reduce((sum, { item }) => sum + item.body.sizeBytes, 0);
  assert.equal(bytes, stored);
});

test('what a peer hands over again counts as a repeat, and as nothing else', async (t) => {
  const { port, listener } = await runIntake(t);
  const client = await Dialogue.open(port, 'starttls');
  assert.match(await client.ask(authPlain('core-login', PEER_PASSWORD)), /^235 /);
  assert.match(await send(client, ` XMESH=${XMESH}`), /^250 /);
  assert.match(await send(client, ` XMESH=${XMESH}`), /^250 /);
  assert.deepEqual(Object.fromEntries(listener.counts.messages), { ESMTPSA: 1 });
  assert.equal(listener.counts.repeats, 1);
});

test('logins count by how they ended, sessions with TLS by its version', async (t) => {
  const { port, listener } = await runIntake(t);
  const client = await Dialogue.open(port, 'starttls');
  assert.match(await client.ask(authPlain('app', 'wrong')), /^535 /);
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^235 /);
  await Dialogue.open(port);
  const { logins, loginsRefused, sessions, tls } = listener.counts;
  assert.deepEqual([logins, loginsRefused, sessions], [1, 1, 2]);
  assert.deepEqual(Object.fromEntries(tls), { 'TLSv1.3': 1 });
});

test('implicit TLS counts as well', async (t) => {
  const { port, listener } = await runIntake(t, { listener: { tls: 'implicit' } });
  await Dialogue.open(port, 'tls');
  assert.deepEqual(Object.fromEntries(listener.counts.tls), { 'TLSv1.3': 1 });
});

test('refusals count by their code, those of the library too', async (t) => {
  const { port, listener, injection } = await runIntake(t, { policy: { relayFrom: [] } });
  const client = await Dialogue.open(port);
  await client.askAll('MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'RCPT TO:<c@y.test>');
  assert.match(await client.ask('NONSENSE'), /^500 /);
  assert.deepEqual(Object.fromEntries(listener.counts.refusals), { 550: 2, 500: 1 });
  const request = { clientAddress: '127.0.0.1', idempotencyKey: null };
  await injection.fromJson(Buffer.from('{'), request);
  assert.deepEqual(Object.fromEntries(injection.counts.refusals), { 400: 1 });
});

test('a message by HTTP counts as one', async (t) => {
  const { injection } = await runIntake(t);
  const body = JSON.stringify({
    envelope: 'a@x.test',
    recipient: ['b@y.test', 'c@y.test'],
    mime: 'Subject: x\r\n\r\nx\r\n',
  });
  const request = { clientAddress: '127.0.0.1', idempotencyKey: null };
  await injection.fromJson(Buffer.from(body), request);
  assert.deepEqual(Object.fromEntries(injection.counts.messages), { HTTP: 1 });
  assert.equal(injection.counts.recipients, 2);
});
