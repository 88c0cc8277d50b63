import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QueuedMessage } from '../../src/queue/queued-message.js';
import type { QueueView } from '../../src/queue/queue-view.js';
import type { ChainTrace } from '../../src/trace/record.js';
import { eventually } from '../base/eventually.js';
import { runSink } from '../sink/client.js';
import { localHop, runNode, type RunningNode } from './running-node.js';

/** Where nobody listens. */
const NOWHERE = localHop('gone', 'sink', 1);

async function inject(node: RunningNode, count: number): Promise<string[]> {
  const messages = Array.from({ length: count }, (_, index) => ({
    envelope: 'a@a.example',
    recipient: `r${index}@b.example`,
    mime: 'Subject: waits\r\n\r\nbody\r\n',
  }));
  const answer = await node.client.postJson<{ messages: Array<{ queue_id: string }> }>(
    '/v1/inject',
    messages,
  );
  return answer.messages.map(({ queue_id: id }) => id).sort();
}

async function queueOf(node: RunningNode): Promise<QueueView | undefined> {
  const { queues } = await node.client.getJson<{ queues: QueueView[] }>('/v1/queues');
  return queues[0];
}

async function untilHeld(node: RunningNode, count: number): Promise<void> {
  await eventually(`${count} held messages`, async () => (await queueOf(node))?.held === count);
}

test('mail in the queue is listed, held over a restart, released, retried and deleted', async (t) => {
  const first = await runNode(t, 'edge', NOWHERE);
  const ids = await inject(first, 3);
  await eventually('the hop to be at fault', async () => {
    const queue = await queueOf(first);
    return queue?.state === 'backoff' && queue.sending === 0;
  });
  const path = '/v1/queues/(smarthost)/messages';
  const page = await first.client.getJson<{ messages: QueuedMessage[] }>(path);
  assert.deepEqual(
    page.messages.map(({ queue_id: id }) => id),
    ids,
  );
  const [held, deleted, retried] = ids as [string, string, string];
  const shown = await first.client.postJson<QueuedMessage>(`/v1/messages/${held}/hold`);
  assert.equal(shown.recipients[0]?.state, 'held');
  await first.client.delete(`/v1/messages/${deleted}`);
  await untilHeld(first, 1);
  const trace = await first.client.getJson<ChainTrace>(`/trace/${deleted}`);
  assert.equal(trace.hops[0]?.recipients[0]?.action, 'failed');
  assert.match(trace.hops[0].recipients[0].description ?? '', /^deleted by an operator/);
  const text = await first.client.getText(`/trace/${held}`, 'text/plain');
  assert.match(text, /an operator holds it/);
  assert.match(
    await first.client.getText(`/trace/${deleted}`, 'text/plain'),
    /Given up at edge: .*deleted by an operator/,
  );
  await first.node.stop(1000);

  const sink = await runSink(t);
  const hop = localHop('mx', 'sink', sink.smtp.port);
  const second = await runNode(t, 'edge', hop, undefined, { within: first.folder });
  await untilHeld(second, 1);
  await eventually('the other message to leave', async () => {
    const { queued } = await second.client.getJson<{ queued: object | null }>(
      `/v1/messages/${retried}`,
    );
    return queued === null;
  });
  const refused = { code: 'API_REFUSED', problemCode: 'MESSAGE_HELD' };
  await assert.rejects(second.client.postJson(`/v1/messages/${held}/retry`), refused);
  await second.client.postJson(`/v1/messages/${held}/release`);
  await eventually(
    'the released message to leave',
    async () => (await queueOf(second))?.held === 0,
  );
  const gone = { code: 'NOT_FOUND', problemCode: 'NOT_IN_QUEUE' };
  await eventually('it to have left', async () =>
    second.client
      .getJson<{ queued: object | null }>(`/v1/messages/${held}`)
      .then(({ queued }) => queued === null),
  );
  for (const id of ids) await assert.rejects(second.client.delete(`/v1/messages/${id}`), gone);
});
