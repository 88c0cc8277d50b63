import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueueBench } from './queue-bench.js';
import { aRecipient, DAY_MS, DEFERRED, FAILED, idOf, HOP_FAULT } from './samples.js';
import { queueIdTime } from '../../src/base/identifiers.js';

/** What the upstream node calls its message. */
const HANDED_OVER = { node: 'up', queueId: idOf(900) };

/** Recipients in the order of these. */
function to(...locals: string[]) {
  return { recipients: locals.map((local) => aRecipient(`${local}@b.example`)) };
}

/** Who got what, over all attempts. */
function delivered(bench: QueueBench): string[] {
  return bench.attempts.flatMap(({ recipients }) => recipients);
}

test('what is handed over again is answered with the first id, and goes out once', async () => {
  const bench = await QueueBench.started();
  const first = await bench.handOver(idOf(1), { handedOver: HANDED_OVER }, to('a', 'b'));
  assert.deepEqual(first.accepted, { queueId: idOf(1), repeated: false });
  const again = await bench.handOver(idOf(2), { handedOver: HANDED_OVER }, to('a', 'b'));
  assert.deepEqual(again.accepted, { queueId: idOf(1), repeated: true });
  await bench.empty();
  const late = await bench.handOver(idOf(3), { handedOver: HANDED_OVER }, to('b', 'a'));
  assert.deepEqual(late.accepted, { queueId: idOf(1), repeated: true });
  await bench.quiet();
  assert.deepEqual(delivered(bench), ['a@b.example', 'b@b.example']);
  assert.equal(bench.trace.records.size, 1);
  const lines = bench.captured.lines.filter(({ event }) => event === 'repeat');
  assert.deepEqual(
    lines.map(({ queue_id: id, peer, peer_queue_id: peerId }) => [id, peer, peerId]),
    [
      [idOf(1), 'up', idOf(900)],
      [idOf(1), 'up', idOf(900)],
    ],
  );
});

test('it is recognised after a crash of the receiver, whether it had gone on or not', async () => {
  for (const answer of [HOP_FAULT, undefined]) {
    const bench = await QueueBench.started();
    if (answer !== undefined) bench.answer = () => answer;
    await bench.handOver(idOf(1), { handedOver: HANDED_OVER }, to('a'));
    await bench.attempted(1);
    await bench.crash();
    const again = await bench.handOver(idOf(2), { handedOver: HANDED_OVER }, to('a'));
    assert.deepEqual(again.accepted, { queueId: idOf(1), repeated: true });
    await bench.empty();
    assert.equal(delivered(bench).length, answer === undefined ? 0 : 1);
  }
});

test('of what comes again with another recipient only that one is stored and sent', async () => {
  const bench = await QueueBench.started();
  await bench.handOver(idOf(1), { handedOver: HANDED_OVER }, to('a', 'b'));
  const more = await bench.handOver(idOf(2), { handedOver: HANDED_OVER }, to('b', 'c', 'a'));
  assert.deepEqual(more.accepted, { queueId: idOf(2), repeated: false });
  await bench.empty();
  assert.deepEqual(delivered(bench), ['a@b.example', 'b@b.example', 'c@b.example']);
  assert.deepEqual(bench.trace.records.get(idOf(2))?.envelope.recipients, ['c@b.example']);
});

test('the body of a repeat is not kept, neither on the disk nor in memory', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => DEFERRED;
  const long = 'x'.repeat(5000);
  await bench.handOver(idOf(1), { handedOver: HANDED_OVER }, to('a'), long);
  await bench.handOver(idOf(2), { handedOver: HANDED_OVER }, to('a'), long);
  assert.deepEqual([...bench.medium.files.keys()], [idOf(1)]);
  assert.equal(bench.queue.size, 1);
  assert.equal(bench.queue.find(idOf(2)), undefined);
});

test('what could not be stored is no repeat when it comes again', async () => {
  const bench = await QueueBench.started();
  bench.medium.full = true;
  const handed = { handedOver: HANDED_OVER };
  await assert.rejects(bench.handOver(idOf(1), handed, to('a')), { code: 'SPOOL_FULL' });
  await assert.rejects(bench.handOver(idOf(2), handed, to('a')), { code: 'SPOOL_FULL' });
  bench.medium.full = false;
  await bench.pass(1);
  const { accepted } = await bench.handOver(idOf(3), handed, to('a'));
  assert.deepEqual(accepted, { queueId: idOf(3), repeated: false });
  await bench.empty();
  assert.deepEqual(delivered(bench), ['a@b.example']);
});

test('a repeat needs no room', async () => {
  const bench = await QueueBench.started({ maxMessages: 1 });
  bench.answer = () => DEFERRED;
  const handed = { handedOver: HANDED_OVER };
  await bench.handOver(idOf(1), handed, to('a'));
  const { accepted } = await bench.handOver(idOf(2), handed, to('a'));
  assert.equal(accepted.repeated, true);
  await assert.rejects(bench.handOver(idOf(3), handed, to('a', 'b')), { code: 'QUEUE_FULL' });
});

test('mail that failed here is not taken again: its sender was told', async () => {
  const bench = await QueueBench.started();
  bench.answer = ({ message }) => (message.sender === '' ? DEFERRED : FAILED);
  await bench.handOver(idOf(1), { handedOver: HANDED_OVER }, to('a'));
  await bench.attempted(2);
  const again = await bench.handOver(idOf(2), { handedOver: HANDED_OVER }, to('a'));
  assert.equal(again.accepted.repeated, true);
});

test('keys are forgotten after the lifetime that the settings give them', async () => {
  const lifetimeSeconds = 2 * (DAY_MS / 1000);
  const bench = await QueueBench.started({}, { deliveryKeys: { lifetimeSeconds, maxBytes: 1e9 } });
  const queueId = `${queueIdTime(bench.clock.nowMs())}ABCDEFGHJ`;
  const handed = { handedOver: { node: 'up', queueId } };
  await bench.handOver(idOf(1), handed, to('a'));
  await bench.pass(lifetimeSeconds - 600);
  assert.equal((await bench.handOver(idOf(2), handed, to('a'))).accepted.repeated, true);
  for (let round = 0; round < 3; round++) await bench.pass(600);
  assert.equal((await bench.handOver(idOf(3), handed, to('a'))).accepted.repeated, false);
});

test('what comes from anybody else has no keys', async () => {
  const bench = await QueueBench.started();
  await bench.accept(idOf(1));
  await bench.accept(idOf(2));
  await bench.empty();
  assert.equal(bench.medium.keys.size, 0);
  assert.equal(bench.attempts.length, 2);
});
