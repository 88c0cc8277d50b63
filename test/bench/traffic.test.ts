import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCertificate } from '../send/certificates.js';
import { missing } from '../scenario/programs.js';
import { startHop } from './hop.js';
import { startSource } from './source.js';
import { monotonicMs, type Load, type Protection } from './traffic.js';

/* Source and sink without a relay between them. */

const LOAD: Load = { sessions: 3, messages: 20, bytes: 5000, kept: true };
const DEADLINE_MS = 30_000;
const PROTECTIONS: Protection[] = ['clear', 'tls', 'tls-login'];

for (const protection of PROTECTIONS) {
  test(`our source hands all to our sink, ${protection}`, async (t) => {
    const certificate = await makeCertificate('bench');
    const measuresDelay = true;
    const hop = await startHop(t, { protection, certificate, replyDelayMs: 0, measuresDelay });
    const options = { protection, ca: certificate.ca, measuresDelay, deadlineMs: DEADLINE_MS };
    const source = await startSource(t, options);
    assert.deepEqual([hop.program, source.program], ['ours', 'ours']);
    const reached = hop.untilArrived(LOAD.messages, DEADLINE_MS);
    const sent = await source.send(LOAD, hop.port);
    const lastMs = await reached;
    assert.ok(sent.startedMs < lastMs && lastMs < sent.endedMs && sent.endedMs <= monotonicMs());
    assert.equal(await hop.arrived(), LOAD.messages);
    const delaysMs = await hop.takeDelaysMs();
    assert.equal(delaysMs.length, LOAD.messages);
    assert.ok(delaysMs.every((delayMs) => delayMs > 0 && delayMs < DEADLINE_MS));
    assert.deepEqual([sent.replyMs.length, await hop.takeDelaysMs()], [LOAD.messages, []]);
    await source.send({ ...LOAD, kept: false }, hop.port);
    assert.equal(await hop.arrived(), 2 * LOAD.messages);
  });
}

test('each reply comes as late as it is told to', async (t) => {
  const certificate = await makeCertificate('bench');
  const common = { protection: 'clear' as const, measuresDelay: true };
  const hop = await startHop(t, { ...common, certificate, replyDelayMs: 20 });
  const source = await startSource(t, { ...common, ca: certificate.ca, deadlineMs: DEADLINE_MS });
  const { replyMs } = await source.send({ ...LOAD, sessions: 1, messages: 3 }, hop.port);
  // MAIL, RCPT, DATA and the final dot, one after the other; the first greets before.
  const [first = 0, ...others] = replyMs;
  assert.ok(first > 115, `${first} ms`);
  assert.ok(
    others.every((oneMs) => oneMs > 75),
    `${others.join(', ')} ms`,
  );
});

test('a steady rate is kept, and what waits for a session counts as delay', async (t) => {
  const certificate = await makeCertificate('bench');
  const common = { protection: 'clear' as const, measuresDelay: true };
  const hop = await startHop(t, { ...common, certificate, replyDelayMs: 10 });
  const source = await startSource(t, { ...common, ca: certificate.ca, deadlineMs: DEADLINE_MS });
  const load = { ...LOAD, sessions: 5, messages: 20, perSecond: 40 };
  const { startedMs, endedMs } = await source.send(load, hop.port);
  assert.ok(endedMs - startedMs >= 19 * 25);
  const crowded = await source.send({ ...load, sessions: 1, perSecond: 1000 }, hop.port);
  assert.ok(Math.max(...crowded.replyMs) > 18 * 40);
});

test('mail that nobody takes is a failure with the words of the other side', async (t) => {
  const certificate = await makeCertificate('bench');
  const common = { certificate, replyDelayMs: 0, measuresDelay: true };
  const hop = await startHop(t, { ...common, protection: 'tls-login' });
  const options = { protection: 'tls' as const, ca: certificate.ca, deadlineMs: DEADLINE_MS };
  const source = await startSource(t, { ...options, measuresDelay: true });
  await assert.rejects(source.send(LOAD, hop.port), /530 5\.7\.0 Log in/);
  await assert.rejects(hop.untilArrived(1, 100), /in vain/);
});

test(
  'the programs of Postfix serve where they can',
  { skip: missing('smtp-source', 'smtp-sink') },
  async (t) => {
    const certificate = await makeCertificate('bench');
    const common = { protection: 'clear' as const, measuresDelay: false };
    const hop = await startHop(t, { ...common, certificate, replyDelayMs: 0 });
    const source = await startSource(t, { ...common, ca: certificate.ca, deadlineMs: DEADLINE_MS });
    assert.deepEqual([hop.program, source.program], ['smtp-sink', 'smtp-source']);
    for (const kept of [true, false]) {
      const goal = (await hop.arrived()) + LOAD.messages;
      await source.send({ ...LOAD, kept }, hop.port);
      assert.ok((await hop.untilArrived(goal, DEADLINE_MS)) <= monotonicMs());
      assert.equal(await hop.arrived(), goal);
    }
    await assert.rejects(hop.untilArrived(1000, 50), /40 of 1000 messages/);
  },
);
