import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_UNFINISHED } from '../../src/queue/delivery.js';
import { QueueBench } from './queue-bench.js';
import {
  aCapacity,
  aRecipient,
  DEFERRED,
  DELIVERED,
  FAILED,
  HOP_FAULT,
  idOf,
  NOW_MS,
  UNREADABLE,
} from './samples.js';

/** Mail that nobody can be told of, as reports of others are. */
const NULL_SENDER = { sender: '' };

/** Ids and kinds of what is in quarantine, oldest first. */
function shown(bench: QueueBench): string[] {
  return bench.queue.quarantined().map(({ queue_id: id, kind }) => `${kind} ${id}`);
}

/** How many messages the list of queues shows in quarantine. */
function held(bench: QueueBench): number {
  return bench.queue.queues().find(({ name }) => name === '(quarantine)')?.held ?? 0;
}

/** A queue with one message in quarantine: nobody could be told that it failed. */
async function undeliverable(): Promise<QueueBench> {
  const bench = await QueueBench.started();
  bench.answer = () => FAILED;
  await bench.accept(idOf(1), NULL_SENDER);
  await bench.attempted(1);
  assert.deepEqual(shown(bench), [`undeliverable ${idOf(1)}`]);
  return bench;
}

test('mail of the null sender that fails is kept, and shown with the words of the hop', async () => {
  const bench = await undeliverable();
  await bench.pass(90);
  const [queue] = bench.queue.queues().filter(({ name }) => name === '(quarantine)');
  assert.deepEqual(
    [queue?.held, queue?.ready, queue?.state, queue?.oldest_age_seconds],
    [1, 0, 'paused', 90],
  );
  const [message] = bench.queue.quarantined();
  assert.equal(message?.since, new Date(NOW_MS).toISOString());
  assert.match(message.reason, /no sender to tell: 550 5\.1\.1 no such user here/);
  assert.equal(bench.attempts.length, 1, 'it is not tried again, and nobody is written to');
  assert.equal(bench.queue.size, 1, 'it counts for the limits of the queue');
});

test('it is still there after a restart, and after a crash, and is not sent', async () => {
  const bench = await undeliverable();
  await bench.restart();
  assert.deepEqual(shown(bench), [`undeliverable ${idOf(1)}`]);
  await bench.crash();
  await bench.pass(600);
  assert.deepEqual(shown(bench), [`undeliverable ${idOf(1)}`]);
  assert.deepEqual(bench.attempts, []);
  assert.equal(bench.queue.quarantined()[0]?.since, new Date(NOW_MS).toISOString());
});

test('what its sender wants to hear nothing of just goes', async () => {
  for (const notify of ['NEVER', 'SUCCESS', 'DELAY']) {
    const bench = await QueueBench.started();
    bench.answer = () => FAILED;
    const recipients = [aRecipient('a@b.example', { notify })];
    await bench.accept(idOf(1), { ...NULL_SENDER, recipients });
    await bench.attempted(1);
    await bench.empty();
    assert.deepEqual(shown(bench), [], notify);
  }
});

test('of several recipients only those are kept that failed, while the others go on', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => [DELIVERED, FAILED, DEFERRED];
  const recipients = ['a', 'b', 'c'].map((local) => aRecipient(`${local}@b.example`));
  await bench.accept(idOf(1), { ...NULL_SENDER, recipients });
  await bench.attempted(1);
  const addresses = (): string[] | undefined =>
    bench.queue.quarantined()[0]?.recipients.map(({ address }) => address);
  assert.deepEqual(addresses(), ['b@b.example']);
  bench.answer = () => FAILED;
  await bench.pass(60);
  assert.deepEqual(addresses(), ['b@b.example', 'c@b.example']);
  assert.equal(held(bench), 1, 'it is one message');
});

test('an operator tries it again, with a new lifetime that survives a restart', async () => {
  const bench = await undeliverable();
  await bench.pass(10 * bench.settings.expireAfterSeconds);
  bench.answer = () => DEFERRED;
  assert.equal(bench.queue.retryQuarantined(idOf(1)), true);
  await bench.attempted(2);
  assert.deepEqual([shown(bench), held(bench)], [[], 0]);
  await bench.restart(() => DEFERRED);
  await bench.pass(60);
  // As if it had just come in: at the intervals from the first one on, until its time is over.
  const nowMs = bench.clock.nowMs();
  await bench.pass(300);
  const times = bench.attempts.map(({ atMs }) => (atMs - nowMs) / 1000);
  assert.deepEqual(times, [0, 300]);
  bench.answer = () => DELIVERED;
  await bench.pass(300);
  await bench.empty();
});

