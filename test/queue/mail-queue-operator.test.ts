import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ActionResult, MessageAction } from '../../src/queue/message-control.js';
import { QueueBench } from './queue-bench.js';
import {
  aHop,
  aRecipient,
  aRoute,
  DEFERRED,
  DELIVERED,
  FAILED,
  HOP_FAULT,
  idOf,
  NOW_MS,
} from './samples.js';

const ID = idOf(1);

async function act(bench: QueueBench, action: MessageAction, id = ID): Promise<ActionResult> {
  const result = await bench.queue.actOn(id, action);
  await bench.quiet();
  return result;
}

async function done(bench: QueueBench, action: MessageAction, id = ID): Promise<string[]> {
  const result = await act(bench, action, id);
  assert.ok(result.done, JSON.stringify(result));
  assert.ok(result.durable);
  return result.message?.recipients.map(({ state }) => state) ?? ['gone'];
}

async function refusal(bench: QueueBench, action: MessageAction, id = ID): Promise<string> {
  const result = await act(bench, action, id);
  assert.ok(!result.done, JSON.stringify(result));
  return result.why;
}

function counts(bench: QueueBench): Record<string, number> {
  const { ready, sending, deferred, held } = bench.shown;
  return { ready, sending, deferred, held };
}

/** A queue with one message that the hop asked to come back with. */
async function deferred(): Promise<QueueBench> {
  const bench = await QueueBench.started();
  bench.answer = () => DEFERRED;
  await bench.accept(ID);
  await bench.attempted(1);
  assert.deepEqual(counts(bench), { ready: 0, sending: 0, deferred: 1, held: 0 });
  return bench;
}

/** The hop answers only when the test says so. */
function gated(bench: QueueBench): () => void {
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  bench.answer = async () => {
    await gate;
    return DEFERRED;
  };
  return () => open();
}

test('a held message is kept, counted and not attempted, whatever happens around it', async () => {
  const bench = await deferred();
  assert.deepEqual(await done(bench, 'hold'), ['held']);
  assert.deepEqual(counts(bench), { ready: 0, sending: 0, deferred: 0, held: 1 });
  assert.ok(bench.queue.control('(smarthost)', 'retry'));
  bench.queue.reload(bench.settings);
  await bench.pass(100 * bench.settings.expireAfterSeconds);
  assert.equal(bench.attempts.length, 1);
  assert.equal(bench.shown.held, 1);
  assert.deepEqual(await done(bench, 'hold'), ['held'], 'again changes nothing');
  assert.equal(bench.queue.queued(ID)?.held_since, new Date(NOW_MS).toISOString());
  const [waiting] = bench.queue.waiting(ID);
  assert.deepEqual([waiting?.state, waiting?.next_attempt_at], ['held', null]);
});

test('what was answered as held is held by the next process, also after a crash', async () => {
  for (const end of ['restart', 'crash'] as const) {
    const bench = await deferred();
    await done(bench, 'hold');
    await bench[end]();
    await bench.pass(600);
    assert.deepEqual(bench.attempts, [], end);
    assert.equal(bench.shown.held, 1);
    assert.equal(bench.queue.queued(ID)?.held_since, new Date(NOW_MS).toISOString());
    assert.deepEqual(await done(bench, 'release'), ['sending']);
    await bench.attempted(1);
    await bench.empty();
  }
});

test('a released message is tried at once, and the time of the hold does not make it older', async () => {
  const bench = await deferred();
  const heldSeconds = 3 * bench.settings.expireAfterSeconds;
  await done(bench, 'hold');
  await bench.pass(heldSeconds);
  await done(bench, 'release');
  assert.equal(bench.attempts.length, 2);
  // Tried further: it did not expire, and for no longer than it had left.
  await bench.pass(300);
  assert.equal(bench.attempts.length, 3);
  await bench.pass(bench.settings.expireAfterSeconds);
  await bench.pass(600);
  assert.match(bench.bounce.body ?? '', /delivery time expired/);
});

test('a release survives a crash with the time that is left', async () => {
  const bench = await deferred();
  await done(bench, 'hold');
  await bench.pass(3 * bench.settings.expireAfterSeconds);
  await done(bench, 'release');
  await bench.crash(() => DEFERRED);
  await bench.pass(300);
  assert.ok(bench.attempts.length > 0);
  assert.ok(bench.attempts.every(({ sender }) => sender !== ''));
  assert.equal(bench.queue.queued(ID)?.held_since, null);
});

test('what wants to go later still does after a hold, unless it is retried', async () => {
  const bench = await QueueBench.started();
  const later = { state: 'deferred' as const, nextAttemptAtMs: NOW_MS + 500_000 };
  for (const number of [1, 2]) {
    await bench.accept(idOf(number), { recipients: [aRecipient('a@b.example', later)] });
  }
  await done(bench, 'hold');
  assert.deepEqual(await done(bench, 'release'), ['deferred']);
  await bench.pass(499);
  assert.equal(bench.attempts.length, 0);
  await done(bench, 'retry', idOf(2));
  assert.deepEqual(
    bench.attempts.map(({ queueId }) => queueId),
    [idOf(2)],
  );
  await bench.pass(2);
  assert.equal(bench.attempts.length, 2);
});

