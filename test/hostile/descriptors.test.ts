import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';

import { missing } from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';
import { SmtpClient } from '../sink/client.js';
import { hostileTest } from './rows.js';
import { Accounts, LOST } from './accounts.js';
import { startHop } from './hop.js';
import { startHostileNode } from './node-process.js';
import { allowDescriptors, forbidDescriptors, openDescriptors } from './system-faults.js';

const KIB = 1024;
const LARGE_BYTES = 400 * KIB;

const skip = missing('prlimit');

// They wait much of the time.
hostileTest(
  'descriptors',
  'too few descriptors',
  async (t, cases) => {
    cases.add(4);
    await Promise.all([
      t.test(
        'too few descriptors for the sessions that come: the node lives and goes on',
        async (t) => {
          const hop = await startHop(t);
          const node = await startHostileNode(t, { hopPort: hop.port });
          const accounts = new Accounts(node.port, 'accept');
          await accounts.handInAll(5);
          // About a third of the clients get in, and the sessions to the hop are among them.
          allowDescriptors(node.pid, openDescriptors(node.pid) + 10);
          accounts.start(t, { clients: 30, bodyBytes: LARGE_BYTES });
          await accounts.untilAnswered(100, /^$/);
          allowDescriptors(node.pid);
          await accounts.untilAnswered(40, /^250 /);
          await accounts.stop();
          await hop.untilTaken(accounts.accepted);
          t.diagnostic(accounts.summary);
          assert.equal(await node.readyStatus(), 200);
          accounts.assertKeptOnce(hop);
          assert.deepEqual(
            accounts.refusals.filter((reply) => reply !== LOST && !reply.startsWith('45')),
            [],
          );
          await assertNothingTakenOut(node);
        },
      ),
      t.test(
        'a body file that cannot be opened for want of a descriptor is no damaged one',
        async (t) => {
          const hop = await startHop(t, 'busy');
          const node = await startHostileNode(t, { hopPort: hop.port });
          const accounts = new Accounts(node.port, 'body');
          await accounts.handIn(LARGE_BYTES);
          await node.api.untilQueue('(smarthost)', ({ deferred }) => deferred === 1);
          // The session to the hop is kept open; the file of the body is not.
          forbidDescriptors(node.pid);
          hop.conduct = 'takes';
          await node.untilLogged('attempts without a descriptor', (line) =>
            JSON.stringify(line).includes('EMFILE'),
          );
          allowDescriptors(node.pid);
          await hop.untilTaken(accounts.accepted);
          accounts.assertKeptOnce(hop);
          await assertNothingTakenOut(node);
        },
      ),
      t.test(
        'a body file that cannot be made for want of a descriptor: 4xx, in a session that lives',
        async (t) => {
          const hop = await startHop(t);
          const node = await startHostileNode(t, { hopPort: hop.port });
          const accounts = new Accounts(node.port, 'make');
          const client = await SmtpClient.greeted(node.port);
          forbidDescriptors(node.pid);
          assert.match(await accounts.handInOver(client, LARGE_BYTES), /^45[12] /);
          allowDescriptors(node.pid);
          assert.match(await accounts.handInOver(client, LARGE_BYTES), /^250 /);
          client.destroy();
          await hop.untilTaken(accounts.accepted);
          accounts.assertKeptOnce(hop);
          await until('the spool to be empty', async () => {
            return (await readdir(`${node.spoolDir}/bodies`)).length === 0;
          });
        },
      ),
      t.test(
        'a store that cannot make its next file for want of a descriptor loses nothing',
        async (t) => {
          const hop = await startHop(t);
          const node = await startHostileNode(t, { hopPort: hop.port });
          const accounts = new Accounts(node.port, 'store');
          // The sessions are open already, so enough comes over them to fill the store's log.
          const clients = await Promise.all(
            Array.from({ length: 4 }, () => SmtpClient.greeted(node.port)),
          );
          await accounts.handIn();
          await hop.untilTaken(accounts.accepted);
          forbidDescriptors(node.pid);
          const work = async (client: SmtpClient): Promise<void> => {
            while (accounts.refusals.length < 8) await accounts.handInOver(client, 250 * KIB);
            client.destroy();
          };
          await Promise.all(clients.map(work));
          allowDescriptors(node.pid);
          await node.untilLogged(
            'the spool to be opened again',
            ({ event }) => event === 'spool-reopened',
          );
          await accounts.handInAll(10);
          await hop.untilTaken(accounts.accepted);
          t.diagnostic(accounts.summary);
          accounts.assertKeptOnce(hop);
          assert.deepEqual(
            accounts.refusals.filter((reply) => !/^45[12] /.test(reply)),
            [],
          );
          assert.equal((await node.stop()).code, 0);
          await node.start();
          await node.untilRecovered();
          await accounts.handInAll(5);
          await hop.untilTaken(accounts.accepted);
          accounts.assertKeptOnce(hop);
        },
      ),
    ]);
  },
  { skip, concurrency: 2 },
);

/** No message was parked for what was no fault of its own. */
async function assertNothingTakenOut(node: {
  log: () => Promise<Record<string, unknown>[]>;
  api: { queueNames: () => Promise<string[]> };
}): Promise<void> {
  assert.deepEqual(
    (await node.log()).filter(({ outcome }) => outcome === 'unreadable'),
    [],
  );
  assert.ok(!(await node.api.queueNames()).includes('(quarantine)'));
}