test('that it is tried again is known to the next process too, before anything came of it', async () => {
  const bench = await undeliverable();
  await bench.pass(10 * bench.settings.expireAfterSeconds);
  bench.answer = () => new Promise(() => undefined);
  assert.equal(bench.queue.retryQuarantined(idOf(1)), true);
  await bench.settledTurns();
  await bench.crash(() => DEFERRED);
  assert.deepEqual(shown(bench), []);
  await bench.attempted(1);
  // Its time is not over: it is tried further.
  for (const count of [2, 3]) {
    await bench.pass(300);
    assert.equal(bench.attempts.length, count);
  }
});

test('one that was tried again and fails again is kept again', async () => {
  const bench = await undeliverable();
  await bench.pass(100);
  assert.equal(bench.queue.retryQuarantined(idOf(1)), true);
  await bench.attempted(2);
  assert.deepEqual(shown(bench), [`undeliverable ${idOf(1)}`]);
  assert.equal(bench.queue.quarantined()[0]?.since, new Date(NOW_MS + 100_000).toISOString());
});

test('an operator deletes it, and nothing of it stays', async () => {
  const bench = await undeliverable();
  assert.equal(bench.queue.deleteQuarantined(idOf(1)), true);
  await bench.empty();
  assert.deepEqual([shown(bench), held(bench), bench.queue.size], [[], 0, 0]);
  const lines = bench.captured.lines.filter(({ event }) => event === 'deleted');
  assert.deepEqual(
    lines.map(({ queue_id: id }) => id),
    [idOf(1)],
  );
  await bench.restart();
  await bench.quiet();
  assert.deepEqual(bench.attempts, []);
});

test('a deleted message with a recipient that still waits stays for that one', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => [FAILED, DEFERRED];
  const recipients = ['a', 'b'].map((local) => aRecipient(`${local}@b.example`));
  await bench.accept(idOf(1), { ...NULL_SENDER, recipients });
  await bench.attempted(1);
  assert.equal(bench.queue.deleteQuarantined(idOf(1)), true);
  await bench.restart();
  assert.deepEqual(shown(bench), []);
  await bench.pass(60);
  await bench.empty();
  assert.deepEqual(
    bench.attempts.map((attempt) => attempt.recipients),
    [['b@b.example']],
  );
});

test('what is not in quarantine is neither tried again nor deleted', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => DEFERRED;
  await bench.accept(idOf(1));
  await bench.attempted(1);
  for (const id of [idOf(1), idOf(2), '', '__proto__']) {
    assert.equal(bench.queue.retryQuarantined(id), false, id);
    assert.equal(bench.queue.deleteQuarantined(id), false, id);
  }
  assert.equal(bench.queue.size, 1);
});

test('a deletion that the medium refuses is made good', async () => {
  const bench = await undeliverable();
  bench.medium.full = true;
  assert.equal(bench.queue.deleteQuarantined(idOf(1)), true);
  await bench.settledTurns();
  assert.equal(bench.medium.messages.size, 1);
  bench.medium.full = false;
  await bench.pass(1);
  await bench.empty();
});

test('of own reports that nobody takes only so many are kept, the latest', async () => {
  const bench = await QueueBench.started({ maxQuarantined: 2 });
  bench.answer = () => FAILED;
  for (const number of [1, 2, 3]) {
    await bench.accept(idOf(number));
    await bench.quiet();
  }
  await bench.accept(idOf(4), NULL_SENDER);
  await bench.quiet();
  const causes = bench.queue.quarantined().map(({ bounce_of: cause, sender }) => [cause, sender]);
  assert.deepEqual(causes, [
    [idOf(2), ''],
    [idOf(3), ''],
    [null, ''],
  ]);
  const lines = bench.captured.lines.filter(({ event }) => event === 'report-discarded');
  assert.deepEqual(
    lines.map(({ bounce_of: cause, level }) => [cause, level]),
    [[idOf(1), 50]],
  );
  assert.equal(bench.medium.messages.size, 3);
  await bench.restart();
  assert.equal(bench.queue.quarantined().length, 3);
});

test('a message whose body cannot be read is kept, and its report goes', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => HOP_FAULT;
  await bench.accept(idOf(1), {}, 'x'.repeat(2000));
  await bench.attempted(1);
  bench.medium.files.delete(idOf(1));
  await bench.restart();
  await bench.attempted(1);
  assert.deepEqual(shown(bench), [`unreadable ${idOf(1)}`]);
  assert.equal(bench.attempts[0]?.body, null);
  assert.equal(bench.attempts.length, 1, 'nothing was sent, and nobody was told: it may be mended');
  await bench.restart();
  await bench.pass(600);
  assert.deepEqual(shown(bench), [`unreadable ${idOf(1)}`]);
  assert.deepEqual(bench.attempts, []);
});

