import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { scratchFolder } from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';
import { SmtpClient } from '../sink/client.js';
import { startNode } from '../smarthost/running-node.js';
import { hostileTest } from './rows.js';
import { Accounts } from './accounts.js';
import { cannotFakeClock, FakedClock } from './faked-clock.js';
import { startHop, type Hop } from './hop.js';
import { startHostileNode, type NodeProcess } from './node-process.js';

const RETRY_SECONDS = 2;
const EXPIRE_SECONDS = 5;
/** What a busy machine adds to a wait. */
const SLACK_MS = 4000;
const DAY_MS = 86_400_000;
/** Where bounces go. */
const SENDER = 'sender@scenario.test';

interface Clocked {
  hop: Hop;
  node: NodeProcess;
  clock: FakedClock;
  accounts: Accounts;
}

async function startClocked(
  t: TestContext,
  config: Readonly<Record<string, number>>,
): Promise<Clocked> {
  const clock = new FakedClock(await scratchFolder(t));
  const hop = await startHop(t);
  hop.busyFor = /^clock-/;
  const node = await startHostileNode(t, { hopPort: hop.port, config, env: clock.env });
  return { hop, node, clock, accounts: new Accounts(node.port, 'clock') };
}

const skip = cannotFakeClock();

// They wait most of the time, so they may as well wait together.
hostileTest(
  'clock',
  'a clock that jumps a day either way',
  async (t, cases) => {
    cases.add(5);
    await Promise.all([
      t.test('deferred mail is due when it would have been', assertDueInTime),
      t.test('mail expires when it would have', assertExpiryInTime),
      t.test('the pause of a hop ends when it would have', assertPauseInTime),
      t.test('a restart after a jump goes on', assertRestart),
      t.test('what a peer hands over again is recognised', assertRepeatRecognised),
    ]);
  },
  { skip, concurrency: true },
);

/** Waits for the next attempt, and asserts that the one before was a retry interval ago. */
async function assertNextInTime(hop: Hop, count: number): Promise<void> {
  const asked = await until(`attempt ${count}`, () =>
    hop.asked.length >= count ? hop.asked : null,
  );
  const gapMs = (asked[count - 1]?.atMs ?? NaN) - (asked[count - 2]?.atMs ?? NaN);
  const waitMs = RETRY_SECONDS * 1000;
  assert.ok(gapMs > waitMs - 100, `attempt ${count} came early, after ${gapMs} ms`);
  assert.ok(gapMs < waitMs * 1.1 + SLACK_MS, `attempt ${count} came late, after ${gapMs} ms`);
}

async function assertSane({ node, accounts }: Clocked): Promise<void> {
  const [queue] = await node.api.queues();
  const age = queue?.oldest_age_seconds ?? 0;
  assert.ok(age >= 0 && age < 60, `the oldest message is ${age} s old`);
  for (const recipient of accounts.accepted) {
    const [record] = await node.api.records(recipient);
    for (const { duration_ms: durationMs, phases_ms: phases } of record?.attempts ?? []) {
      for (const ms of [durationMs, ...Object.values(phases)]) {
        assert.ok(ms >= 0 && ms < 60_000, `an attempt of ${ms} ms`);
      }
    }
  }
}

async function assertDueInTime(t: TestContext): Promise<void> {
  const clocked = await startClocked(t, { 'retry-interval': RETRY_SECONDS });
  const { hop, node, clock, accounts } = clocked;
  await accounts.handIn();
  for (const [index, days] of [1, -1].entries()) {
    await until('an attempt', () => hop.asked.length === index + 1);
    await node.api.untilQueue('(smarthost)', ({ deferred }) => deferred === 1);
    clock.setTo(days);
    await assertNextInTime(hop, index + 2);
    await assertSane(clocked);
  }
  hop.busyFor = null;
  await accounts.handIn();
  await hop.untilTaken(accounts.accepted);
  accounts.assertKeptOnce(hop);
  await assertSane(clocked);
  assert.ok(node.running);
}

