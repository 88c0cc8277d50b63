import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { BodySource, makeMail, seeded, streamMail, submissionOf } from './mail-content.js';
import { openPool, type Target } from './mail-sender.js';
import { shippedTopology, startTopology, type RunningTopology } from './running-topology.js';
import { duplicates } from './sink-client.js';

const SEED = 20_260_401;
const CLIENT_CONNECTIONS = 10;
const MESSAGES = 1000;
const SMALLEST_BYTES = 1000;
const LARGEST_BYTES = 500_000;
const LARGE_BYTES = 40_000_000;
const LARGE_AT_ONCE = 10;
/** A node must not hold the messages that pass it in memory: ten of them are 400 MB. */
const MOST_RESIDENT_MB = 250;
const DEADLINE_MS = 120_000;

test('1,000 messages of 1 to 500 kB arrive once and whole', async (t) => {
  const topology = await startTopology(t, shippedTopology('three-tier'));
  const chance = seeded(SEED);
  const source = new BodySource(chance);
  const expected = new Map<string, string>();
  const sizes = Array.from(
    { length: MESSAGES },
    () => SMALLEST_BYTES + Math.floor(chance() * (LARGEST_BYTES - SMALLEST_BYTES)),
  );
  const startMs = performance.now();
  await sendAll(topology.relay('edge'), sizes, (size, index) => {
    const mail = makeMail(`volume-${index}@volume.test`, size, source);
    expected.set(mail.recipient, mail.bodySha256);
    return submissionOf(mail);
  });
  const acceptedMs = performance.now() - startMs;
  await assertArrivedOnceWhole(topology, expected);
  const arrivedMs = performance.now() - startMs;
  const megabytes = sizes.reduce((sum, size) => sum + size, 0) / 1e6;
  t.diagnostic(
    `${MESSAGES} messages, ${megabytes.toFixed(0)} MB (seed ${SEED}): ` +
      `accepted in ${seconds(acceptedMs)}, at the sink after ${seconds(arrivedMs)}`,
  );
  await reportMemory(t, topology, `after ${MESSAGES} messages`);
});

test('messages of 40 MB arrive once and whole, ten at once in bounded memory', async (t) => {
  const topology = await startTopology(t, shippedTopology('three-tier'));
  const source = new BodySource(seeded(SEED));
  for (const [name, count] of [
    ['one', 1],
    ['ten', LARGE_AT_ONCE],
  ] as const) {
    const startMs = performance.now();
    const expected = await sendLarge(topology.relay('edge'), name, count, source);
    await assertArrivedOnceWhole(topology, expected);
    t.diagnostic(`${count} × 40 MB: at the sink after ${seconds(performance.now() - startMs)}`);
    for (const [node, megabytes] of await reportMemory(t, topology, `after ${count} × 40 MB`)) {
      assert.ok(megabytes < MOST_RESIDENT_MB, `${node} had ${megabytes} MB resident`);
    }
  }
});

/** Hands in all at once over a few connections; each message is made when its turn comes. */
async function sendAll(
  target: Target,
  sizes: readonly number[],
  make: (size: number, index: number) => ReturnType<typeof submissionOf>,
): Promise<void> {
  const pool = openPool(target, CLIENT_CONNECTIONS);
  const waiting = [...sizes.entries()];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await pool.send(make(next[1], next[0]));
    }
  };
  try {
    await Promise.all(Array.from({ length: CLIENT_CONNECTIONS }, work));
  } finally {
    pool.close();
  }
}

/** @returns The hash of each recipient's body. */
async function sendLarge(
  target: Target,
  name: string,
  count: number,
  source: BodySource,
): Promise<Map<string, string>> {
  const pool = openPool(target, count);
  const expected = new Map<string, string>();
  try {
    await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const recipient = `${name}-${index}@volume.test`;
        const { submission, sha256 } = streamMail(recipient, LARGE_BYTES, source);
        await pool.send(submission);
        expected.set(recipient, sha256());
      }),
    );
  } finally {
    pool.close();
  }
  return expected;
}

async function assertArrivedOnceWhole(
  topology: RunningTopology,
  expected: ReadonlyMap<string, string>,
): Promise<void> {
  const sink = topology.sink();
  const arrivals = await sink.untilArrived([...expected.keys()], DEADLINE_MS);
  for (const [recipient, bodySha256] of expected) {
    assert.equal(arrivals.get(recipient)?.[0]?.body_sha256, bodySha256, recipient);
  }
  assert.equal(duplicates(arrivals), 0);
}

/** Largest resident set that each node has ever had, in MB. */
async function reportMemory(
  t: TestContext,
  topology: RunningTopology,
  when: string,
): Promise<Map<string, number>> {
  const peaks = new Map<string, number>();
  for (const name of Object.keys(topology.state.nodes)) {
    const status = await readFile(`/proc/${topology.pid(name)}/status`, 'utf8');
    const kilobytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]);
    peaks.set(name, Math.round((kilobytes * 1024) / 1e6));
  }
  const shown = [...peaks].map(([name, megabytes]) => `${name} ${megabytes} MB`);
  t.diagnostic(`peak RSS ${when}: ${shown.join(', ')}`);
  return peaks;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
