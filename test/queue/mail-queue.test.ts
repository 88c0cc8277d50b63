import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileTest } from '../hostile/rows.js';
import { QueueBench, SETTINGS } from './queue-bench.js';
import {
  aCapacity,
  aHop,
  anItem,
  aRecipient,
  DEFERRED,
  DELIVERED,
  FAILED,
  HOP_FAULT,
  idOf,
  LOST_REPLY,
  NOW_MS,
} from './samples.js';
import { InlineBody } from '../../src/queue/inline-body.js';

/** Seconds after the beginning at which each attempt was made. */
function times(bench: QueueBench): number[] {
  return bench.attempts.map(({ atMs }) => (atMs - NOW_MS) / 1000);
}

test('an accepted message is attempted at once, and gone when the next hop has it', async () => {
  const bench = await QueueBench.started();
  await bench.accept(idOf(1));
  assert.equal(bench.medium.messages.size, 1, 'stored before it is acknowledged');
  await bench.empty();
  assert.deepEqual(bench.attempts, [
    {
      atMs: NOW_MS,
      queueId: idOf(1),
      sender: 'sender@a.example',
      recipients: ['one@b.example'],
      doubt: false,
      hop: 'core',
      onlyHost: null,
      eightBit: false,
      smtpUtf8: false,
      body: `Subject: ${idOf(1)}\r\n\r\nbody\r\n`,
    },
  ]);
  const record = bench.trace.records.get(idOf(1));
  assert.equal(record?.action, 'transferred');
  assert.equal(record.attempts.length, 1);
  assert.ok(record.finished_at !== null);
});

test('a deferred message is tried again at the times of the schedule', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => DEFERRED;
  await bench.accept(idOf(1));
  await bench.attempted(1);
  assert.equal(bench.shown.deferred, 1);
  const stored = JSON.parse(bench.medium.messages.get(idOf(1))?.item ?? '') as ReturnType<
    typeof anItem
  >;
  assert.equal(stored.recipients[0]?.state, 'deferred');
  assert.equal(stored.recipients[0].nextAttemptAtMs, NOW_MS + 60_000);
  for (const seconds of [59, 1, 299, 1, 300]) await bench.pass(seconds);
  assert.deepEqual(times(bench), [0, 60, 360, 660]);
  bench.answer = () => DELIVERED;
  await bench.pass(300);
  await bench.empty();
  assert.equal(bench.trace.records.get(idOf(1))?.recipients[0]?.attempts, 5);
});

hostileTest(
  'hop-refusal',
  'a message that expires is reported with the last words, and the hop is not named as their author',
  async () => {
    const bench = await QueueBench.started();
    bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : DEFERRED);
    await bench.accept(idOf(1));
    await bench.attempted(1);
    for (let count = 0; count < 13; count++) await bench.pass(300);
    await bench.empty();
    const { body, recipients } = bench.bounce;
    assert.deepEqual(recipients, ['sender@a.example']);
    assert.match(body ?? '', /Status: 5\.4\.7/);
    assert.match(
      body ?? '',
      /delivery time expired after \d+ attempts; last: 451 4\.7\.1 greylist/,
    );
    assert.doesNotMatch(body ?? '', /core said|Remote-MTA/);
    assert.ok(times(bench).every((seconds) => seconds <= SETTINGS.expireAfterSeconds));
    assert.equal(bench.trace.records.get(idOf(1))?.action, 'failed');
  },
);

test('a message is tried at least once, however long the node was down', async () => {
  const bench = await QueueBench.started();
  bench.queue.control('(smarthost)', 'pause');
  bench.answer = () => new Promise(() => undefined);
  await bench.accept(idOf(1));
  bench.clock.advance(10 * SETTINGS.expireAfterSeconds * 1000);
  await bench.crash();
  await bench.attempted(1);
  await bench.empty();
  assert.equal(bench.attempts[0]?.queueId, idOf(1));
});