test('a body that is back is sent when an operator says so', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => UNREADABLE;
  await bench.accept(idOf(1));
  await bench.attempted(1);
  assert.deepEqual(shown(bench), [`unreadable ${idOf(1)}`]);
  bench.answer = () => DELIVERED;
  assert.equal(bench.queue.retryQuarantined(idOf(1)), true);
  await bench.empty();
  assert.equal(bench.trace.records.get(idOf(1))?.action, 'transferred');
});

test('a record that cannot be read is shown, stays, and goes when an operator says so', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => HOP_FAULT;
  await bench.accept(idOf(1), {}, 'x'.repeat(2000));
  await bench.attempted(1);
  Object.assign(bench.medium.messages.get(idOf(1)) ?? {}, { damaged: true });
  await bench.restart();
  await bench.restart();
  assert.deepEqual([shown(bench), held(bench)], [[`corrupt ${idOf(1)}`], 1]);
  assert.equal(bench.queue.retryQuarantined(idOf(1)), false, 'there is nothing that could be sent');
  assert.equal(bench.queue.deleteQuarantined(idOf(1)), true);
  await bench.empty();
  assert.equal(bench.medium.files.size, 0);
  assert.equal(held(bench), 0);
});

test('a message over which the attempt breaks off three times in a row is taken out of the way of the others', async () => {
  const bench = await QueueBench.started();
  bench.capacity = aCapacity({ maxConnections: 1 });
  bench.answer = ({ message }) => {
    if (message.queueId === idOf(1)) throw new TypeError('a bug of ours');
    return DELIVERED;
  };
  for (const number of [1, 2, 3]) await bench.accept(idOf(number));
  for (let count = 0; count < 10; count++) await bench.pass(10);
  assert.deepEqual(shown(bench), [`crashed ${idOf(1)}`]);
  assert.deepEqual(
    bench.attempts.map(({ queueId }) => queueId),
    [1, 1, 1, 2, 3].map(idOf),
  );
  assert.equal(MAX_UNFINISHED, 3);
  assert.match(bench.queue.quarantined()[0]?.recipients[0]?.description ?? '', /a bug of ours/);
  assert.equal(bench.queue.size, 1);
});

test('it is still there after a restart, is tried again by an operator, and has three attempts again', async () => {
  const bench = await QueueBench.started();
  const bug = (): never => {
    throw new TypeError('a bug of ours');
  };
  bench.answer = bug;
  await bench.accept(idOf(1));
  for (let count = 0; count < 10; count++) await bench.pass(10);
  await bench.restart(bug);
  await bench.pass(600);
  assert.deepEqual(shown(bench), [`crashed ${idOf(1)}`]);
  assert.deepEqual(bench.attempts, []);
  assert.equal(bench.queue.retryQuarantined(idOf(1)), true);
  for (let count = 0; count < 10; count++) await bench.pass(10);
  assert.equal(bench.attempts.length, 3);
  assert.deepEqual(shown(bench), [`crashed ${idOf(1)}`]);
  bench.answer = () => DELIVERED;
  assert.equal(bench.queue.retryQuarantined(idOf(1)), true);
  await bench.empty();
});

test('attempts that end in between begin the count anew', async () => {
  const bench = await QueueBench.started();
  let count = 0;
  bench.answer = () => {
    if (++count % 3 !== 0) throw new TypeError('a bug of ours');
    return DEFERRED;
  };
  await bench.accept(idOf(1));
  for (let passed = 0; passed < 60; passed++) await bench.pass(30);
  assert.ok(count > 8, `${count} attempts`);
  assert.deepEqual(shown(bench), []);
});

test('a report that breaks off for an error of ours leaves the message where it is seen, or is made again', async () => {
  const bench = await QueueBench.started();
  const { reports } = bench.settings;
  bench.answer = ({ message }) => {
    if (message.sender === '') return DELIVERED;
    // The next one to ask is the one who makes the report.
    Object.defineProperty(bench.settings, 'reports', {
      configurable: true,
      get() {
        Object.defineProperty(bench.settings, 'reports', { value: reports });
        throw new TypeError('a bug of ours');
      },
    });
    return FAILED;
  };
  await bench.accept(idOf(1));
  await bench.attempted(1);
  assert.ok(bench.captured.lines.some(({ message }) => message === 'a bug of ours'));
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : FAILED);
  for (let count = 0; count < 20; count++) await bench.pass(30);
  const told = bench.attempts.some(({ sender }) => sender === '');
  assert.ok(told || held(bench) === 1, 'nobody was told, and nobody sees it');
});