async function assertPauseInTime(t: TestContext): Promise<void> {
  const clocked = await startClocked(t, { 'retry-interval': RETRY_SECONDS });
  const { hop, node, clock, accounts } = clocked;
  hop.busyFor = null;
  hop.conduct = 'away';
  await accounts.handIn();
  for (const days of [1, -1]) {
    clock.setTo(days);
    const { next_attempt_at: next } = await node.api.untilQueue(
      '(smarthost)',
      ({ state }) => state === 'backoff',
    );
    const waitMs = Date.parse(next ?? '') - (Date.now() + days * DAY_MS);
    assert.ok(Math.abs(waitMs) < 60_000, `the next attempt is said to be in ${waitMs} ms`);
    await assertSane(clocked);
  }
  hop.conduct = 'takes';
  await hop.untilTaken(accounts.accepted);
  accounts.assertKeptOnce(hop);
}

async function assertExpiryInTime(t: TestContext): Promise<void> {
  const config = { 'retry-interval': 1, 'expire-after': EXPIRE_SECONDS };
  const { hop, node, clock, accounts } = await startClocked(t, config);
  for (const [index, days] of [1, -1].entries()) {
    const startMs = performance.now();
    await accounts.handIn();
    await until('the first attempt', () => hop.asked.length > 0);
    clock.setTo(days);
    const bounce = await until('the bounce', () => hop.taken.get(SENDER)?.[index]);
    const tookMs = bounce.atMs - startMs;
    assert.ok(tookMs > EXPIRE_SECONDS * 1000 - 100, `expired early, after ${tookMs} ms`);
    assert.ok(tookMs < EXPIRE_SECONDS * 1000 + SLACK_MS, `expired late, after ${tookMs} ms`);
    assert.equal(node.running, true);
    hop.asked.length = 0;
  }
}

async function assertRestart(t: TestContext): Promise<void> {
  const clocked = await startClocked(t, { 'retry-interval': RETRY_SECONDS });
  const { hop, node, clock, accounts } = clocked;
  await accounts.handIn();
  await until('the first attempt', () => hop.asked.length === 1);
  await node.api.untilQueue('(smarthost)', ({ deferred }) => deferred === 1);
  for (const [index, days] of [-1, 1].entries()) {
    await node.stop();
    clock.setTo(days);
    await node.start();
    const startMs = performance.now();
    await until('another attempt', () => hop.asked.length >= index + 2);
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs < RETRY_SECONDS * 1100 + SLACK_MS, `${days} d: it took ${tookMs} ms`);
    await assertSane(clocked);
  }
  hop.busyFor = null;
  await accounts.handInAll(3);
  await hop.untilTaken(accounts.accepted);
  accounts.assertKeptOnce(hop);
  assert.ok(!hop.taken.has(SENDER), 'nothing bounced');
}

async function assertRepeatRecognised(t: TestContext): Promise<void> {
  const folder = await scratchFolder(t);
  const clock = new FakedClock(folder);
  const hop = await startHop(t);
  const password = 'peer-to-peer';
  const core = await startNode(t, {
    folder,
    name: 'core',
    env: { ...clock.env, EDGE_CORE: password },
    topology: `version: 1
name: clock
secrets: { edge-core: { env: EDGE_CORE } }
nodes:
  edge: { listen: [{ port: 1 }], api: { port: 2 }, smarthost: core }
  core:
    listen: [{ port: 3 }]
    api: { port: 4 }
    smarthost: { hostname: 127.0.0.1, port: ${hop.port}, tls: none }
links: [{ from: edge, to: core, username: edge, password: { secret: edge-core }, tls: none }]
`,
  });
  const peerId = '1M82BQHD0YZ0PF21V4';
  const handOver = async (): Promise<string> => {
    const client = await SmtpClient.greeted(core.port);
    const words = Buffer.from(`\0edge\0${password}`).toString('base64');
    assert.match(await client.ask(`AUTH PLAIN ${words}`), /^235 /);
    const trace = '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01';
    await client.ask(`MAIL FROM:<${SENDER}> XMESH=1;${trace};edge;${peerId};edge;1`);
    await client.ask('RCPT TO:<repeat@hostile.test>');
    await client.ask('DATA');
    const reply = await client.ask('Subject: once\r\n\r\nonce\r\n.');
    client.destroy();
    return /^250 .*queued as (\w+)$/.exec(reply)?.[1] ?? assert.fail(reply);
  };
  const id = await handOver();
  await hop.untilTaken(['repeat@hostile.test']);
  for (const days of [1, -1]) {
    clock.setTo(days);
    assert.equal(await handOver(), id, `${days} d`);
  }
  clock.setTo(1);
  await core.stop();
  await core.start();
  assert.equal(await handOver(), id, 'after a restart');
  assert.equal(hop.offered.length, 1);
}
