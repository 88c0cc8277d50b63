import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileTest } from '../hostile/rows.js';
import { QueueBench } from './queue-bench.js';
import { aRecipient, DAY_MS, DEFERRED, DELIVERED, HOP_FAULT, idOf, NOW_MS } from './samples.js';

const JUMPS = [
  ['a day forward', DAY_MS],
  ['a day back', -DAY_MS],
  ['a year forward', 365 * DAY_MS],
  ['to the beginning of time', -NOW_MS],
] as const;

/** Somebody sets the clock; nothing else happens. */
function jump(bench: QueueBench, byMs: number): void {
  bench.clock.setWall(bench.clock.nowMs() + byMs);
}

/** Seconds that have passed, whatever the clock says. */
function elapsed(bench: QueueBench): number {
  return bench.clock.monotonicMs() / 1000;
}

/** Notes when attempts are made, by the clock that does not jump. */
function timed(bench: QueueBench): number[] {
  const times: number[] = [];
  const { answer } = bench;
  bench.answer = (...asked) => {
    times.push(elapsed(bench));
    return answer(...asked);
  };
  return times;
}

for (const [what, byMs] of JUMPS) {
  hostileTest(
    'clock',
    `a clock that is set ${what} neither hurries nor holds up what is deferred`,
    async () => {
      const bench = await QueueBench.started();
      bench.answer = () => DEFERRED;
      const times = timed(bench);
      await bench.accept(idOf(1));
      await bench.attempted(1);
      await bench.pass(20);
      jump(bench, byMs);
      for (const seconds of [39, 1, 299, 1, 300]) await bench.pass(seconds);
      assert.deepEqual(times, [0, 60, 360, 660]);
      assert.equal(bench.queue.size, 1, 'it has not expired');
    },
  );

  hostileTest(
    'clock',
    `a clock that is set ${what} lets a message live as long as any other`,
    async () => {
      const bench = await QueueBench.started();
      bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : DEFERRED);
      await bench.accept(idOf(1));
      await bench.attempted(1);
      jump(bench, byMs);
      let goneAfter = 0;
      while (bench.queue.size > 0 && goneAfter < 8000) {
        await bench.pass(60);
        goneAfter = elapsed(bench);
      }
      assert.equal(goneAfter, bench.settings.expireAfterSeconds);
      assert.match(bench.bounce.body ?? '', /delivery time expired/);
    },
  );

  hostileTest(
    'clock',
    `a clock that is set ${what} does not change the pause of a faulty hop`,
    async () => {
      const bench = await QueueBench.started();
      bench.answer = () => HOP_FAULT;
      const times = timed(bench);
      await bench.accept(idOf(1));
      await bench.attempted(1);
      jump(bench, byMs);
      for (const seconds of [9, 1, 19, 1]) await bench.pass(seconds);
      assert.deepEqual(times, [0, 10, 30]);
    },
  );

  hostileTest(
    'clock',
    `a message that wants to go later goes then, by the wait that it had, when the clock is set ${what}`,
    async () => {
      const bench = await QueueBench.started();
      const times = timed(bench);
      const nextAttemptAtMs = NOW_MS + 600_000;
      const recipients = [aRecipient('a@b.example', { state: 'deferred', nextAttemptAtMs })];
      await bench.accept(idOf(1), { recipients });
      jump(bench, byMs);
      await bench.pass(599);
      assert.deepEqual(times, []);
      await bench.pass(1);
      assert.deepEqual(times, [600]);
      await bench.empty();
    },
  );
}

hostileTest(
  'clock',
  'a clock that was set back while the node was down does not hold up what had been tried',
  async () => {
    const bench = await QueueBench.started();
    bench.answer = () => DEFERRED;
    await bench.accept(idOf(1));
    await bench.attempted(1);
    await bench.pass(60);
    await bench.queue.stop();
    jump(bench, -DAY_MS);
    await bench.crash(() => DELIVERED);
    await bench.pass(299);
    assert.equal(bench.attempts.length, 0, 'its wait is kept');
    await bench.pass(1);
    await bench.empty();
  },
);

hostileTest(
  'clock',
  'a clock that was a year ahead and is right again does not hold up what had been tried',
  async () => {
    const bench = await QueueBench.started();
    jump(bench, 365 * DAY_MS);
    bench.answer = () => DEFERRED;
    await bench.accept(idOf(1));
    await bench.attempted(1);
    jump(bench, -365 * DAY_MS);
    await bench.restart(() => DELIVERED);
    await bench.pass(60);
    await bench.empty();
    assert.equal(bench.attempts.length, 1);
  },
);

hostileTest('clock', 'nor does it make a message immortal', async () => {
  const bench = await QueueBench.started();
  jump(bench, 365 * DAY_MS);
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : DEFERRED);
  await bench.accept(idOf(1));
  await bench.attempted(1);
  jump(bench, -365 * DAY_MS);
  const { answer } = bench;
  await bench.restart(answer);
  for (let count = 0; count < 20; count++) await bench.pass(300);
  await bench.empty();
  assert.match(bench.bounce.body ?? '', /delivery time expired/);
});

test('waits of a message of its own are kept over a restart, however long they are', async () => {
  const bench = await QueueBench.started({}, { expireAfterSeconds: 10 * 86_400 });
  bench.answer = () => DEFERRED;
  await bench.accept(idOf(1), { settings: { retryIntervalsSeconds: [86_400] } });
  await bench.attempted(1);
  await bench.restart(() => DELIVERED);
  await bench.pass(86_399);
  assert.equal(bench.attempts.length, 0);
  await bench.pass(1);
  await bench.empty();
});

hostileTest(
  'clock',
  'a message that wants to go later still does after a restart, and after a clock was set back',
  async () => {
    for (const byMs of [0, -DAY_MS]) {
      const bench = await QueueBench.started({}, { expireAfterSeconds: 30 * 86_400 });
      const nextAttemptAtMs = NOW_MS + 10 * DAY_MS;
      const recipients = [aRecipient('a@b.example', { state: 'deferred', nextAttemptAtMs })];
      await bench.accept(idOf(1), { recipients });
      jump(bench, byMs);
      await bench.restart();
      const waitSeconds = (10 * DAY_MS - byMs) / 1000;
      await bench.pass(waitSeconds - 1);
      assert.equal(bench.attempts.length, 0, 'not before the time that it named');
      await bench.pass(1);
      await bench.empty();
    }
  },
);

hostileTest(
  'clock',
  'a clock that was set forward while the node was down: what is over is tried once more, and told',
  async () => {
    const bench = await QueueBench.started();
    bench.answer = () => HOP_FAULT;
    await bench.accept(idOf(1));
    await bench.attempted(1);
    await bench.queue.stop();
    jump(bench, DAY_MS);
    await bench.crash(({ message }) => (message.sender === '' ? DELIVERED : DEFERRED));
    for (let count = 0; count < 3; count++) await bench.pass(60);
    await bench.empty();
    assert.deepEqual(
      bench.attempts.map(({ queueId, sender }) => (sender === '' ? 'report' : queueId)),
      [idOf(1), 'report'],
    );
  },
);
