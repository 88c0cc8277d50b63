import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Queue, QueuedPage } from '../../src/api/shape/queues.js';
import { mergeQueue, shareOfChange } from '../../src/workers/merged-queue.js';
import { rawRequest } from '../api/raw-request.js';
import { localHop, runNode } from '../api/running-node.js';
import { eventually } from '../base/eventually.js';
import { runMerged, TOKEN, type MergedBench } from './merged-bench.js';

const QUEUE = '/v1/queues/(smarthost)';

function queueOf(client: { getJson<T>(path: string): Promise<T> }): Promise<Queue> {
  return client.getJson<Queue>(QUEUE);
}

async function paused(bench: MergedBench): Promise<void> {
  await bench.send(0);
  await bench.client.postJson(`${QUEUE}/pause`);
}

function row(of: Partial<Queue>, limits: Partial<Queue['capacity']> = {}): Queue {
  return {
    name: 'q',
    next_hop: 'hop',
    ready: 1,
    sending: 0,
    deferred: 0,
    held: 0,
    oldest_age_seconds: null,
    state: 'active',
    last_fault: null,
    next_attempt_at: null,
    capacity: {
      max_connections: 10,
      max_messages_per_connection: 100,
      max_messages_per_minute: 30,
      max_connects_per_minute: null,
      idle_timeout_seconds: 30,
      allowed_connections: 10,
      ...limits,
    },
    ...of,
  };
}

test('a queue of several workers is one: sums, the worst state, the latest fault, all shares', () => {
  const fault = { stage: 'connect', code: null, enhanced_code: null, description: 'refused' };
  const early = { ...fault, at: '2026-01-05T12:00:00.000Z' };
  const late = { ...fault, at: '2026-01-05T12:00:01.000Z' };
  const merged = mergeQueue(
    [
      row({ last_fault: late, oldest_age_seconds: 3 }),
      row({
        state: 'backoff',
        last_fault: early,
        next_attempt_at: late.at,
        oldest_age_seconds: 5,
        deferred: 4,
      }),
      row({ state: 'probing' }, { allowed_connections: 1 }),
    ],
    3,
  );
  assert.deepEqual(
    merged,
    row(
      {
        ready: 3,
        deferred: 4,
        state: 'backoff',
        last_fault: late,
        next_attempt_at: late.at,
        oldest_age_seconds: 5,
      },
      { max_connections: 30, max_messages_per_minute: 90, allowed_connections: 21 },
    ),
  );
  assert.equal(mergeQueue([row({}), row({ state: 'paused' })], 2).state, 'paused');
  assert.equal(
    mergeQueue([row({})], 4).capacity.max_connections,
    40,
    'shares of those without mail',
  );
});

test('what waits for the tier is counted once, by the worker that knows', () => {
  const tier = { name: 'core', waiting: 12 };
  const unknown = { ...tier, waiting: null };
  assert.deepEqual(mergeQueue([row({ tier: unknown }), row({ tier }), row({})], 3).tier, tier);
  assert.deepEqual(mergeQueue([row({ tier: unknown }), row({})], 2).tier, unknown);
  assert.ok(!('tier' in mergeQueue([row({}), row({})], 2)));
});

test('the shares of a limit come to the limit, and each worker has one at least', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.integer({ min: 1, max: 16 }),
      (whole, workers) => {
        const shares = Array.from({ length: workers }, (_, place) =>
          shareOfChange({ max_connections: whole, max_messages_per_minute: null }, place, workers),
        );
        const sum = shares.reduce((all, { max_connections: one = 0 }) => all + one, 0);
        assert.equal(sum, Math.max(whole, workers));
        assert.ok(shares.every((share) => share.max_messages_per_minute === null));
        assert.ok(shares.every((share) => !('max_connects_per_minute' in share)));
      },
    ),
  );
});

test('a queue that no worker has is not found', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  for (const [method, path] of [
    ['GET', ''],
    ['GET', '/messages'],
    ['POST', '/pause'],
    ['POST', '/retry'],
  ] as const) {
    const answer = await rawRequest(bench.port, {
      method,
      path: `/v1/queues/nothing${path}`,
      token: TOKEN,
    });
    assert.equal(answer.status, 404, path);
  }
});

test('what an operator wants of a queue holds at a worker that only then has mail for it', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  await paused(bench);
  const change = { max_connections: 7, max_messages_per_minute: 60 };
  await bench.client.postJson(`${QUEUE}/capacity`, change);
  assert.equal((await queueOf(bench.workers[0].client)).capacity.max_connections, 4);
  await bench.send(1);
  const other = await queueOf(bench.workers[1].client);
  assert.deepEqual([other.state, other.capacity.max_connections], ['paused', 3]);
  assert.equal(other.ready, 1, 'no attempt was made');
  const { state, ready, deferred, capacity } = await queueOf(bench.client);
  assert.deepEqual([state, ready + deferred], ['paused', 2]);
  assert.deepEqual([capacity.max_connections, capacity.max_messages_per_minute], [7, 60]);
  for (let index = 0; index < 3; index++) {
    await bench.send(0);
    await bench.send(1);
  }
  const ids: string[] = [];
  let cursor = '';
  for (let page = 0; page < 10; page++) {
    const { messages, next_cursor: next } = await bench.client.getJson<QueuedPage>(
      `${QUEUE}/messages?limit=3${cursor}`,
    );
    ids.push(...messages.map(({ queue_id: id }) => id));
    if (next === null) break;
    cursor = `&cursor=${next}`;
  }
  assert.equal(ids.length, 8);
  assert.deepEqual(ids, [...new Set(ids)].sort());
  const resumed = await bench.client.postJson<Queue>(`${QUEUE}/resume`);
  assert.notEqual(resumed.state, 'paused');
  for (const { client } of bench.workers) {
    assert.notEqual((await queueOf(client)).state, 'paused');
  }
});

test('with a worker that does not answer, lists name it and actions say where they were done', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  await bench.send(0);
  await bench.send(1);
  await bench.workers[1].node.stop(1000);
  const list = await bench.client.getJson<{ queues: Queue[]; missing: unknown[] }>('/v1/queues');
  assert.deepEqual([list.queues.length, list.missing.length], [1, 1]);
  const path = `${QUEUE}/pause`;
  const silent = await rawRequest(bench.port, { method: 'POST', path, token: TOKEN });
  assert.equal(silent.status, 503);
  assert.match(silent.body, /worker 1: .*It is done at worker 0\./);
  assert.equal((await queueOf(bench.workers[0].client)).state, 'paused');
  bench.links[1].up = false;
  const ended = await rawRequest(bench.port, { method: 'POST', path, token: TOKEN });
  assert.equal(ended.status, 200, 'one that does not run sends nothing');
  const unknown = await rawRequest(bench.port, { path: '/v1/queues/nothing', token: TOKEN });
  assert.equal(unknown.status, 503);
});

test('a worker that was started again is told what an operator wants', async (t) => {
  const hop = localHop('mx', 'sink', 1);
  const bench = await runMerged(t, hop);
  await paused(bench);
  await bench.workers[1].node.stop(1000);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const again = await runNode(t, 'edge', hop, undefined, { behindFront: true });
  bench.links[1].url = again.url;
  bench.workers[1] = again;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await bench.send(1);
  const { state, ready } = await queueOf(again.client);
  assert.deepEqual([state, ready], ['paused', 1]);
  await bench.client.postJson(`${QUEUE}/resume`);
  await eventually('all go on', async () => (await queueOf(again.client)).state !== 'paused');
});