test('a retry makes a message due now, and the next process knows of it', async () => {
  const bench = await deferred();
  bench.answer = () => new Promise(() => undefined);
  const result = await bench.queue.actOn(ID, 'retry');
  assert.ok(result.done && result.durable);
  assert.deepEqual(result.message?.recipients[0]?.state, 'sending');
  await bench.settledTurns();
  assert.equal(bench.attempts.length, 2);
  await bench.crash();
  await bench.attempted(1);
  await bench.empty();
});

test('a retry of a message that waits for a hop at fault asks the hop now, with this message', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => HOP_FAULT;
  for (const number of [1, 2, 3]) await bench.accept(idOf(number));
  await bench.attempted(1);
  assert.equal(bench.shown.state, 'backoff');
  bench.attempts.length = 0;
  bench.answer = () => DELIVERED;
  await done(bench, 'retry', idOf(3));
  assert.equal(bench.attempts[0]?.queueId, idOf(3));
  await bench.empty();
});

test('in a queue that an operator paused, a retry waits first in line', async () => {
  const bench = await deferred();
  assert.ok(bench.queue.control('(smarthost)', 'pause'));
  await bench.accept(idOf(2));
  assert.deepEqual(await done(bench, 'retry'), ['ready']);
  assert.equal(bench.attempts.length, 1);
  bench.answer = () => DELIVERED;
  assert.ok(bench.queue.control('(smarthost)', 'resume'));
  await bench.empty();
  assert.deepEqual(
    bench.attempts.slice(1).map(({ queueId }) => queueId),
    [ID, idOf(2)],
  );
});

test('a deleted message is gone for good, without a bounce, and the trace says so', async () => {
  for (const before of ['deferred', 'held'] as const) {
    const bench = await deferred();
    if (before === 'held') await done(bench, 'hold');
    assert.deepEqual(await done(bench, 'delete'), ['gone']);
    assert.equal(bench.medium.messages.size, 0, 'before the answer');
    assert.deepEqual([bench.queue.size, bench.queue.queued(ID)], [0, null]);
    const [record] = await bench.trace.find(ID);
    assert.ok(record?.finished_at != null);
    assert.deepEqual(
      record.recipients.map(({ action, enhanced_code, description }) => [
        action,
        enhanced_code,
        description,
      ]),
      [['failed', '5.0.0', 'deleted by an operator; last: 451 4.7.1 greylisted, come back']],
    );
    const last = record.attempts.at(-1);
    assert.deepEqual(
      [last?.state, last?.result, last?.description],
      ['process', 'error', 'deleted by an operator'],
    );
    assert.ok(bench.captured.lines.some(({ event }) => event === 'deleted'));
    await bench.crash();
    await bench.pass(600);
    assert.deepEqual([bench.attempts, bench.queue.size], [[], 0]);
    assert.equal(await refusal(bench, 'delete'), 'unknown');
  }
});

test('room that a message took is free when it is deleted', async () => {
  const bench = await QueueBench.started({ maxMessages: 1 });
  bench.answer = () => DEFERRED;
  await bench.accept(ID);
  await bench.attempted(1);
  await assert.rejects(bench.accept(idOf(2)), { code: 'QUEUE_FULL' });
  await done(bench, 'delete');
  await bench.accept(idOf(2));
});

test('an attempt that is under way is not touched, and afterwards it can be', async () => {
  const bench = await QueueBench.started();
  const open = gated(bench);
  await bench.accept(ID);
  await bench.settledTurns();
  for (const action of ['hold', 'delete'] as const) {
    const result = await bench.queue.actOn(ID, action);
    assert.deepEqual(result, { done: false, why: 'sending' });
  }
  // It is being tried, which is all that a retry or a release could bring about.
  for (const action of ['retry', 'release'] as const) {
    const result = await bench.queue.actOn(ID, action);
    assert.ok(result.done && result.message?.recipients[0]?.state === 'sending');
  }
  open();
  await bench.quiet();
  assert.equal(bench.attempts.length, 1);
  assert.deepEqual(counts(bench), { ready: 0, sending: 0, deferred: 1, held: 0 });
  await done(bench, 'hold');
  await done(bench, 'delete');
});

test('while a report is being stored, the message counts as under way', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => [FAILED, DEFERRED];
  const recipients = ['a', 'b'].map((local) => aRecipient(`${local}@b.example`));
  const accept = bench.spool.accept.bind(bench.spool);
  let open: () => void = () => undefined;
  await bench.accept(ID, { recipients });
  bench.spool.accept = async (...message) => {
    await new Promise<void>((resolve) => (open = resolve));
    return accept(...message);
  };
  await bench.settledTurns();
  assert.deepEqual(await bench.queue.actOn(ID, 'delete'), { done: false, why: 'sending' });
  open();
  bench.spool.accept = accept;
  await bench.quiet();
  await done(bench, 'delete');
});

