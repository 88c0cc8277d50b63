import assert from 'node:assert/strict';
import path from 'node:path';

import { codeOf } from '../../src/base/errors.js';
import { scratchFolder } from '../scenario/programs.js';
import { cannotMount, mountSmallDisk } from '../scenario/small-disk.js';
import { hostileTest } from './rows.js';
import { Accounts } from './accounts.js';
import { startHop } from './hop.js';
import { startHostileNode } from './node-process.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const DISK_BYTES = 48 * MIB;
const DRAIN_MS = 2000;
const SLACK_MS = 5000;

const skip = cannotMount();
const FULL = /^452 4\.3\.1 /;

hostileTest(
  'disk-full',
  'disk full, without a reserve: 452, and the node goes on by itself',
  async (t) => {
    const folder = await scratchFolder(t);
    const disk = mountSmallDisk(t, path.join(folder, 'data'), DISK_BYTES);
    const hop = await startHop(t);
    const node = await startHostileNode(t, { hopPort: hop.port, folder });
    const small = new Accounts(node.port, 'small');
    const large = new Accounts(node.port, 'large');
    small.start(t, { clients: 4, bodyBytes: 20 * KIB });
    large.start(t, { clients: 1, bodyBytes: 400 * KIB });
    await Promise.all([small.untilAnswered(30, /^250/), large.untilAnswered(3, /^250/)]);

    // The node writes meanwhile, so the end may come before the filler's last byte.
    await disk.fillUpTo(0).catch((error: unknown) => assert.equal(codeOf(error), 'ENOSPC'));
    await Promise.all([small.untilAnswered(50, FULL), large.untilAnswered(5, FULL)]);
    await disk.removeFiller();
    await Promise.all([small.untilAnswered(30, /^250/), large.untilAnswered(3, /^250/)]);
    await Promise.all([small.stop(), large.stop()]);
    await hop.untilTaken([...small.accepted, ...large.accepted]);

    await node.api.control('(smarthost)', 'pause');
    await small.handInAll(20);
    // Traces are written a moment later, and before they are listed.
    await node.api.records('nobody@hostile.test');
    await node.kill();
    await node.start();
    await hop.untilTaken(small.accepted);
    for (const accounts of [small, large]) {
      t.diagnostic(accounts.summary);
      accounts.assertKeptOnce(hop);
      const others = accounts.refusals.filter((reply) => !FULL.test(reply));
      assert.deepEqual(others, [], 'neither is the mail wrong nor the node broken');
      const untold = await Promise.all(
        accounts.accepted.map(async (recipient) => {
          const [record] = await node.api.records(recipient);
          return record?.finished_at == null ? [recipient] : [];
        }),
      );
      assert.deepEqual(untold.flat(), [], 'every message can be followed');
    }
  },
  { skip },
);

hostileTest(
  'disk-full',
  'a node whose disk is full stops in time, and has its mail at the next start',
  async (t) => {
    const folder = await scratchFolder(t);
    const disk = mountSmallDisk(t, path.join(folder, 'data'), DISK_BYTES);
    const hop = await startHop(t, 'away');
    const node = await startHostileNode(t, { hopPort: hop.port, folder });
    const accounts = new Accounts(node.port, 'stop');
    accounts.start(t, { clients: 4, bodyBytes: 20 * KIB });
    await accounts.untilAnswered(20, /^250/);
    await disk.fillUpTo(0).catch((error: unknown) => assert.equal(codeOf(error), 'ENOSPC'));
    await accounts.untilAnswered(5, FULL);
    const { code, tookMs } = await node.stop();
    await accounts.stop();
    assert.equal(code, 0);
    assert.ok(tookMs < DRAIN_MS + SLACK_MS, `it took ${tookMs} ms`);
    await disk.removeFiller();
    hop.conduct = 'takes';
    await node.start();
    await hop.untilTaken(accounts.accepted);
    t.diagnostic(accounts.summary);
    accounts.assertKeptOnce(hop);
  },
  { skip },
);
