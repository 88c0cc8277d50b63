import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HopRecord } from '../../src/trace/record.js';
import { ApiClient } from '../../src/api/client.js';
import { Secret } from '../../src/base/secret.js';
import { rawRequest } from '../api/raw-request.js';
import { localHop, runNode } from '../api/running-node.js';
import { runMerged, TOKEN, type MergedBench } from './merged-bench.js';

interface Answer {
  messages: Array<{ queue_id: string }>;
}

const MESSAGE = { envelope: 'a@a.example', recipient: 'b@b.example', mime: 'Subject: x\r\n\r\nx' };

async function inject(
  bench: MergedBench,
  headers: Record<string, string> = {},
): Promise<{ status: number; ids: string[]; body: string }> {
  const { status, body } = await rawRequest(bench.port, {
    method: 'POST',
    path: '/v1/inject',
    token: TOKEN,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(MESSAGE),
  });
  const ids =
    status === 202 ? (JSON.parse(body) as Answer).messages.map(({ queue_id: id }) => id) : [];
  return { status, ids, body };
}

/** How many messages each worker has taken. */
function taken({ workers }: MergedBench): Promise<number[]> {
  return Promise.all(
    workers.map(async ({ client }) => {
      const { messages } = await client.getJson<{ messages: HopRecord[] }>('/trace');
      return messages.length;
    }),
  );
}

test('messages are handed to the workers in turn, as JSON and as they come', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  for (let round = 0; round < 4; round++) {
    assert.equal((await inject(bench)).status, 202);
  }
  assert.deepEqual(await taken(bench), [2, 2]);
  const content = Buffer.from(`Subject: long\r\n\r\n${'x'.repeat(70)}\r\n`.repeat(1000));
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < content.length; at += 9999) yield content.subarray(at, at + 9999);
  }
  for (let round = 0; round < 2; round++) {
    const path =
      '/v1/inject?envelope=a%40a.example&recipient=b%40b.example&recipient=c%40c.example';
    const { messages } = await bench.client.postMessage<Answer>(path, pieces());
    assert.equal(messages.length, 2);
  }
  assert.deepEqual(await taken(bench), [3, 3]);
  const refused = await rawRequest(bench.port, {
    method: 'POST',
    path: '/v1/inject',
    token: TOKEN,
    headers: { 'content-type': 'application/json' },
    body: '{"recipient":"x"}',
  });
  assert.equal(refused.status, 422);
  assert.match(refused.body, /"code":"MESSAGE_INVALID".*"faults"/);
});

test('a request with the same Idempotency-Key comes to the same worker, and waits for it', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`);
  const first = new Map<string, string[]>();
  for (const key of keys) {
    first.set(key, (await inject(bench, { 'idempotency-key': key })).ids);
  }
  const before = await taken(bench);
  assert.ok(
    before.every((count) => count > 0),
    'keys are spread',
  );
  for (const key of keys) {
    assert.deepEqual((await inject(bench, { 'idempotency-key': key })).ids, first.get(key));
  }
  assert.deepEqual(await taken(bench), before);
  bench.links[1].up = false;
  const statuses = new Map<number, number>();
  for (const key of keys) {
    const { status, ids } = await inject(bench, { 'idempotency-key': key });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    if (status === 202) assert.deepEqual(ids, first.get(key));
  }
  assert.deepEqual([statuses.get(202), statuses.get(503)], before);
  for (let round = 0; round < 3; round++) assert.equal((await inject(bench)).status, 202);
});

test('what no worker takes is refused, and what was cut off is taken by none', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  const cut = new AbortController();
  async function* endless(): AsyncGenerator<Buffer> {
    yield Buffer.from('Subject: x\r\n\r\n');
    setTimeout(() => cut.abort(), 50);
    await new Promise((resolve) => setTimeout(resolve, 200));
    yield Buffer.from('more');
  }
  const path = '/v1/inject?envelope=a%40a.example&recipient=b%40b.example';
  await assert.rejects(bench.client.postMessage(path, endless(), {}, { signal: cut.signal }));
  assert.deepEqual(await taken(bench), [0, 0]);
  for (const { node } of bench.workers) await node.stop(1000);
  const { status, body } = await inject(bench);
  assert.equal(status, 503);
  assert.match(body, /NOT_READY|WORKER_UNREACHABLE/);
});

test('a worker believes its front the address of the client, and a node nobody', async (t) => {
  for (const behindFront of [false, true]) {
    const node = await runNode(t, 'edge', localHop('mx', 'sink', 1), undefined, {
      behindFront,
    });
    const client = new ApiClient({
      url: node.url,
      token: new Secret('token-of-edge'),
      timeoutMs: 5000,
    });
    const answer = await client.pass({
      method: 'POST',
      path: '/v1/inject',
      headers: { 'content-type': 'application/json', 'relaymesh-client-address': '192.0.2.7' },
      body: Buffer.from(JSON.stringify(MESSAGE)),
    });
    assert.equal(answer.status, 202);
    const { messages } = await client.getJson<{ messages: HopRecord[] }>('/trace');
    assert.equal(messages[0]?.client.address, behindFront ? '192.0.2.7' : '127.0.0.1');
  }
});
