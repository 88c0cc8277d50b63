import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { eventShapes, type EventType } from '../../src/api/shape/events.js';
import { eventually } from '../base/eventually.js';
import { runSink, SmtpClient } from '../sink/client.js';
import { runApi, TOKEN } from './api-bench.js';
import { localHop, runNode } from './running-node.js';

/** Listens until the test ends; gives all text so far. */
async function listen(
  t: TestContext,
  url: string,
  token: string,
  lastEventId?: string,
): Promise<{ text: () => string; status: number; type: string | null }> {
  const abort = new AbortController();
  t.after(() => abort.abort());
  const answer = await fetch(`${url}/v1/events`, {
    signal: abort.signal,
    headers: {
      authorization: `Bearer ${token}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
  });
  let text = '';
  void (async () => {
    for await (const chunk of answer.body ?? [])
      text += new TextDecoder().decode(chunk as Uint8Array);
  })().catch(() => undefined);
  return { text: () => text, status: answer.status, type: answer.headers.get('content-type') };
}

function eventsIn(text: string): Array<{ type: EventType; data: Record<string, unknown> }> {
  return [...text.matchAll(/^event: (.*)\ndata: (.*)$/gm)].map(([, type, data]) => ({
    type: type as EventType,
    data: JSON.parse(data ?? '') as Record<string, unknown>,
  }));
}

test('too many listeners are refused, and those who leave make room', async (t) => {
  const bench = await runApi(t);
  const url = `http://127.0.0.1:${bench.port}`;
  const aborts = Array.from({ length: 32 }, () => new AbortController());
  const headers = { authorization: `Bearer ${TOKEN}` };
  await Promise.all(aborts.map(({ signal }) => fetch(`${url}/v1/events`, { signal, headers })));
  const refused = await listen(t, url, TOKEN);
  assert.deepEqual([refused.status, refused.type], [503, 'application/problem+json']);
  for (const abort of aborts) abort.abort();
  await eventually('room', async () => (await listen(t, url, TOKEN)).status === 200);
});

test('a node tells what happens to a message and to a queue, in the shapes that are documented', async (t) => {
  const sink = await runSink(t);
  const edge = await runNode(t, 'edge', localHop('mx', 'sink', sink.smtp.port));
  const stream = await listen(t, edge.url, 'token-of-edge');
  assert.deepEqual([stream.status, stream.type], [200, 'text/event-stream']);
  const client = await SmtpClient.greeted(edge.smtpPort);
  await client.send('a@a.example', ['b@b.example'], 'Subject: x\r\n\r\nx');
  client.destroy();
  const typesSeen = (): string[] => eventsIn(stream.text()).map(({ type }) => type);
  await eventually('the message to have left', async () => typesSeen().includes('finished'));
  assert.deepEqual(typesSeen(), ['accepted', 'attempt', 'finished']);
  await edge.client.postJson('/v1/queues/(smarthost)/pause');
  await eventually('the pause to be told', async () => typesSeen().includes('queue'));
  await edge.node.reload(edge.settings);
  await eventually('the reload to be told', async () => typesSeen().includes('reload'));
  const held = await SmtpClient.greeted(edge.smtpPort);
  await held.send('a@a.example', ['b@b.example'], 'Subject: x\r\n\r\nx');
  held.destroy();
  await eventually('it to be accepted', async () => typesSeen().at(-1) === 'accepted');
  const { queue_id: id } = eventsIn(stream.text()).at(-1)?.data ?? {};
  await edge.client.postJson(`/v1/messages/${String(id)}/hold`);
  await eventually('the hold to be told', async () => typesSeen().at(-1) === 'message');
  for (const { type, data } of eventsIn(stream.text())) {
    eventShapes[type].strict().parse(data);
  }
  const [last] = /^id: .*$/m.exec(stream.text()) ?? [];
  const again = await listen(t, edge.url, 'token-of-edge', last?.slice(4));
  await eventually(
    'the same to be told to who comes back',
    async () => eventsIn(again.text()).length === eventsIn(stream.text()).length,
  );
  assert.doesNotMatch(stream.text(), /password/);
});
