import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, relaymesh } from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';
import { hostileTest } from './rows.js';
import { Accounts } from './accounts.js';
import { startHop } from './hop.js';
import { startHostileNode, type NodeProcess } from './node-process.js';

const CRASHING_HANDLER = fileURLToPath(new URL('crashing-handler.js', import.meta.url));
/** The first attempt of fresh mail is not counted; then there are three, and one life more. */
const MAX_LIVES = 6;

hostileTest(
  'second-process',
  'a second process on the same spool is refused, and the first goes on',
  async (t) => {
    const hop = await startHop(t);
    const node = await startHostileNode(t, { hopPort: hop.port });
    const accounts = new Accounts(node.port, 'second');
    accounts.start(t, { clients: 3, bodyBytes: 2000 });
    await accounts.untilAnswered(10, /^250 /);
    const ports = [`--smtp-port=${await freePort()}`, `--api-port=${await freePort()}`];
    const { code, stdout } = await relaymesh(['node', '--config', node.configFile, ...ports]);
    assert.equal(code, 3, stdout);
    assert.match(stdout, /"code":"SPOOL_IN_USE"/);
    await accounts.untilAnswered(10, /^250 /);
    await accounts.stop();
    await hop.untilTaken(accounts.accepted);
    accounts.assertKeptOnce(hop);
    assert.deepEqual(accounts.refusals, []);

    // A process that was killed holds nothing.
    await node.kill();
    await node.start();
    await accounts.handInAll(5);
    await hop.untilTaken(accounts.accepted);
  },
);

hostileTest(
  'crashing-message',
  'a message that crashes its handler is taken out after three times',
  async (t, cases) => {
    await t.test('its handler throws', (t) => assertTakenOut(t, 'throws'));
    cases.add(2);
    await t.test('its handler takes the process down', (t) => assertTakenOut(t, 'dies'));
  },
);

type Bug = 'throws' | 'dies';

async function assertTakenOut(t: TestContext, bug: Bug): Promise<void> {
  const hop = await startHop(t, 'away');
  const bad = `${bug}-5@hostile.test`;
  const node = await startHostileNode(t, {
    hopPort: hop.port,
    imports: [CRASHING_HANDLER],
    env: { HOSTILE_RECIPIENT: bad, HOSTILE_BUG: bug },
  });
  const accounts = new Accounts(node.port, bug);
  await accounts.handInAll(10, { clients: 1 });
  const badId = accounts.queueId(bad);
  hop.conduct = 'takes';
  await node.api.control('(smarthost)', 'retry');
  const lives = await liveUntilTakenOut(node, badId);
  // What was under way when it died may be at the hop already.
  const others = accounts.accepted.filter((recipient) => recipient !== bad);
  await hop.untilTaken(others);
  await accounts.handInAll(5);
  await hop.untilTaken(accounts.accepted.slice(-5));
  assert.ok(!hop.taken.has(bad));
  accounts.assertWhole(hop);
  t.diagnostic(`${bug}: in quarantine in life ${lives}`);
  assert.equal(lives, bug === 'throws' ? 1 : MAX_LIVES - 1);
  assert.deepEqual(await crashed(node), [badId]);

  await node.stop();
  await node.start();
  await node.untilRecovered();
  assert.deepEqual(await crashed(node), [badId]);
  await accounts.handInAll(3);
  await hop.untilTaken(accounts.accepted.slice(-3));
}

/** Starts the node as often as it dies. @returns the number of lives */
async function liveUntilTakenOut(node: NodeProcess, id: string): Promise<number> {
  for (let life = 1; life <= MAX_LIVES; life++) {
    const end = await until('the message to be taken out, or the process to die', async () => {
      if (!node.running) return 'died';
      return (await crashed(node).catch((): string[] => [])).includes(id) ? 'taken out' : null;
    });
    if (end === 'taken out') return life;
    await node.launch();
  }
  return assert.fail(`not taken out in ${MAX_LIVES} lives`);
}

async function crashed(node: NodeProcess): Promise<string[]> {
  const { body } = await node.api.request('GET', '/v1/quarantine');
  const messages = body['messages'] as { queue_id: string; kind: string }[];
  return messages.filter(({ kind }) => kind === 'crashed').map(({ queue_id: id }) => id);
}
