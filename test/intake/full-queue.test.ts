import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Attempt } from '../../src/send/request.js';
import { eventually } from '../base/eventually.js';
import { Dialogue } from './dialogue.js';
import { messages, MESSAGE, refusal, runInjecting, type Injecting } from './injecting.js';
import { ManualClock } from './manual-clock.js';
import { deliverAtOnce, runIntake, type IntakeOptions } from './running-intake.js';

const CONTENT = 'Subject: x\r\n\r\nbody';
const FULL = '452 4.3.1 The queue is full: it holds 2 messages; try again later';

/** A next hop that takes nothing until it is let, at the latest at the end of the test. */
function slowHop(t: TestContext): { attempt: Attempt; letGo: () => void } {
  let letGo: () => void = () => undefined;
  const open = new Promise<void>((resolve) => (letGo = resolve));
  t.after(letGo);
  return {
    attempt: async (...args) => {
      await open;
      return deliverAtOnce(...args);
    },
    letGo,
  };
}

/** A queue of at most two messages, which it holds. */
async function runFull(
  t: TestContext,
  options: IntakeOptions = {},
): Promise<Injecting & { client: Dialogue; letGo: () => void }> {
  const { attempt, letGo } = slowHop(t);
  const running = await runInjecting(t, { limits: { maxMessages: 2 }, attempt, ...options });
  const client = await Dialogue.open(running.port);
  assert.match(await client.send(CONTENT), /^250 /);
  assert.match(await client.send(CONTENT), /^250 /);
  return { ...running, client, letGo };
}

test('a full queue refuses mail at MAIL FROM, stores nothing, and says what is full', async (t) => {
  const { client, spool, queue } = await runFull(t);
  assert.equal(await client.ask('MAIL FROM:<a@x.test>'), FULL);
  assert.match(await client.ask('RCPT TO:<b@y.test>'), /^503 /, 'no transaction is open');
  assert.equal(await client.send(CONTENT), FULL);
  assert.equal(spool.taken.length, 2);
  assert.equal(spool.openBodies.size, 0);
  assert.equal(queue.size, 2);
  assert.match(await client.ask('NOOP'), /^250 /, 'the session lives');
});

test('a full queue takes mail again as soon as one message has left, in the same session', async (t) => {
  const { client, queue, letGo } = await runFull(t);
  assert.equal(await client.send(CONTENT), FULL);
  letGo();
  await eventually('a message leaves', () => queue.size < 2);
  assert.match(await client.send(CONTENT), /^250 /);
});

