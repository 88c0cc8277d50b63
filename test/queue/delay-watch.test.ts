import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DelayWatch } from '../../src/queue/delay-watch.js';
import type { Item } from '../../src/queue/item.js';
import { capturedLog } from '../base/captured-log.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { SETTINGS } from './queue-bench.js';
import { anItem, aRecipient, NOW_MS } from './samples.js';

interface Watching {
  clock: VirtualClock;
  watch: DelayWatch;
  spool: { healthy: boolean };
  reports: { delayAfterSeconds: number; maxPerMinute: number };
  /** Ids of what was reported, in order. */
  reported: string[];
  /** Rounds that were begun. */
  rounds: number;
}

function watching(items: Iterable<Item>, onReport: (item: Item) => Promise<void> | void): Watching {
  const clock = new VirtualClock();
  const spool = { healthy: true };
  const reports = { maxPerMinute: 60, delayAfterSeconds: 600 };
  const seen: Watching = {
    clock,
    spool,
    reports,
    reported: [],
    rounds: 0,
    watch: new DelayWatch({
      settings: () => ({ ...SETTINGS, reports }),
      spool,
      clock,
      log: capturedLog().log,
      items: () => {
        seen.rounds++;
        return items;
      },
      report: async (item) => {
        seen.reported.push(item.id);
        await onReport(item);
      },
    }),
  };
  return seen;
}

/** Has waited for an hour when the clock starts. */
function waiting(id: string, changes: Partial<Item> = {}): Item {
  return anItem(id, {
    recipients: [aRecipient('one@b.example', { notify: 'DELAY' })],
    receivedAtMs: NOW_MS - 3_600_000,
    expiresAtMs: NOW_MS + 3_600_000,
    deadlineMs: 3_600_000,
    ...changes,
  });
}

async function turns(): Promise<void> {
  for (let count = 0; count < 20; count++) await new Promise((resolve) => setImmediate(resolve));
}

test('a round comes as often as a tenth of the delay, between a second and a minute', async () => {
  for (const [delayAfterSeconds, roundMs] of [
    [1, 1000],
    [100, 10_000],
    [14_400, 60_000],
  ] as const) {
    const seen = watching([], () => undefined);
    seen.reports.delayAfterSeconds = delayAfterSeconds;
    seen.watch.start();
    assert.deepEqual(seen.clock.delaysMs, [roundMs]);
    await seen.watch.stop();
    assert.equal(seen.clock.timers, 0);
  }
});

test('each message is told of alone, and one that cannot be does not hold up the others', async () => {
  let underWay = 0;
  const seen = watching(
    ['1', '2', '3'].map((id) => waiting(id)),
    async ({ id }) => {
      assert.equal(++underWay, 1);
      await turns();
      underWay--;
      if (id === '2') throw new Error('no');
    },
  );
  seen.watch.start();
  seen.clock.advance(60_000);
  for (let count = 0; count < 10; count++) await turns();
  assert.deepEqual(seen.reported, ['1', '2', '3']);
  assert.equal(seen.clock.timers, 1, 'the next round');
  await seen.watch.stop();
});

test('a stop ends the round that is under way after its message', async () => {
  let ended = 0;
  const seen = watching(
    ['1', '2'].map((id) => waiting(id)),
    async () => {
      await turns();
      ended++;
    },
  );
  seen.watch.start();
  seen.clock.advance(60_000);
  await seen.watch.stop();
  assert.deepEqual([seen.reported, ended], [['1'], 1]);
  seen.clock.advance(600_000);
  await turns();
  assert.equal(seen.rounds, 1);
  assert.equal(seen.clock.timers, 0);
});

test('while the spool takes nothing no report is made', async () => {
  const seen = watching([waiting('1')], () => undefined);
  seen.spool.healthy = false;
  seen.watch.start();
  seen.clock.advance(60_000);
  await turns();
  assert.deepEqual(seen.reported, []);
  seen.spool.healthy = true;
  seen.clock.advance(60_000);
  await turns();
  assert.deepEqual(seen.reported, ['1']);
  await seen.watch.stop();
});

test('only what waits is late: not what is done, under way, in quarantine, or told of', async () => {
  const of = (id: string, state: 'sending' | 'delivered' | 'failed' | 'quarantined'): Item =>
    waiting(id, { recipients: [aRecipient('one@b.example', { notify: 'DELAY', state })] });
  const seen = watching(
    [
      of('1', 'sending'),
      of('2', 'delivered'),
      of('3', 'failed'),
      of('4', 'quarantined'),
      waiting('5', {
        recipients: [aRecipient('one@b.example', { notify: 'DELAY', delayReportedAtMs: NOW_MS })],
      }),
      waiting('6', { recipients: [aRecipient('one@b.example')] }),
      waiting('7', { sender: '' }),
      waiting('8', {
        recipients: [aRecipient('one@b.example', { notify: 'DELAY', state: 'held' })],
      }),
    ],
    () => undefined,
  );
  seen.watch.start();
  seen.clock.advance(60_000);
  await turns();
  assert.deepEqual(seen.reported, ['8']);
  await seen.watch.stop();
});

test('a round through much mail lets other things run', async () => {
  let others = 0;
  let othersBeforeLast = 0;
  function* much(): Generator<Item> {
    for (let index = 0; index < 12_000; index++) yield waiting(`${index}`, { sender: '' });
    othersBeforeLast = others;
  }
  const seen = watching(much(), () => undefined);
  seen.watch.start();
  setImmediate(() => others++);
  seen.clock.advance(60_000);
  await turns();
  assert.equal(othersBeforeLast, 1);
  assert.equal(seen.clock.timers, 1, 'the round has ended');
  await seen.watch.stop();
});
