import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Upkeep } from '../../src/queue/upkeep.js';
import { capturedLog } from '../base/captured-log.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { MemoryMedium, MemorySpool } from './memory-spool.js';
import { anItem, DAY_MS, idOf, NOW_MS } from './samples.js';
import { InlineBody } from '../../src/queue/inline-body.js';

const BODY = new InlineBody([Buffer.alloc(0)]);

class UpkeepBench {
  readonly clock = new VirtualClock(NOW_MS);
  readonly medium = new MemoryMedium();
  readonly spool = new MemorySpool(this.medium);
  readonly captured = capturedLog();
  /** `suspend` and `resume`, in order. */
  readonly calls: string[] = [];
  deliveryKeys = { lifetimeSeconds: 86_400, maxBytes: 1_000_000 };
  readonly upkeep = new Upkeep({
    spool: this.spool,
    deliveryKeys: () => this.deliveryKeys,
    clock: this.clock,
    log: this.captured.log,
    suspend: () => void this.calls.push('suspend'),
    resume: () => void this.calls.push('resume'),
  });

  static async started(): Promise<UpkeepBench> {
    const bench = new UpkeepBench();
    await bench.spool.open();
    bench.upkeep.start();
    await bench.pass(0);
    return bench;
  }

  async fail(why: 'full' | 'refusing' = 'full'): Promise<void> {
    this.medium[why] = true;
    await assert.rejects(this.spool.accept(anItem(idOf(1)), BODY));
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** What `healed` says, as far as it has. */
  healed(): { said: boolean | null } {
    const answer: { said: boolean | null } = { said: null };
    void this.upkeep.healed().then((said) => (answer.said = said));
    return answer;
  }
}

test('a spool that wanted for room is opened again after a second, and again until it is well', async () => {
  const bench = await UpkeepBench.started();
  await bench.fail();
  assert.deepEqual(bench.calls, ['suspend']);
  let reopened = 0;
  const reopen = bench.spool.reopen.bind(bench.spool);
  bench.spool.reopen = () => {
    reopened++;
    return reopen();
  };
  await bench.pass(999);
  assert.equal(reopened, 0);
  await bench.pass(1);
  assert.equal(reopened, 1);
  await bench.pass(1000);
  assert.equal(reopened, 2);
  assert.deepEqual(bench.calls, ['suspend']);
  bench.medium.full = false;
  await bench.pass(1000);
  assert.deepEqual([bench.calls, reopened], [['suspend', 'resume'], 3]);
  assert.ok(bench.captured.lines.some(({ event }) => event === 'spool-reopened'));
  await bench.pass(10_000);
  assert.equal(reopened, 3);
});

test('each failure is said once in the log, with what to do', async () => {
  const bench = await UpkeepBench.started();
  await bench.fail();
  await bench.pass(5000);
  const lines = bench.captured.lines.filter(({ level }) => level === 50);
  assert.deepEqual(
    lines.map(({ code }) => code),
    ['SPOOL_FULL'],
  );
});

test('a spool that failed for other reasons is opened again less and less often, up to a minute', async () => {
  const bench = await UpkeepBench.started();
  const times: number[] = [];
  const reopen = bench.spool.reopen.bind(bench.spool);
  bench.spool.reopen = () => {
    times.push(bench.clock.monotonicMs() / 1000);
    return reopen();
  };
  await bench.fail('refusing');
  for (let seconds = 0; seconds < 250; seconds++) await bench.pass(1000);
  assert.deepEqual(times, [1, 3, 7, 15, 31, 63, 123, 183, 243]);
  assert.deepEqual(bench.calls, ['suspend']);
  bench.medium.refusing = false;
  await bench.pass(60_000);
  assert.deepEqual(bench.calls, ['suspend', 'resume']);
  times.length = 0;
  await bench.fail('refusing');
  await bench.pass(1000);
  assert.equal(times.length, 1, 'the next failure begins anew');
});

test('who waits for the spool hears when it is well, all of them, and at once when it is', async () => {
  const bench = await UpkeepBench.started();
  assert.equal(await bench.upkeep.healed(), true);
  await bench.fail();
  const waiting = [bench.healed(), bench.healed()];
  await bench.pass(1000);
  assert.deepEqual(waiting, [{ said: null }, { said: null }]);
  bench.medium.full = false;
  await bench.pass(1000);
  assert.deepEqual(waiting, [{ said: true }, { said: true }]);
});

test('who waits hears when the node stops first, and nobody waits after that', async () => {
  const bench = await UpkeepBench.started();
  await bench.fail();
  const waiting = bench.healed();
  bench.upkeep.giveUp();
  await bench.pass(0);
  assert.equal(waiting.said, false);
  assert.equal(await bench.upkeep.healed(), false);
  await bench.upkeep.stop();
  assert.equal(bench.clock.timers, 0);
});

test('a stop waits for the opening that is under way, after which nothing starts', async () => {
  const bench = await UpkeepBench.started();
  await bench.fail();
  let go: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (go = resolve));
  bench.spool.reopen = () => opened;
  await bench.pass(1000);
  let stopped = false;
  const stop = bench.upkeep.stop().then(() => (stopped = true));
  await bench.pass(0);
  assert.equal(stopped, false);
  go();
  await stop;
  assert.deepEqual(bench.calls, ['suspend']);
  assert.equal(bench.clock.timers, 0);
});

