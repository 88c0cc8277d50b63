import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dialogue } from './dialogue.js';
import { contentOfChunks, CLIENT, MESSAGE, runInjecting } from './injecting.js';
import { runIntake } from './running-intake.js';

const PLAIN = 'Subject: x\r\n\r\nbody\r\n';

test('REQUIRETLS is offered inside TLS only, by STARTTLS and from the first byte', async (t) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.connect(port);
  await client.reply();
  assert.doesNotMatch(await client.ask('EHLO client.example'), /REQUIRETLS/);
  await client.startTls();
  assert.match(await client.ask('EHLO client.example'), /^250[- ]REQUIRETLS$/m);
  const implicit = await runIntake(t, { listener: { tls: 'implicit' } });
  const secured = await Dialogue.connectTls(implicit.port);
  await secured.reply();
  assert.match(await secured.ask('EHLO client.example'), /^250[- ]REQUIRETLS$/m);
});

test('in clear text it is a parameter that is not known; it has no value', async (t) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.open(port);
  assert.match(await client.ask('MAIL FROM:<a@x.test> REQUIRETLS'), /^555 5\.5\.4 .*TLS/);
  assert.match(await client.ask('RCPT TO:<b@y.test>'), /^503 /);
  const secured = await Dialogue.open(port, 'starttls');
  for (const value of ['=', '=yes', '=no']) {
    assert.match(await secured.ask(`MAIL FROM:<a@x.test> REQUIRETLS${value}`), /^501 5\.5\.4 /);
  }
  assert.match(await secured.ask('MAIL FROM:<a@x.test> requiretls REQUIRETLS'), /^501 5\.5\.4 /);
  assert.equal(spool.taken.length, 0);
});

test('a message is tagged with what its own MAIL says, and nothing of a MAIL before', async (t) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.open(port, 'starttls');
  const send = async (parameters: string): Promise<true | undefined> => {
    for (const line of [`MAIL FROM:<a@x.test>${parameters}`, 'RCPT TO:<b@y.test>']) {
      assert.match(await client.ask(line), /^250 /);
    }
    assert.match(await client.ask('DATA'), /^354 /);
    client.write(`${PLAIN}.\r\n`);
    assert.match(await client.reply(), /^250 /);
    return spool.taken.at(-1)?.item.requireTls;
  };
  assert.equal(await send(' REQUIRETLS'), true);
  assert.equal(await send(''), undefined);
  assert.equal(await send(' SIZE=100 requiretls'), true);
  // A refused MAIL, one that was reset, one that EHLO or STARTTLS cut off.
  assert.match(await client.ask('MAIL FROM:<a@x.test> REQUIRETLS FOO=bar'), /^555 /);
  assert.equal(await send(''), undefined);
  for (const verb of ['RSET', 'EHLO client.example']) {
    assert.match(await client.ask('MAIL FROM:<a@x.test> REQUIRETLS'), /^250 /);
    assert.match(await client.ask(verb), /^250/);
    assert.equal(await send(''), undefined, verb);
  }
});

test('TLS-Required is passed on as it came, and asks for nothing here', async (t) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.open(port, 'starttls');
  assert.match(await client.send('TLS-Required: No\r\nSubject: x\r\n\r\nbody'), /^250 /);
  await client.askAll('MAIL FROM:<a@x.test> REQUIRETLS', 'RCPT TO:<b@y.test>', 'DATA');
  client.write('TLS-Required: No\r\n\r\nbody\r\n.\r\n');
  assert.match(await client.reply(), /^250 /);
  const [header, both] = spool.taken;
  assert.match(header?.bytes.toString() ?? '', /^TLS-Required: No\r$/m);
  assert.equal(header?.item.requireTls, undefined);
  // RFC 8689 §4.1: of the two the parameter holds.
  assert.match(both?.bytes.toString() ?? '', /^TLS-Required: No\r$/m);
  assert.equal(both?.item.requireTls, true);
});

test('by the API a message asks for it with requiretls', async (t) => {
  const { json, injection, spool } = await runInjecting(t);
  const asked = async (requiretls: unknown): Promise<boolean | undefined> => {
    assert.ok('messages' in (await json({ ...MESSAGE, requiretls })));
    return spool.taken.at(-1)?.item.requireTls;
  };
  assert.deepEqual([await asked(true), await asked(false)], [true, undefined]);
  for (const wrong of ['true', 1, null]) {
    const answer = await json({ ...MESSAGE, requiretls: wrong });
    assert.deepEqual('refusal' in answer && answer.refusal.faults?.[0]?.path, 'requiretls');
  }
  await injection.fromStream(
    contentOfChunks([PLAIN]),
    { sender: 'a@x.test', recipients: ['b@y.test'], requireTls: true },
    CLIENT,
  );
  assert.equal(spool.taken.at(-1)?.item.requireTls, true);
});
