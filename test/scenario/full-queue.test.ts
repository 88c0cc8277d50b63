import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTwoNodes } from './two-nodes.js';
import { until } from './waiting.js';

const LIMIT = 5;
const WAITING = 8;
/** A pause that began shortly before there was room lasts 16 s. */
const ARRIVED_DEADLINE_MS = 45_000;

test('a node whose queue is full refuses at MAIL FROM, and the node before it waits', async (t) => {
  const nodes = await startTwoNodes(t, [`max-queue-messages: ${LIMIT}`]);
  const { topology } = nodes;
  await nodes.send('edge', 'first@full.test');
  await nodes.assertAllArrivedOnce();
  await until('core to be empty', async () => (await nodes.queue('core')).ready === 0);
  await nodes.holdCore(true);

  for (let index = 0; index < LIMIT; index++) {
    await nodes.send('core', `held-${index}@full.test`);
  }
  assert.equal(
    await nodes.atMail('core'),
    `452 4.3.1 The queue is full: it holds ${LIMIT} messages; try again later`,
  );
  for (let index = 0; index < WAITING; index++) {
    await nodes.send('edge', `waits-${index}@full.test`);
  }
  await nodes.untilEdgePauses(WAITING);
  assert.equal((await nodes.queue('core')).ready, LIMIT);
  assert.equal((await topology.sink().stats()).accepted, 1);

  const pid = topology.pid('core');
  await nodes.holdCore(false);
  await nodes.untilAtMail('core', /^250 /);
  await nodes.assertAllArrivedOnce(ARRIVED_DEADLINE_MS);
  assert.equal(topology.pid('core'), pid);
  for (const { recipients } of await topology.api('edge').allRecords()) {
    for (const { action } of recipients) assert.equal(action, 'transferred');
  }
  const said = (await topology.log('core')).filter(({ event }) => event === 'queue-full');
  assert.deepEqual(
    said.map(({ full }) => full),
    ['messages'],
    'it is said once, however often it is refused',
  );
});
