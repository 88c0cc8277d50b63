import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import type { FaultRule, FaultStage } from '../../src/sink/faults.js';
import type { RunningSink } from '../../src/sink/sink.js';
import type { MessagePage, SinkStats } from '../../src/sink/store.js';
import { get, makeCertificate, runSink, scratchDirectory, SmtpClient } from './client.js';

const USERS = [{ username: 'app', password: new Secret('pass') }];
const LOGIN = `AUTH PLAIN ${Buffer.from('\0app\0pass').toString('base64')}`;

async function statsOf(sink: RunningSink): Promise<SinkStats> {
  return (await (await get(sink, '/stats')).json()) as SinkStats;
}

async function messagesOf(sink: RunningSink): Promise<MessagePage['messages']> {
  return ((await (await get(sink, '/messages')).json()) as MessagePage).messages;
}

/** Goes through a session in which a rule at `stage` acts without a word; ends at that stage. */
async function walkTo(stage: FaultStage, port: number): Promise<SmtpClient> {
  const client = await SmtpClient.connect(port);
  if (stage === 'connect') return client;
  await client.reply();
  const steps: Array<[FaultStage, string]> = [
    ['helo', 'EHLO client.example'],
    ['starttls', 'STARTTLS'],
    ['helo', 'EHLO client.example'],
    ['auth', LOGIN],
    ['mail', 'MAIL FROM:<a@x.example>'],
    ['rcpt', 'RCPT TO:<b@x.example>'],
    ['data', 'DATA'],
    ['message', 'Subject: x\r\n\r\nx\r\n.'],
  ];
  for (const [at, line] of steps) {
    if (at === stage) {
      client.write(`${line}\r\n`);
      return client;
    }
    if (at === 'starttls') await client.startTls();
    else await client.ask(line);
  }
  throw new Error('no such stage');
}

const STAGES = ['connect', 'helo', 'starttls', 'auth', 'mail', 'rcpt', 'data', 'message'] as const;

async function secureSink(
  t: Parameters<typeof runSink>[0],
  faults: FaultRule[],
  limits = {},
): Promise<RunningSink> {
  const certificate = makeCertificate(scratchDirectory(t));
  return runSink(t, { tls: 'opportunistic', certificate, users: USERS, faults, limits });
}

test('close and reset end the session without a word at every stage, also under TLS', async (t) => {
  const sink = await secureSink(t, []);
  for (const kind of ['close', 'reset'] as const) {
    for (const at of STAGES) {
      const armed = await get(sink, '/faults', {
        method: 'POST',
        body: JSON.stringify({ at, [kind]: true }),
      });
      assert.equal(armed.status, 201);
      const client = await walkTo(at, sink.smtp.port);
      assert.equal(await client.ended(), '', at);
      assert.equal(client.wasReset, kind === 'reset', `${kind} at ${at}`);
      await get(sink, '/faults', { method: 'DELETE' });
    }
  }
  const { accepted, refused } = await statsOf(sink);
  assert.deepEqual([accepted, refused], [0, 2 * STAGES.length]);
});

test('a stalled session says nothing until its idle timeout, and then goes without a word', async (t) => {
  const sink = await secureSink(t, [], { idleTimeoutMs: 200 });
  for (const at of STAGES) {
    await get(sink, '/faults', { method: 'POST', body: JSON.stringify({ at, stall: true }) });
    const startedMs = performance.now();
    const client = await walkTo(at, sink.smtp.port);
    assert.equal(await client.ended(), '', at);
    assert.ok(performance.now() - startedMs >= 190, at);
    await get(sink, '/faults', { method: 'DELETE' });
  }
  assert.deepEqual(await messagesOf(sink), []);
});

test('a stalled session does not hold up a stop, and leaves no capture', async (t) => {
  const captureDirectory = scratchDirectory(t);
  const faults: FaultRule[] = [{ at: 'message', stall: true }];
  const sink = await runSink(t, { faults, captureDirectory, limits: { stopTimeoutMs: 60_000 } });
  const client = await SmtpClient.greeted(sink.smtp.port);
  client.write('MAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nx\r\n.\r\n');
  while ((await statsOf(sink)).refused === 0) await new Promise(setImmediate);
  await sink.stop();
  assert.match(await client.ended(), /^250 [^\n]*\n250 [^\n]*\n354 [^\n]*\n$/);
  assert.deepEqual(readdirSync(captureDirectory), []);
});

