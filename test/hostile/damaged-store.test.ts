import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { change, fileOf, flipped } from '../queue/store-files.js';
import { until } from '../scenario/waiting.js';
import { hostileTest } from './rows.js';
import { Accounts } from './accounts.js';
import { damageFile } from './damage.js';
import { startHop, type Hop } from './hop.js';
import { startHostileNode, type NodeProcess } from './node-process.js';

/*
 * Damage of the files of the store itself, as a disk does it. What the store drops is at least
 * named, and nothing that is sent is other than what came.
 */

const MESSAGES = 60;

interface Killed {
  hop: Hop;
  node: NodeProcess;
  accounts: Accounts;
  store: string;
}

async function killWithMail(t: TestContext): Promise<Killed> {
  const hop = await startHop(t, 'away');
  const node = await startHostileNode(t, { hopPort: hop.port });
  const accounts = new Accounts(node.port, 'store');
  await accounts.handInAll(MESSAGES);
  await node.kill();
  hop.conduct = 'takes';
  return { hop, node, accounts, store: path.join(node.spoolDir, 'store') };
}

async function quarantined(node: NodeProcess): Promise<Set<string>> {
  const { body } = await node.api.request('GET', '/v1/quarantine?limit=1000');
  return new Set((body['messages'] as { queue_id: string }[]).map(({ queue_id: id }) => id));
}

hostileTest(
  'damaged-records',
  'what the store drops out of a damaged log is shown; the others go',
  async (t) => {
    const { hop, node, accounts, store } = await killWithMail(t);
    await damageFile(await fileOf(store, '.log'), 'flipped');
    await node.start();
    await node.untilRecovered();
    const shown = await quarantined(node);
    const others = accounts.accepted.filter((recipient) => !shown.has(accounts.queueId(recipient)));
    // One message may have lost its name.
    await until('the others at the hop', () => hop.taken.size >= others.length - 1);
    await accounts.handInAll(3);
    await hop.untilTaken(accounts.accepted.slice(-3));
    accounts.assertWhole(hop);
    const lost = others.filter((recipient) => !hop.taken.has(recipient));
    t.diagnostic(`${shown.size} of ${MESSAGES} are in quarantine, ${lost.length} unnamed`);
    assert.ok(shown.size > 0 && shown.size < MESSAGES);
    assert.ok(lost.length <= 1, `neither sent nor shown: ${lost.join(', ')}`);
    assert.ok((await node.log()).some(({ code }) => code === 'SPOOL_RECORD_CORRUPT'));
    assert.equal((await readdir(path.join(node.spoolDir, 'damaged'))).length, 1);

    assert.equal((await node.stop()).code, 0);
    await node.start();
    await node.untilRecovered();
    assert.deepEqual(await quarantined(node), shown, 'until somebody has seen to it');
  },
);

hostileTest(
  'damaged-records',
  'a store that would be emptied by opening it is refused, and keeps all',
  async (t) => {
    const { hop, node, accounts, store } = await killWithMail(t);
    const manifest = await fileOf(store, 'MANIFEST');
    await change(manifest, (bytes) => flipped(bytes, 20));
    await node.launch();
    const { code } = await node.ended();
    assert.equal(code, 3);
    const said = await node.untilLogged('the reason', ({ event }) => event === 'start-failed');
    assert.equal(said['code'], 'SPOOL_UNREADABLE');
    await change(manifest, (bytes) => flipped(bytes, 20));
    await node.start();
    await hop.untilTaken(accounts.accepted);
    accounts.assertKeptOnce(hop);
  },
);
