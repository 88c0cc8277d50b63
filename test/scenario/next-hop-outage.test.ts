import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { reportDuplicates } from './duplicate-report.js';
import { MailLoad } from './mail-load.js';
import { shippedTopology, startTopology, type RunningTopology } from './running-topology.js';

const PER_SECOND = 40;
const OUTAGE_MS = 10_000;
/** Messages before the outage and after it: mail is under way when it begins and when it ends. */
const AROUND = 60;
/** A pause that began shortly before the end of the outage lasts 16 s. */
const HEALED_DEADLINE_MS = 45_000;

// Both wait most of the time, so they may as well wait together.
test('mail waits for a next hop that is away', { concurrency: true }, async (t) => {
  await Promise.all([
    t.test('core is stopped for ten seconds and started by hand', async (t) => {
      await assertNothingLost(t, 'stopped', {
        begin: (topology) => topology.end('core', 'SIGTERM'),
        end: (topology) => topology.startByHand('core'),
      });
    }),
    t.test('core hangs for ten seconds', async (t) => {
      await assertNothingLost(t, 'hanging', {
        begin: (topology) => topology.signal('core', 'SIGSTOP'),
        end: (topology) => topology.signal('core', 'SIGCONT'),
      });
    }),
  ]);
});

async function assertNothingLost(
  t: TestContext,
  name: string,
  outage: Record<'begin' | 'end', (topology: RunningTopology) => Promise<void>>,
): Promise<void> {
  const topology = await startTopology(t, shippedTopology('three-tier'));
  const load = new MailLoad(topology.relay('edge'), name, PER_SECOND);
  load.start();
  await load.untilAccepted(AROUND);
  await outage.begin(topology);
  const acceptedBefore = load.accepted.length;
  // The length of the outage is what is tested; nothing is waited for here.
  await pause(OUTAGE_MS);
  const waiting = await waitingAtEdge(topology);
  const acceptedMeanwhile = load.accepted.length - acceptedBefore;
  await outage.end(topology);
  const healedMs = performance.now();
  await load.untilAccepted(AROUND);
  await load.stop();
  const arrivals = await topology.sink().untilArrived(load.recipients, HEALED_DEADLINE_MS);
  const tookMs = performance.now() - healedMs;

  t.diagnostic(
    `${name}: ${load.accepted.length} messages, ${acceptedMeanwhile} of them during the outage; ` +
      `${waiting} waited at edge; all arrived ${(tookMs / 1000).toFixed(1)} s after it`,
  );
  await reportDuplicates(t, topology.api('edge'), arrivals);
  assert.deepEqual(load.failed, []);
  assert.ok(waiting > 0, 'nothing waited, so there was no outage');
  for (const { recipient, bodySha256 } of load.accepted) {
    for (const arrival of arrivals.get(recipient) ?? []) {
      assert.equal(arrival.body_sha256, bodySha256, recipient);
    }
  }
}

async function waitingAtEdge(topology: RunningTopology): Promise<number> {
  const queues = await topology.api('edge').queues();
  return queues.reduce((sum, queue) => sum + queue.ready + queue.sending + queue.deferred, 0);
}