test('a queue that fills after MAIL FROM refuses at DATA', async (t) => {
  const { attempt } = slowHop(t);
  const { port, spool } = await runIntake(t, { limits: { maxMessages: 1 }, attempt });
  const [first, second] = [await Dialogue.open(port), await Dialogue.open(port)];
  for (const client of [first, second]) {
    await client.askAll('MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
  }
  await first.ask('DATA');
  first.write(`${CONTENT}\r\n.\r\n`);
  assert.match(await first.reply(), /^250 /);
  assert.match(await second.ask('DATA'), /^452 4\.3\.1 /);
  assert.equal(spool.openBodies.size, 0);
  assert.equal(spool.taken.length, 1);
});

test('a queue that fills while the content comes refuses at its end, and keeps nothing of it', async (t) => {
  const { attempt } = slowHop(t);
  const { port, spool } = await runIntake(t, { limits: { maxMessages: 1 }, attempt });
  const [first, second] = [await Dialogue.open(port), await Dialogue.open(port)];
  for (const client of [first, second]) {
    await client.beginData();
  }
  first.write(`${CONTENT}\r\n.\r\n`);
  assert.match(await first.reply(), /^250 /);
  second.write(`${CONTENT}\r\n.\r\n`);
  assert.match(await second.reply(), /^452 4\.3\.1 /);
  assert.equal(spool.openBodies.size + spool.looseBodies.size, 0);
  assert.equal(spool.taken.length, 1);
});

test('SIZE is held against the bytes that the queue may still take', async (t) => {
  const { port } = await runIntake(t, { limits: { maxBytes: 5000 } });
  const client = await Dialogue.open(port);
  const full = '452 4.3.1 The queue is full: its messages may take 5000 bytes; try again later';
  assert.equal(await client.ask('MAIL FROM:<a@x.test> SIZE=5001'), full);
  assert.match(await client.ask('MAIL FROM:<a@x.test> SIZE=5000'), /^250 /);
});

test('a message that is larger than it said is held against them too', async (t) => {
  const { port, spool } = await runIntake(t, { limits: { maxBytes: 5000 } });
  const client = await Dialogue.open(port);
  await client.askAll('MAIL FROM:<a@x.test> SIZE=10', 'RCPT TO:<b@y.test>', 'DATA');
  client.write(`Subject: x\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(100)}.\r\n`);
  assert.match(await client.reply(), /^452 4\.3\.1 /);
  assert.equal(spool.taken.length, 0);
});

test('what is wrong with a sender is told also while the queue is full', async (t) => {
  const { client } = await runFull(t);
  assert.match(await client.ask('MAIL FROM:<a@x.test> FOO=bar'), /^555 /);
  assert.match(await client.ask('MAIL FROM:<a@x.test> SIZE=99999999999'), /^552 /);
});

test('a disk without room refuses mail until there is some', async (t) => {
  const clock = new ManualClock();
  let free = 999;
  const { port, spool } = await runIntake(t, {
    limits: { diskReserveBytes: 1000 },
    freeBytes: () => free,
    clock,
  });
  const client = await Dialogue.open(port);
  const full = '452 4.3.1 The disk is full; try again later';
  assert.equal(await client.ask('MAIL FROM:<a@x.test>'), full);
  free = 1010;
  clock.advance(1000);
  await eventually('the disk is looked at', async () =>
    (await client.ask('MAIL FROM:<a@x.test>')).startsWith('250'),
  );
  await client.ask('RSET');
  assert.equal(await client.ask('MAIL FROM:<a@x.test> SIZE=11'), full);
  free = 100_000;
  clock.advance(1000);
  await eventually('the disk is looked at', async () =>
    (await client.send(CONTENT)).startsWith('250'),
  );
  assert.equal(spool.taken.length, 1);
});

test('the API answers 503 while the queue is full, and stores nothing', async (t) => {
  const { json, stream, spool, queue, letGo } = await runFull(t);
  for (const answer of [await json(MESSAGE), await stream([CONTENT])]) {
    assert.deepEqual(refusal(answer), [503, 'QUEUE_FULL']);
    assert.ok('refusal' in answer && answer.refusal.detail.startsWith('The queue is full: '));
  }
  assert.equal(spool.taken.length, 2);
  assert.equal(spool.openBodies.size, 0);
  letGo();
  await eventually('the messages leave', () => queue.size === 0);
  messages(await json(MESSAGE));
});

test('a request that is larger than the room is not begun', async (t) => {
  const { json, spool } = await runInjecting(t, { limits: { maxBytes: 5000 } });
  const large = { ...MESSAGE, mime: `A: 1\r\n\r\n${'x'.repeat(500)}\r\n` };
  const answer = await json(Array.from({ length: 12 }, () => large));
  assert.deepEqual(refusal(answer), [503, 'QUEUE_FULL']);
  assert.equal(spool.taken.length, 0);
});

test('content that turns out too large for the room is told as such', async (t) => {
  const { stream, spool } = await runInjecting(t, { limits: { maxBytes: 5000 } });
  const answer = await stream([`A: 1\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(100)}`]);
  assert.deepEqual(refusal(answer), [503, 'QUEUE_FULL']);
  assert.equal(spool.taken.length, 0);
  assert.equal(spool.openBodies.size + spool.looseBodies.size, 0);
});
