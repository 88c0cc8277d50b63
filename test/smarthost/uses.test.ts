import assert from 'node:assert/strict';
import { test } from 'node:test';
import { submit } from '../scenario/mail-sender.js';
import {
  shippedTopology,
  startTopology,
  type RunningTopology,
} from '../scenario/running-topology.js';
import { contentFor } from './mail-client.js';

/*
 * SMARTHOST.md, "Uses that the document names": each is a topology that runs. That their probes
 * arrive is tested with all the others; here is what each use is about.
 */

const SENDER = 'sender@uses.test';
const MQ = ['x-mq-smarthost-hostname: 127.0.0.1', 'X-MQ-Made-Up: 1'];

/** Hands in a message at the first node, with header fields that nobody may use there. */
async function send(topology: RunningTopology, node: string, recipient: string): Promise<void> {
  const raw = Buffer.from(contentFor(recipient, MQ));
  const target = await topology.submission(node);
  await submit(target, { sender: SENDER, recipients: [recipient], raw });
}

test('mail for the internet goes through an outside service', async (t) => {
  const topology = await startTopology(t, shippedTopology('outside-service'));
  for (const recipient of ['a@gmail.test', 'b@hotmail.test']) {
    await send(topology, 'edge', recipient);
    const arrived = await topology.sink('esp').untilMessage(recipient);
    assert.equal(arrived.user, 'customer-4711');
    const { hops } = await topology.api('edge').untilComplete(recipient);
    // Of all domains: one queue at each node, to its smarthost.
    assert.deepEqual(
      hops.map(({ node, queue, attempts }) => [
        node,
        queue,
        attempts[0]?.user,
        attempts[0]?.next_hop,
      ]),
      [
        ['edge', '(smarthost)', 'edge', 'exit'],
        ['exit', '(smarthost)', 'customer-4711', 'esp'],
      ],
    );
    const raw = (await topology.sink('esp').raw(arrived.id)).toString('latin1');
    assert.doesNotMatch(raw, /x-mq-|x-mesh/i);
  }
});

test('a chain of instances, each forwarding to the next', async (t) => {
  const topology = await startTopology(t, shippedTopology('eight-hops'));
  const recipient = 'end@chain.test';
  const first = Object.keys(topology.state.nodes)[0] ?? '';
  await send(topology, first, recipient);
  const arrived = await topology.sink().untilMessage(recipient);
  const { hops } = await topology.api(first).untilComplete(recipient);
  assert.equal(hops.length, 8);
  hops.forEach(({ node, queue, attempts, client, action }, index) => {
    const next = hops[index + 1];
    assert.equal(queue, '(smarthost)', node);
    assert.equal(action, next === undefined ? 'relayed' : 'transferred', node);
    // Each logs in at the next one with a name of its own.
    assert.equal(client.user, index === 0 ? 'app' : hops[index - 1]?.node, node);
    if (next !== undefined) assert.equal(attempts[0]?.next_hop, next.node);
  });
  const raw = (await topology.sink().raw(arrived.id)).toString('latin1');
  assert.equal(raw.match(/^Received:/gm)?.length, 8);
  assert.doesNotMatch(raw, /x-mq-/i);
  assert.deepEqual(hops[0]?.removed_headers, ['x-mq-smarthost-hostname', 'x-mq-made-up']);
});

test('debugging with the normal queues while everything lands in a sink', async (t) => {
  const topology = await startTopology(t, shippedTopology('debug-sink'));
  const domains = ['gmail.com', 'hotmail.com', 'yahoo.com'];
  for (const domain of domains) {
    const recipient = `developer@${domain}`;
    await send(topology, 'edge', recipient);
    await topology.sink('everything').untilMessage(recipient);
    const { hops } = await topology.api('edge').untilComplete(recipient);
    const { node, queue, attempts } = hops.at(-1) ?? {};
    assert.deepEqual([node, queue], ['exit', domain]);
    assert.equal(attempts?.[0]?.remote, `127.0.0.1:${topology.state.sinks['everything']?.port}`);
  }
});