test('recipients that wait in several queues are held, released and deleted together', async () => {
  const bench = await QueueBench.started();
  const hops = { 'a@b.example': aHop('core'), 'b@c.example': aHop('exit') };
  bench.routeOf = (_item, { address }) => aRoute(hops[address as keyof typeof hops]);
  bench.answer = ({ nextHop }) => (nextHop.name === 'core' ? DEFERRED : HOP_FAULT);
  const recipients = Object.keys(hops).map((address) => aRecipient(address));
  await bench.accept(ID, { recipients });
  await bench.attempted(2);
  assert.deepEqual(await done(bench, 'hold'), ['held', 'held']);
  const held = (): string[] => bench.queue.queues().map(({ name, held }) => `${name} ${held}`);
  assert.deepEqual(held(), ['core 1', 'exit 1']);
  assert.equal(bench.queue.messagesIn('exit', 10, '')?.messages[0]?.recipient_count, 1);
  const { routeOf } = bench;
  bench.routeOf = () => aRoute(hops['a@b.example']);
  bench.queue.reload(bench.settings);
  assert.deepEqual(held(), ['core 2'], 'where a changed topology leads it');
  bench.routeOf = routeOf;
  bench.queue.reload(bench.settings);
  await done(bench, 'release');
  assert.deepEqual(
    held().toSorted((a, b) => a.localeCompare(b)),
    ['core 0', 'exit 0'],
  );
  await done(bench, 'delete');
  assert.equal(bench.medium.messages.size, 0);
});

test('what cannot be done is refused, and changes nothing', async () => {
  const bench = await deferred();
  for (const action of ['retry', 'hold', 'release', 'delete'] as const) {
    assert.equal(await refusal(bench, action, idOf(9)), 'unknown');
  }
  await done(bench, 'hold');
  assert.equal(await refusal(bench, 'retry'), 'held');
  assert.equal(bench.shown.held, 1);
});

test('a message in quarantine is tried again or deleted, and not held', async () => {
  for (const action of ['retry', 'delete'] as const) {
    const bench = await QueueBench.started();
    bench.answer = () => FAILED;
    await bench.accept(ID, { sender: '' });
    await bench.attempted(1);
    assert.equal(await refusal(bench, 'hold'), 'quarantined');
    assert.equal(await refusal(bench, 'release'), 'quarantined');
    bench.answer = () => DELIVERED;
    await done(bench, action);
    await bench.empty();
    assert.equal(bench.attempts.length, action === 'retry' ? 2 : 1);
    assert.deepEqual(bench.queue.quarantined(), []);
  }
});

test('a record that cannot be read is only deleted', async () => {
  const bench = await deferred();
  for (const message of bench.medium.messages.values()) message.damaged = true;
  await bench.restart();
  for (const action of ['retry', 'hold', 'release'] as const) {
    assert.equal(await refusal(bench, action), 'unreadable');
  }
  await done(bench, 'delete');
  assert.equal(bench.medium.messages.size, 0);
});

test('while the spool refuses writes it is said that nothing is durable, and later it is', async () => {
  const bench = await deferred();
  bench.medium.full = true;
  const result = await bench.queue.actOn(ID, 'hold');
  assert.ok(result.done && !result.durable);
  assert.equal(bench.shown.held, 1);
  bench.medium.full = false;
  await bench.pass(2);
  await bench.crash();
  await bench.pass(600);
  assert.deepEqual(bench.attempts, []);
  assert.equal(bench.shown.held, 1);
});

test('a page lists what waits in a queue, in whatever way, in order of arrival', async () => {
  const bench = await QueueBench.started();
  bench.answer = ({ message }) => (message.queueId < idOf(4) ? DEFERRED : new Promise(() => {}));
  for (const number of [3, 1, 2, 5, 4]) await bench.accept(idOf(number));
  await bench.settledTurns();
  bench.queue.control('(smarthost)', 'pause');
  await bench.accept(idOf(6));
  await bench.queue.actOn(idOf(2), 'hold');
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page = bench.queue.messagesIn('(smarthost)', 2, cursor);
    assert.ok(page !== null && page.messages.length <= 2);
    seen.push(...page.messages.map((one) => `${one.queue_id} ${one.recipients[0]?.state}`));
    cursor = page.nextCursor;
  }
  const states = ['deferred', 'held', 'deferred', 'sending', 'sending', 'ready'];
  assert.deepEqual(
    seen,
    states.map((state, index) => `${idOf(index + 1)} ${state}`),
  );
  assert.equal(bench.queue.messagesIn('elsewhere', 10, ''), null);
});
