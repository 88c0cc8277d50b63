import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ChainTrace, HopRecord } from '../../src/trace/record.js';
import { eventually } from '../base/eventually.js';
import { runSink, SmtpClient } from '../sink/client.js';
import { rawRequest } from './raw-request.js';
import { localHop, runNode, type RunningNode } from './running-node.js';

const CONTENT = 'Message-ID: <m1@a.example>\r\nSubject: two hops\r\n\r\nbody';

interface Listing {
  messages: HopRecord[];
}

/** edge → core → sink, where both know each other's API. */
async function twoNodes(t: TestContext): Promise<{ edge: RunningNode; core: RunningNode }> {
  const sink = await runSink(t);
  const core = await runNode(t, 'core', localHop('mx', 'sink', sink.smtp.port), 'edge');
  const edge = await runNode(t, 'edge', localHop('core', 'node', core.smtpPort));
  await edge.knows(core);
  await core.knows(edge);
  return { edge, core };
}

async function send(node: RunningNode): Promise<void> {
  const client = await SmtpClient.greeted(node.smtpPort);
  const replies = await client.send('a@a.example', ['b@b.example'], CONTENT);
  assert.match(replies.at(-1) ?? '', /^250 /);
  client.destroy();
}

async function settledAt(node: RunningNode, action: string): Promise<HopRecord> {
  let found: HopRecord | undefined;
  await eventually(`a message ${action} at ${node.settings.name}`, async () => {
    const { messages } = await node.client.getJson<Listing>(`/trace?state=${action}`);
    found = messages[0];
    return found !== undefined;
  });
  return found as HopRecord;
}

test('the whole path is told by either node, from every id, as JSON and as text', async (t) => {
  const { edge, core } = await twoNodes(t);
  await send(edge);
  const first = await settledAt(edge, 'transferred');
  const second = await settledAt(core, 'relayed');
  assert.equal(second.trace_id, first.trace_id);
  assert.equal(second.parent_span_id, first.attempts[0]?.span_id);
  assert.equal(first.attempts[0]?.remote_queue_id, second.queue_id);
  for (const node of [edge, core]) {
    for (const id of [
      first.trace_id,
      first.queue_id,
      second.queue_id,
      '<m1@a.example>',
      'm1@a.example',
    ]) {
      const path = `/trace/${encodeURIComponent(id)}`;
      const chain = await node.client.getJson<ChainTrace>(`${path}?chain=true`);
      assert.deepEqual(
        chain.hops.map((hop) => hop.node),
        ['edge', 'core'],
        `${id} at ${node.settings.name}`,
      );
      assert.deepEqual([chain.complete, chain.unreachable], [true, []]);
    }
  }
  const own = await edge.client.getJson<ChainTrace>(`/trace/${first.trace_id}`);
  assert.deepEqual(
    own.hops.map((hop) => hop.node),
    ['edge'],
  );
  const text = await edge.client.getText(`/trace/${first.trace_id}?chain=true`, 'text/plain');
  assert.ok(text.includes('edge') && text.includes('core') && text.includes('mx'), text);
});

test('a node that is down is named, and the rest of the path is told', async (t) => {
  const { edge, core } = await twoNodes(t);
  await send(edge);
  const first = await settledAt(edge, 'transferred');
  await settledAt(core, 'relayed');
  await core.node.stop(1000);
  const chain = await edge.client.getJson<ChainTrace>(`/trace/${first.trace_id}?chain=true`);
  assert.deepEqual(
    chain.hops.map((hop) => hop.node),
    ['edge'],
  );
  assert.equal(chain.complete, false);
  assert.deepEqual(
    chain.unreachable.map(({ node }) => node),
    ['core'],
  );
});

test('a paused queue keeps its mail, and the API of a real node shows and resumes it', async (t) => {
  const { edge } = await twoNodes(t);
  await send(edge);
  await settledAt(edge, 'transferred');
  const queue = `/v1/queues/${encodeURIComponent('(smarthost)')}`;
  const paused = await edge.client.postJson<{ state: string }>(`${queue}/pause`);
  assert.equal(paused.state, 'paused');
  await send(edge);
  const waiting = await edge.client.getJson<Record<string, unknown>>(queue);
  assert.deepEqual(Object.keys(waiting), [
    'name',
    'next_hop',
    'ready',
    'sending',
    'deferred',
    'held',
    'oldest_age_seconds',
    'state',
    'last_fault',
    'next_attempt_at',
    'capacity',
  ]);
  assert.equal(waiting['ready'], 1);
  await edge.client.postJson(`${queue}/resume`);
  await eventually('both are gone', async () => {
    const { messages } = await edge.client.getJson<Listing>('/trace?state=transferred');
    return messages.length === 2;
  });
});

test('a running node answers nobody without its token, not even with that of its peer', async (t) => {
  const { edge, core } = await twoNodes(t);
  for (const token of [undefined, core.settings.api.token.reveal()]) {
    const port = edge.node.addresses.api.port;
    assert.equal((await rawRequest(port, { path: '/trace', token })).status, 401);
    assert.equal((await rawRequest(port, { path: '/readyz', token })).status, 200);
  }
});