test('a fault of the hop keeps the mail, spends no attempt, and all of it goes once it is healed', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => HOP_FAULT;
  for (let number = 0; number < 20; number++) await bench.accept(idOf(number));
  await bench.attempted(1);
  assert.equal(bench.shown.state, 'backoff');
  assert.equal(bench.shown.last_fault?.description, 'connection refused');
  assert.equal(bench.shown.next_attempt_at, new Date(NOW_MS + 10_000).toISOString());
  for (const seconds of [10, 20, 40, 80, 80]) await bench.pass(seconds);
  assert.deepEqual(times(bench), [0, 10, 30, 70, 150, 230], 'one probe after each pause');
  assert.equal(bench.medium.messages.size, 20);
  bench.answer = () => DELIVERED;
  await bench.pass(80);
  await bench.empty();
  assert.equal(bench.shown.state, 'active');
  for (let number = 0; number < 20; number++) {
    assert.equal(bench.trace.records.get(idOf(number))?.recipients[0]?.attempts, 1, idOf(number));
  }
});

test('a refusal of a message heals the hop: it answered', async () => {
  for (const answer of [DEFERRED, FAILED]) {
    const bench = await QueueBench.started();
    bench.answer = () => HOP_FAULT;
    for (const number of [1, 2, 3]) {
      const recipients = [aRecipient('one@b.example', { notify: 'NEVER' })];
      await bench.accept(idOf(number), { recipients });
    }
    await bench.attempted(1);
    bench.answer = () => answer;
    await bench.pass(10);
    assert.equal(bench.shown.state, 'active', answer.kind);
    assert.equal(bench.attempts.length, 4);
  }
});

test('a message that expires does not heal a hop that is still faulty', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => HOP_FAULT;
  const recipients = [aRecipient('one@b.example', { notify: 'NEVER' })];
  await bench.accept(idOf(1), { expiresAtMs: NOW_MS + 25_000, recipients });
  for (const number of [2, 3, 4]) await bench.accept(idOf(number));
  await bench.attempted(1);
  await bench.pass(10);
  // The first one is taken out by its expiry; another one is the probe.
  await bench.pass(20);
  assert.equal(bench.medium.messages.size, 3);
  assert.equal(bench.attempts.length, 3);
  assert.equal(bench.shown.state, 'backoff');
  assert.equal(bench.shown.next_attempt_at, new Date(NOW_MS + 70_000).toISOString());
});

test('sessions that break over every message do not open the hop in full', async () => {
  const bench = await QueueBench.started();
  bench.capacity = aCapacity({ maxConnections: 5 });
  bench.answer = () => ({ ...LOST_REPLY, kind: 'hop-fault' });
  await bench.accept(idOf(1));
  await bench.attempted(1);
  for (const number of [2, 3, 4, 5, 6]) await bench.accept(idOf(number));
  await bench.pass(10);
  await bench.pass(20);
  assert.deepEqual(
    bench.attempts.map(({ queueId }) => queueId),
    [1, 1, 2].map(idOf),
    'one at a time, and then another one',
  );
  assert.equal(bench.shown.state, 'backoff');
});

test('a lost reply sends the message again with doubt, by the same id', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => LOST_REPLY;
  await bench.accept(idOf(1));
  await bench.attempted(1);
  assert.match(bench.medium.messages.get(idOf(1))?.item ?? '', /"doubt":true/);
  bench.answer = () => DELIVERED;
  await bench.pass(10);
  await bench.empty();
  assert.deepEqual(
    bench.attempts.map(({ queueId, doubt }) => [queueId, doubt]),
    [
      [idOf(1), false],
      [idOf(1), true],
    ],
  );
});

