import assert from 'node:assert/strict';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { hostileTest } from '../hostile/rows.js';
import { scratchFolder } from './programs.js';
import { cannotMount, mountSmallDisk, type SmallDisk } from './small-disk.js';
import { startTwoNodes, type TwoNodes } from './two-nodes.js';
import { until } from './waiting.js';

const MIB = 1024 * 1024;
const DISK_BYTES = 64 * MIB;
const RESERVE_BYTES = 24 * MIB;
const WAITING = 8;
/** Goes into the record of its message; the store gives its room back when it feels like it. */
const INLINE_BODY_BYTES = 200 * 1024;
/** A pause that began shortly before there was room lasts 32 s. */
const ARRIVED_DEADLINE_MS = 60_000;

const FULL = /^452 4\.3\.1 The disk is full; try again later$/;

const skip = cannotMount();

/** Two nodes, of which core has a small disk for its data. */
async function startOnSmallDisk(
  t: TestContext,
  reserve: number,
): Promise<{ nodes: TwoNodes; disk: SmallDisk }> {
  const folder = await scratchFolder(t);
  const disk = mountSmallDisk(t, path.join(folder, 'run', 'nodes', 'core'), DISK_BYTES);
  const nodes = await startTwoNodes(t, [`disk-reserve: ${reserve}`], { folder });
  await nodes.send('edge', 'first@full.test');
  await nodes.assertAllArrivedOnce();
  return { nodes, disk };
}

// Each waits for pauses to end most of the time.
hostileTest(
  'disk-full',
  'a disk that is full',
  async (t, cases) => {
    cases.add(3);
    await Promise.all([
      t.test('of what others write: mail is refused until that is gone', assertFilledByOthers),
      t.test('of the mail itself: it is refused until that has left', assertFilledByMail),
      t.test('to the last byte: nothing that got its 250 is lost', assertNothingLeft),
    ]);
  },
  { skip, concurrency: true },
);

async function assertFilledByOthers(t: TestContext): Promise<void> {
  const { nodes, disk } = await startOnSmallDisk(t, RESERVE_BYTES);
  const { topology } = nodes;
  const pid = topology.pid('core');
  await disk.fillUpTo(RESERVE_BYTES + MIB);
  await nodes.untilAtMail('core', FULL, ` SIZE=${2 * MIB}`);
  assert.match(await nodes.atMail('core'), /^250 /);
  await disk.fillUpTo(RESERVE_BYTES - MIB);
  await nodes.untilAtMail('core', FULL);
  for (let index = 0; index < WAITING; index++) {
    await nodes.send('edge', `waits-${index}@full.test`);
  }
  await nodes.untilEdgePauses(WAITING);
  assert.equal((await topology.sink().stats()).accepted, 1);

  await disk.removeFiller();
  await nodes.untilAtMail('core', /^250 /);
  await nodes.assertAllArrivedOnce(ARRIVED_DEADLINE_MS);
  assert.equal(topology.pid('core'), pid, 'without a restart');
  const said = (await topology.log('core')).filter(({ event }) => event === 'queue-full');
  assert.deepEqual(
    said.map(({ full }) => full),
    ['disk'],
  );
}

async function assertFilledByMail(t: TestContext): Promise<void> {
  const { nodes, disk } = await startOnSmallDisk(t, RESERVE_BYTES);
  await nodes.holdCore(true);
  const most = Math.ceil(DISK_BYTES / INLINE_BODY_BYTES);
  assert.match(await nodes.fillCore('mail', INLINE_BODY_BYTES, most), /452 4\.3\.1 /);
  const free = await disk.freeBytes();
  assert.ok(free > RESERVE_BYTES / 2, `only ${free} bytes of the reserve are left`);
  const size = ` SIZE=${2 * INLINE_BODY_BYTES}`;
  await nodes.untilAtMail('core', FULL, size);

  await nodes.holdCore(false);
  await nodes.assertAllArrivedOnce(ARRIVED_DEADLINE_MS);
  await nodes.untilAtMail('core', /^250 /, size);
  await nodes.send('core', 'again@full.test');
  await nodes.assertAllArrivedOnce(ARRIVED_DEADLINE_MS);
}

async function assertNothingLeft(t: TestContext): Promise<void> {
  const { nodes, disk } = await startOnSmallDisk(t, 0);
  await nodes.holdCore(true);
  await disk.fillUpTo(4 * MIB);
  const most = Math.ceil(DISK_BYTES / INLINE_BODY_BYTES);
  assert.match(await nodes.fillCore('mail', INLINE_BODY_BYTES, most), /452 4\.3\.1 /);

  await disk.removeFiller();
  await nodes.untilAtMail('core', /^250 /);
  await nodes.holdCore(false);
  await nodes.send('edge', 'again@full.test');
  await nodes.assertAllArrivedOnce(ARRIVED_DEADLINE_MS);
  await until('core to be empty', async () => (await nodes.queue('core')).ready === 0);
}
