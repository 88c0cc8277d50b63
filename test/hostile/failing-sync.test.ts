import assert from 'node:assert/strict';

import { hostileTest } from './rows.js';
import { Accounts } from './accounts.js';
import { startHop } from './hop.js';
import { startHostileNode } from './node-process.js';
import { cannotInject, inject, openFiles } from './system-faults.js';

const KIB = 1024;
const LARGE_BYTES = 400 * KIB;
const DRAIN_MS = 2000;
const SLACK_MS = 5000;

const skip = cannotInject();

// They wait much of the time.
hostileTest(
  'failed-sync',
  'a medium that fails',
  async (t, cases) => {
    cases.add(4);
    await Promise.all([
      t.test('a sync that fails: 451, then 421; nothing unsynced is delivered', async (t) => {
        const hop = await startHop(t, 'away');
        const node = await startHostileNode(t, { hopPort: hop.port });
        const accounts = new Accounts(node.port, 'sync');
        await accounts.handInAll(20);
        await accounts.handInAll(2, { bodyBytes: LARGE_BYTES });
        const waiting = accounts.accepted;

        const heal = await inject(t, node.pid, { calls: ['fdatasync', 'fsync'], error: 'EIO' });
        accounts.start(t, { clients: 5, bodyBytes: 2000 });
        await accounts.untilAnswered(1, /^451 4\.3\.0 /);
        await accounts.untilAnswered(20, /^421 4\.3\.0 /);
        assert.equal(await node.readyStatus(), 503);
        hop.conduct = 'takes';
        await node.api.control('(smarthost)', 'retry');
        await accounts.untilAnswered(20, /^421 4\.3\.0 /);
        assert.deepEqual(accounts.accepted, waiting);
        assert.deepEqual(hop.offered, [], 'no attempt is made whose end could not be stored');
        const said = (await node.log()).filter(
          ({ code, where }) => code === 'SPOOL_FAILED' && where,
        );
        assert.equal(said.length, 1, 'it is said once, with the folder');

        await heal();
        await accounts.untilAnswered(20, /^250 /);
        await accounts.stop();
        await hop.untilTaken(accounts.accepted);
        // What has left is noted before what comes now is safe.
        await node.api.control('(smarthost)', 'pause');
        await accounts.handInAll(5);
        await node.kill();
        await node.start();
        await hop.untilTaken(accounts.accepted);
        await node.untilRecovered();
        t.diagnostic(accounts.summary);
        accounts.assertKeptOnce(hop);
      }),
      t.test('a medium that fails every sync does not hold up the end of the node', async (t) => {
        const hop = await startHop(t, 'away');
        const node = await startHostileNode(t, { hopPort: hop.port });
        const accounts = new Accounts(node.port, 'stop');
        await accounts.handInAll(20);
        const heal = await inject(t, node.pid, { calls: ['fdatasync', 'fsync'], error: 'EIO' });
        assert.match(await accounts.handIn(), /^451 /);
        const { code, tookMs } = await node.stop();
        assert.equal(code, 0);
        assert.ok(tookMs < DRAIN_MS + SLACK_MS, `it took ${tookMs} ms`);
        await heal();
        hop.conduct = 'takes';
        await node.start();
        await hop.untilTaken(accounts.accepted);
        // Nobody can say whether the medium has the message whose sync failed.
        assert.equal(accounts.assertKept(hop, 'refused may be there'), 0);
      }),
      t.test(
        'a body file that cannot be synced costs its message a 451, and no other',
        async (t) => {
          const hop = await startHop(t);
          const node = await startHostileNode(t, { hopPort: hop.port });
          const accounts = new Accounts(node.port, 'body');
          await accounts.handIn(LARGE_BYTES);
          // Of the folder.
          const heal = await inject(t, node.pid, { calls: ['fsync'], error: 'EIO' });
          assert.match(await accounts.handIn(LARGE_BYTES), /^451 4\.3\.0 /);
          assert.match(await accounts.handIn(), /^250 /);
          await heal();
          assert.match(await accounts.handIn(LARGE_BYTES), /^250 /);
          await hop.untilTaken(accounts.accepted);
          accounts.assertKeptOnce(hop);
        },
      ),
      t.test(
        'the log of the store meets ENOSPC: 452, and the node goes on by itself',
        async (t) => {
          const hop = await startHop(t);
          const node = await startHostileNode(t, { hopPort: hop.port });
          const accounts = new Accounts(node.port, 'log');
          await accounts.handInAll(10);
          await hop.untilTaken(accounts.accepted);
          const [file = ''] = openFiles(node.pid, `${node.spoolDir}/store/`, '.log');
          const heal = await inject(t, node.pid, { calls: ['write'], error: 'ENOSPC', file });
          accounts.start(t, { clients: 5, bodyBytes: 2000 });
          await accounts.untilAnswered(5, /^452 4\.3\.1 /);
          // The next log is another file.
          await node.untilLogged(
            'the spool to be opened again',
            ({ event }) => event === 'spool-reopened',
          );
          await accounts.untilAnswered(20, /^250 /);
          await heal();
          await accounts.stop();
          await hop.untilTaken(accounts.accepted);
          assert.equal((await node.stop()).code, 0);
          await node.start();
          await node.untilRecovered();
          t.diagnostic(accounts.summary);
          accounts.assertKeptOnce(hop);
          assert.deepEqual(
            accounts.refusals.filter((reply) => !reply.startsWith('452 ')),
            [],
          );
        },
      ),
    ]);
  },
  { skip, concurrency: 2 },
);