test('recipients of one message have fates of their own', async () => {
  const bench = await QueueBench.started();
  bench.answer = ({ message }) =>
    message.sender === '' ? DELIVERED : [DELIVERED, FAILED, DEFERRED, HOP_FAULT];
  const recipients = ['ok', 'no', 'later', 'fault'].map((local) =>
    aRecipient(`${local}@b.example`),
  );
  await bench.accept(idOf(1), { recipients });
  await bench.attempted(2);
  assert.match(bench.bounce.body ?? '', /Final-Recipient: rfc822; no@b\.example/);
  assert.doesNotMatch(bench.bounce.body ?? '', /ok@|later@|fault@/);
  bench.answer = () => DELIVERED;
  await bench.pass(10);
  await bench.pass(50);
  await bench.empty();
  const own = bench.attempts.filter(({ sender }) => sender !== '');
  assert.deepEqual(
    own.map((attempt) => attempt.recipients),
    [recipients.map(({ address }) => address), ['fault@b.example'], ['later@b.example']],
  );
  assert.deepEqual(
    bench.trace.records.get(idOf(1))?.recipients.map(({ action }) => action),
    ['transferred', 'failed', 'transferred', 'transferred'],
  );
});

test('a damaged body is quarantined: never sent, kept and shown, also after a restart', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => HOP_FAULT;
  await bench.accept(idOf(1), {}, `Subject: x\r\n\r\n${'x'.repeat(2000)}\r\n`);
  await bench.attempted(1);
  bench.medium.files.set(idOf(1), Buffer.from('Subject: x\r\n\r\ncut off'));
  bench.answer = () => DELIVERED;
  await bench.pass(10);
  assert.equal(bench.attempts.at(-1)?.body, null);
  assert.match(bench.medium.messages.get(idOf(1))?.item ?? '', /"state":"quarantined"/);
  assert.equal(
    bench.trace.records.get(idOf(1))?.recipients[0]?.description,
    'the stored body is damaged',
  );
  await bench.restart();
  await bench.pass(10_000);
  assert.deepEqual(bench.attempts, []);
  assert.equal(bench.medium.messages.size, 1);
});

test('a restart takes up what waits: ready at once, deferred when due, all in doubt', async () => {
  const bench = await QueueBench.started();
  bench.answer = ({ message }) => (message.queueId === idOf(1) ? DEFERRED : HOP_FAULT);
  for (const number of [1, 2, 3]) await bench.accept(idOf(number));
  await bench.attempted(2);
  await bench.restart();
  await bench.attempted(2);
  assert.deepEqual(
    bench.attempts.map(({ queueId, doubt }) => [queueId, doubt]),
    [
      [idOf(2), true],
      [idOf(3), true],
    ],
  );
  assert.equal(bench.shown.deferred, 1);
  await bench.pass(59);
  assert.equal(bench.attempts.length, 2);
  await bench.pass(1);
  await bench.empty();
  assert.deepEqual(times(bench), [0, 0, 60]);
});

test('an attempt that a crash cuts off is made again with doubt', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => new Promise(() => undefined);
  await bench.accept(idOf(1), {
    recipients: ['a', 'b'].map((local) => aRecipient(`${local}@b.example`)),
  });
  await bench.crash();
  await bench.empty();
  assert.deepEqual(
    bench.attempts.map(({ recipients, doubt }) => [recipients, doubt]),
    [[['a@b.example', 'b@b.example'], true]],
  );
});

test('a message that was settled but not yet removed is removed at the start, and not sent', async () => {
  const bench = await QueueBench.started();
  const recipients = [
    aRecipient('a@b.example', { state: 'delivered' }),
    aRecipient('b@b.example', { state: 'failed' }),
  ];
  await bench.spool.accept(anItem(idOf(1), { recipients }), new InlineBody([Buffer.alloc(0)]));
  await bench.restart();
  await bench.empty();
  assert.deepEqual(bench.attempts, []);
});

