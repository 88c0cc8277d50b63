import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { until } from '../scenario/waiting.js';
import { hostileTest } from './rows.js';
import { Accounts } from './accounts.js';
import { damageFile, damageRecords, type Damage } from './damage.js';
import { startHop, type Hop } from './hop.js';
import { startHostileNode, type NodeProcess } from './node-process.js';

const LARGE_BYTES = 400 * 1024;
const DAMAGES: readonly Damage[] = ['flipped', 'missing', 'extra'];
/** Far ahead: an operator's retry is what makes mail go. */
const RETRY_SECONDS = 600;

interface Shown {
  queue_id: string;
  kind: string;
  reason: string;
}

/** A node that was stopped with mail in its spool, every message of which was tried once. */
async function stopWithMail(
  t: TestContext,
  small: number,
  large: number,
): Promise<{ hop: Hop; node: NodeProcess; accounts: Accounts }> {
  const hop = await startHop(t, 'busy');
  const config = { 'retry-interval': RETRY_SECONDS };
  const node = await startHostileNode(t, { hopPort: hop.port, config });
  const accounts = new Accounts(node.port, 'damage');
  await accounts.handInAll(small);
  await accounts.handInAll(large, { bodyBytes: LARGE_BYTES });
  const all = small + large;
  await node.api.untilQueue('(smarthost)', ({ deferred }) => deferred === all);
  assert.equal((await node.stop()).code, 0);
  hop.conduct = 'takes';
  return { hop, node, accounts };
}

async function quarantined(node: NodeProcess): Promise<Map<string, Shown>> {
  const { status, body, text } = await node.api.request('GET', '/v1/quarantine');
  assert.equal(status, 200, text);
  return new Map((body['messages'] as Shown[]).map((shown) => [shown.queue_id, shown]));
}

/** Starts it, has everything tried that can be, and asserts that just these are kept back. */
async function assertOthersGo(
  { hop, node, accounts }: { hop: Hop; node: NodeProcess; accounts: Accounts },
  kept: ReadonlyMap<string, 'corrupt' | 'unreadable'>,
): Promise<void> {
  await node.start();
  await node.untilRecovered();
  if (kept.size < accounts.accepted.length) await node.api.control('(smarthost)', 'retry');
  const others = accounts.accepted.filter((recipient) => !kept.has(accounts.queueId(recipient)));
  await hop.untilTaken(others);
  const shown = await until('the quarantine to be complete', async () => {
    const found = await quarantined(node);
    return found.size >= kept.size ? found : null;
  });
  const kinds = [...shown.values()].map(({ queue_id: id, kind }) => [id, kind]);
  assert.deepEqual(new Map(kinds as [string, string][]), kept);
  assert.ok([...shown.values()].every(({ reason }) => reason.length > 0));
  assert.deepEqual([...hop.taken.keys()].sort(), others.sort(), 'nothing else is offered');
  accounts.assertWhole(hop);
  assert.ok([...hop.taken.values()].every((taken) => taken.length === 1));
}

hostileTest(
  'damaged-records',
  'damaged records and bodies are quarantined and shown; the others go',
  async (t, cases) => {
    const stopped = await stopWithMail(t, 12, 6);
    const { node, accounts, hop } = stopped;
    const ids = accounts.accepted.map((recipient) => accounts.queueId(recipient));
    const [records, progresses, bodies] = [ids.slice(0, 3), ids.slice(3, 6), ids.slice(12, 15)];
    const gone = ids[15] ?? '';
    const damages = new Map<string, Damage>();
    DAMAGES.forEach((damage, index) => {
      damages.set(`q!${records[index]}`, damage);
      damages.set(`q!${progresses[index]}!p`, damage);
    });
    await damageRecords(`${node.spoolDir}/store`, damages);
    for (const [index, id] of bodies.entries()) {
      await damageFile(`${node.spoolDir}/bodies/${id}`, DAMAGES[index] as Damage);
    }
    await rm(`${node.spoolDir}/bodies/${gone}`);
    const kept = new Map<string, 'corrupt' | 'unreadable'>();
    for (const id of [...records, ...progresses]) kept.set(id, 'corrupt');
    for (const id of [...bodies, gone]) kept.set(id, 'unreadable');

    await assertOthersGo(stopped, kept);
    cases.add(kept.size);
    const corrupt = (await node.log()).filter(({ code }) => code === 'SPOOL_RECORD_CORRUPT');
    assert.deepEqual(
      corrupt.map(({ queue_id: id }) => String(id)).sort(),
      [...records, ...progresses].sort(),
    );
    await accounts.handInAll(3);
    await hop.untilTaken(accounts.accepted.slice(-3));

    assert.equal((await node.stop()).code, 0);
    await node.start();
    await node.untilRecovered();
    assert.deepEqual([...(await quarantined(node)).keys()].sort(), [...kept.keys()].sort());
    assert.ok(node.running);
  },
);