test('a lost message is answered as usual and is nowhere', async (t) => {
  const directory = scratchDirectory(t);
  const journalFile = join(directory, 'journal.jsonl');
  const captureDirectory = join(directory, 'captured');
  const faults: FaultRule[] = [{ at: 'message', match: 'gone@*', lose: true }];
  const sink = await runSink(t, { faults, journalFile, captureDirectory });
  const client = await SmtpClient.greeted(sink.smtp.port);
  const lost = (await client.send('a@x.example', ['gone@x.example'], 'x')).at(-1) ?? '';
  assert.match(lost, /^250 2\.0\.0 Ok: queued as \w+$/);
  const kept = (await client.send('a@x.example', ['here@x.example'], 'x')).at(-1) ?? '';
  const id = kept.split(' ').at(-1) as string;
  assert.deepEqual(
    (await messagesOf(sink)).map((message) => message.id),
    [id],
  );
  assert.equal(readFileSync(journalFile, 'utf8').trim().split('\n').length, 1);
  assert.equal(readdirSync(captureDirectory).length, 1);
  const { accepted, lost: lostCount, refused, bytes } = await statsOf(sink);
  assert.deepEqual([accepted, lostCount, refused, bytes], [1, 1, 0, 3]);
});

test('a fault at starttls takes the place of its reply, and what was said in clear goes on', async (t) => {
  const faults: FaultRule[] = [
    { at: 'starttls', match: 'client.*', reply: { code: 454, text: '4.7.0 not now' }, first: 1 },
    { at: 'starttls', reply: { code: 250, text: '2.0.0 broken' }, first: 1 },
    { at: 'starttls', reply: { code: 220, text: '2.0.0 In other words' }, first: 1 },
  ];
  const sink = await secureSink(t, faults);
  const client = await SmtpClient.greeted(sink.smtp.port);
  assert.equal(await client.ask('STARTTLS'), '454 4.7.0 not now');
  assert.equal(await client.ask('STARTTLS'), '250 2.0.0 broken');
  assert.match(await client.ask('NOOP'), /^250 /);
  await client.startTls();
  assert.match(await client.ask('EHLO client.example'), /^250-/);
  assert.equal((await statsOf(sink)).refused, 1);
});

test('a fault at auth comes before credentials are asked for or looked at', async (t) => {
  const faults: FaultRule[] = [
    { at: 'auth', match: 'app', reply: { code: 454, text: '4.7.0 later' }, first: 1 },
    { at: 'auth', match: 'login', reply: { code: 535, text: '5.7.8 no' } },
    { at: 'auth', match: 'liar', reply: { code: 235, text: '2.7.0 welcome' } },
  ];
  const sink = await runSink(t, { users: USERS, faults });
  const client = await SmtpClient.greeted(sink.smtp.port);
  assert.equal(await client.ask(LOGIN), '454 4.7.0 later');
  assert.equal(await client.ask('AUTH LOGIN'), '535 5.7.8 no');
  const liar = Buffer.from('\0liar\0x').toString('base64');
  assert.equal(await client.ask(`AUTH PLAIN ${liar}`), '235 2.7.0 welcome');
  assert.match(await client.ask('MAIL FROM:<a@x.example>'), /^530 /, 'nobody is logged in');
  assert.match(await client.ask(LOGIN), /^235 /);
  assert.match(await client.ask(LOGIN), /^503 /, 'a second login is no matter of faults');
});

test('slow bytes slow down both directions from their stage on, until the rule goes', async (t) => {
  const sink = await runSink(t, { faults: [{ at: 'data', bytesPerSecond: 20_000 }] });
  const client = await SmtpClient.greeted(sink.smtp.port);
  const quickMs = performance.now();
  await client.ask('MAIL FROM:<a@x.example>');
  await client.ask('RCPT TO:<b@x.example>');
  assert.ok(performance.now() - quickMs < 500);
  await client.ask('DATA');
  const startedMs = performance.now();
  const sent = client.ask(`${'x'.repeat(10_000)}\r\n.`);
  assert.match(await sent, /^250 /);
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs > 380 && tookMs < 5000, `${tookMs} ms`);
  // Of this one, at the same pace, a tenth of the time is enough once the rule is gone.
  await client.ask('MAIL FROM:<a@x.example>');
  await client.ask('RCPT TO:<b@x.example>');
  await client.ask('DATA');
  const again = client.ask(`${'x'.repeat(1_000_000)}\r\n.`);
  const againMs = performance.now();
  await get(sink, '/faults', { method: 'DELETE' });
  assert.match(await again, /^250 /);
  assert.ok(performance.now() - againMs < 20_000);
  assert.equal((await messagesOf(sink))[0]?.size_bytes, 1_000_002);
});

test('at a snail’s pace a session still does STARTTLS, says 221 and closes', async (t) => {
  const sink = await secureSink(t, [{ at: 'helo', bytesPerSecond: 2000 }]);
  const client = await SmtpClient.greeted(sink.smtp.port);
  await client.startTls();
  assert.match(await client.ask('EHLO client.example'), /^250-/);
  client.write('NOOP\r\nQUIT\r\nNOOP\r\n');
  assert.match(await client.ended(), /^250 [^\n]*\n221 [^\n]*\n$/);
});
