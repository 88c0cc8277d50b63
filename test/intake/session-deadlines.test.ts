import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContentProgress } from '../../src/intake/content-progress.js';
import { SessionDeadlines } from '../../src/intake/session-deadlines.js';
import { ClientContent } from '../../src/policy/client-content.js';
import { CLIENT_LIMITS } from '../policy/usual-limits.js';
import { Dialogue, turns } from './dialogue.js';
import { ManualClock } from './manual-clock.js';
import { runIntake } from './running-intake.js';

const RATE = 100;
const DATA_TIMEOUT_MS = 600_000;
const WINDOW_MS = 30_000;
/** In one window, of one session. */
const DUE_BYTES = (RATE * WINDOW_MS) / 1000;

/** Sessions of one client, each at the beginning of a message. */
function contentsOf(clock: ManualClock, count: number) {
  const client = new ClientContent();
  client.sessions = count;
  return Array.from({ length: count }, () => {
    const progress = new ContentProgress(client, clock);
    const cuts: string[] = [];
    const settings = { clock, idleTimeoutMs: 1, loginTimeoutMs: 1, minDataRate: RATE };
    new SessionDeadlines({ ...settings, dataTimeoutMs: DATA_TIMEOUT_MS }, (why) =>
      cuts.push(why),
    ).awaitContent(progress);
    return { progress, cuts };
  }) as [Content, Content, ...Content[]];
}

interface Content {
  progress: ContentProgress;
  cuts: string[];
}

test('sessions of a client that sends its messages in turn wait for their turn uncut', () => {
  const clock = new ManualClock();
  const [first, second] = contentsOf(clock, 2);
  for (let window = 0; window < 4; window++) {
    first.progress.add(2 * DUE_BYTES);
    clock.advance(WINDOW_MS);
  }
  assert.deepEqual(second.cuts, []);
  // A drip in one session does not keep the other one open.
  first.progress.add(2 * DUE_BYTES - 1);
  clock.advance(WINDOW_MS);
  assert.deepEqual(second.cuts, ['The message came too slowly']);
  assert.deepEqual(first.cuts, []);
});

test('what other clients send keeps no slow session open', () => {
  const clock = new ManualClock();
  const [fast] = contentsOf(clock, 2);
  const [slow] = contentsOf(clock, 2);
  fast.progress.add(100 * DUE_BYTES);
  clock.advance(WINDOW_MS);
  assert.deepEqual(slow.cuts, ['The message came too slowly']);
});

test('while one session of a client waits for our disk the others may be silent', () => {
  const clock = new ManualClock();
  const [waiting, silent] = contentsOf(clock, 2);
  waiting.progress.beginWait();
  clock.advance(3 * WINDOW_MS);
  assert.deepEqual([waiting.cuts, silent.cuts], [[], []]);
  waiting.progress.endWait();
  clock.advance(2 * WINDOW_MS);
  assert.deepEqual(silent.cuts, ['The message came too slowly']);
});

test('the time for which content waits for our disk is added to its deadline, up to as much again', () => {
  const clock = new ManualClock();
  const [content] = contentsOf(clock, 1);
  const { progress, cuts } = content;
  const goOn = (untilMs: number): void => {
    for (; clock.monotonicMs() < untilMs; clock.advance(WINDOW_MS)) progress.add(DUE_BYTES);
  };
  const startMs = clock.monotonicMs();
  progress.beginWait();
  clock.advance(120_000);
  progress.endWait();
  goOn(startMs + DATA_TIMEOUT_MS + 90_000);
  assert.deepEqual(cuts, []);
  progress.beginWait();
  clock.advance(90_000);
  progress.endWait();
  goOn(startMs + DATA_TIMEOUT_MS + 180_000);
  assert.deepEqual(cuts, []);
  goOn(startMs + DATA_TIMEOUT_MS + 240_000);
  assert.deepEqual(cuts, ['The message took too long']);

  const [stuck] = contentsOf(clock, 1);
  stuck.progress.beginWait();
  clock.advance(2 * DATA_TIMEOUT_MS - WINDOW_MS);
  assert.deepEqual(stuck.cuts, []);
  clock.advance(2 * WINDOW_MS);
  assert.deepEqual(stuck.cuts, ['The message took too long']);
});

test('a client that sends two messages in turn gets both through', async (t) => {
  const clock = new ManualClock();
  const settings = { dataTimeoutMs: DATA_TIMEOUT_MS, idleTimeoutMs: DATA_TIMEOUT_MS };
  const { port, spool, listener } = await runIntake(t, {
    clock,
    settings: { ...settings, clients: { ...CLIENT_LIMITS, minDataRate: RATE } },
  });
  const [first, second] = [await Dialogue.open(port), await Dialogue.open(port)];
  const bystander = await Dialogue.open(port);
  for (const client of [first, second]) await client.beginData();
  for (let window = 0; window < 3; window++) {
    first.write(`${'x'.repeat(4 * DUE_BYTES)}\r\n`);
    // A reply to another session: what was written before has been read.
    await bystander.ask('NOOP');
    await turns();
    clock.advance(WINDOW_MS);
  }
  for (const client of [first, second]) {
    client.write('x\r\n.\r\n');
    assert.match(await client.reply(), /^250 /);
  }
  assert.equal(spool.taken.length, 2);
  assert.equal(listener.counts.limited.get('data-rate') ?? 0, 0);
});