test('corrupt records are shown and stay, and the others go', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => HOP_FAULT;
  for (const number of [1, 2]) await bench.accept(idOf(number));
  await bench.attempted(1);
  Object.assign(bench.medium.messages.get(idOf(1)) ?? {}, { damaged: true });
  await bench.restart();
  await bench.attempted(1);
  assert.deepEqual(
    bench.attempts.map(({ queueId }) => queueId),
    [idOf(2)],
  );
  assert.deepEqual(
    bench.queue.quarantined().map(({ queue_id: id, kind, reason }) => ({ id, kind, reason })),
    [
      {
        id: idOf(1),
        kind: 'corrupt',
        reason: 'its record cannot be read: damaged by the test',
      },
    ],
  );
  assert.ok(bench.captured.codes.includes('SPOOL_RECORD_CORRUPT'));
  assert.deepEqual([...bench.medium.messages.keys()], [idOf(1)]);
});

test('what could not be made durable is not accepted and not sent', async () => {
  const bench = await QueueBench.started();
  assert.equal(bench.queue.accepting, true);
  bench.medium.refusing = true;
  await assert.rejects(bench.accept(idOf(1)), { code: 'SPOOL_FAILED' });
  assert.equal(bench.queue.accepting, false);
  await bench.quiet();
  assert.deepEqual(bench.attempts, []);
  assert.equal(bench.queue.size, 0);
});

test('an operator pauses, resumes and retries a queue by its name', async () => {
  const bench = await QueueBench.started();
  assert.equal(bench.queue.control('(smarthost)', 'pause'), false, 'no such queue yet');
  bench.answer = () => DEFERRED;
  await bench.accept(idOf(1));
  await bench.attempted(1);
  assert.equal(bench.queue.control('(smarthost)', 'pause'), true);
  await bench.accept(idOf(2));
  await bench.pass(100);
  assert.equal(bench.attempts.length, 1);
  assert.deepEqual([bench.shown.state, bench.shown.ready], ['paused', 2]);
  assert.equal(bench.shown.oldest_age_seconds, 100);
  assert.equal(bench.queue.control('(smarthost)', 'resume'), true);
  await bench.attempted(3);
  bench.answer = () => DELIVERED;
  assert.equal(bench.queue.control('(smarthost)', 'retry'), true);
  await bench.empty();
});

test('a reload sends mail that already waits to its new hop', async () => {
  const bench = await QueueBench.started();
  bench.answer = ({ nextHop }) => (nextHop.name === 'core' ? HOP_FAULT : DELIVERED);
  for (const number of [1, 2, 3]) await bench.accept(idOf(number));
  await bench.attempted(1);
  bench.hop = aHop('other');
  bench.queue.reload(SETTINGS);
  await bench.empty();
  assert.deepEqual(
    bench.attempts.slice(1).map(({ hop }) => hop),
    ['other', 'other', 'other'],
  );
});

test('a stop waits for the attempt that is under way and leaves the rest in the spool', async () => {
  const bench = await QueueBench.started();
  bench.capacity = aCapacity({ maxConnections: 1 });
  let deliver: () => void = () => undefined;
  bench.answer = () => new Promise((resolve) => (deliver = () => resolve(DELIVERED)));
  for (const number of [1, 2]) await bench.accept(idOf(number));
  let stopped = false;
  const stop = bench.queue.stop().then(() => (stopped = true));
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(stopped, false);
  deliver();
  await stop;
  assert.deepEqual([...bench.medium.messages.keys()], [idOf(2)]);
  assert.equal(bench.attempts.length, 1);
});

test('one log line tells the outcome of each recipient', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => [DELIVERED, DEFERRED];
  await bench.accept(idOf(1), {
    recipients: ['a', 'b'].map((local) => aRecipient(`${local}@b.example`)),
  });
  await bench.attempted(1);
  const lines = bench.captured.lines.filter(({ event }) => event === 'outcome');
  assert.deepEqual(
    lines.map(({ queue_id, recipient, outcome, code, next_hop }) => [
      queue_id,
      recipient,
      outcome,
      code,
      next_hop,
    ]),
    [
      [idOf(1), 'a@b.example', 'delivered', 250, 'core'],
      [idOf(1), 'b@b.example', 'deferred', 451, 'core'],
    ],
  );
});