test('a spool that fails again while it is opened is tried by one timer only', async () => {
  const bench = await UpkeepBench.started();
  await bench.fail();
  let reopened = 0;
  // As when the medium refuses what came in between: heard of, and the opening fails as well.
  bench.spool.reopen = () => {
    reopened++;
    bench.medium.full = false;
    Reflect.get(MemorySpool.prototype, 'reopen').call(bench.spool);
    return bench.fail().then(() => Promise.reject(new Error('refused again')));
  };
  for (const seconds of [1, 2, 3]) {
    await bench.pass(1000);
    assert.equal(reopened, seconds);
  }
  await bench.upkeep.stop();
  await bench.pass(10_000);
  assert.equal(reopened, 3);
  assert.equal(bench.clock.timers, 0);
});

test('notes and keys whose time is over are forgotten at the start and every ten minutes', async () => {
  const bench = new UpkeepBench();
  await bench.spool.open();
  const asked: Array<[string, ...number[]]> = [];
  bench.spool.forgetNotes = async (nowMs) => void asked.push(['notes', nowMs - NOW_MS]);
  bench.spool.forgetKeys = async (bornBeforeMs, nowMs, maxBytes) => {
    asked.push(['keys', bornBeforeMs - NOW_MS, nowMs - NOW_MS, maxBytes]);
    return null;
  };
  bench.upkeep.start();
  await bench.pass(0);
  bench.deliveryKeys = { lifetimeSeconds: 60, maxBytes: 5 };
  await bench.pass(600_000);
  assert.deepEqual(asked, [
    ['notes', 0],
    ['keys', -DAY_MS, 0, 1_000_000],
    ['notes', 600_000],
    ['keys', 540_000, 600_000, 5],
  ]);
});

test('keys that go for want of room are said in the log, with the time from which on they are known', async () => {
  const bench = await UpkeepBench.started();
  bench.spool.forgetKeys = async () => NOW_MS - 5000;
  await bench.pass(600_000);
  const lines = bench.captured.lines.filter(({ event }) => event === 'delivery-keys-cut');
  assert.deepEqual(
    lines.map(({ level, before, max_bytes: bytes }) => [level, before, bytes]),
    [[40, new Date(NOW_MS - 5000).toISOString(), 1_000_000]],
  );
});

test('upkeep that fails is said in the log, and tried again at its next time', async () => {
  const bench = await UpkeepBench.started();
  let asked = 0;
  bench.spool.forgetNotes = () => {
    asked++;
    return Promise.reject(new Error('not now'));
  };
  await bench.pass(600_000);
  await bench.pass(600_000);
  assert.equal(asked, 2);
  assert.equal(bench.captured.lines.filter(({ level }) => level === 50).length, 2);
});
