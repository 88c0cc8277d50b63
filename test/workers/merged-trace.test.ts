import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import type { ChainTrace, HopRecord } from '../../src/trace/record.js';
import { rawRequest } from '../api/raw-request.js';
import { localHop, runNode } from '../api/running-node.js';
import { eventually } from '../base/eventually.js';
import { runSink } from '../sink/client.js';
import { runMerged, TOKEN, type MergedBench } from './merged-bench.js';

interface Listing {
  messages: HopRecord[];
  next_cursor: string | null;
  missing?: unknown[];
}

async function listed(bench: MergedBench, query = ''): Promise<Listing> {
  return bench.client.getJson<Listing>(`/trace${query}`);
}

test('the traces of all workers are listed newest first, in pages without gaps or repeats', async (t) => {
  const sink = await runSink(t);
  const bench = await runMerged(t, localHop('mx', 'sink', sink.smtp.port));
  for (const worker of [0, 1, 1, 0, 0, 1, 0] as const) {
    await bench.send(worker, { from: worker === 0 ? 'zero@a.example' : 'one@a.example' });
  }
  await eventually('all have left', async () => {
    return (await listed(bench, '?state=relayed')).messages.length === 7;
  });
  const ids: string[] = [];
  let cursor = '';
  for (let page = 0; page < 10; page++) {
    const { messages, next_cursor: next } = await listed(bench, `?limit=2${cursor}`);
    ids.push(...messages.map(({ queue_id: id }) => id));
    if (next === null) break;
    cursor = `&cursor=${next}`;
  }
  assert.equal(ids.length, 7);
  assert.deepEqual(ids, [...new Set(ids)].sort().toReversed());
  const { messages } = await listed(bench, '?sender=one%40a.example');
  assert.equal(messages.length, 3);
  const { messages: none, missing } = await listed(bench, '?until=2020-01-01T00:00:00Z');
  assert.deepEqual([none, missing], [[], undefined]);
});

test('a path is told by whichever worker knows it, and a node with workers is one to its peers', async (t) => {
  const sink = await runSink(t);
  const core = await runNode(t, 'core', localHop('mx', 'sink', sink.smtp.port), 'edge');
  const bench = await runMerged(t, localHop('core', 'node', core.smtpPort), { peers: [core] });
  await core.node.reload({
    ...core.settings,
    api: {
      ...core.settings.api,
      peers: [{ node: 'edge', url: bench.url, token: new Secret(TOKEN) }],
    },
  });
  for (const worker of [0, 1] as const) {
    await bench.send(worker);
  }
  await eventually('both are through', async () => {
    return (await core.client.getJson<Listing>('/trace?state=relayed')).messages.length === 2;
  });
  await eventually('and told', async () => {
    return (await listed(bench, '?state=transferred')).messages.length === 2;
  });
  for (const { queue_id: id, trace_id: traceId } of (await listed(bench)).messages) {
    for (const client of [bench.client, core.client]) {
      for (const asked of [id, traceId]) {
        const chain = await client.getJson<ChainTrace>(`/trace/${asked}?chain=true`);
        assert.deepEqual(
          chain.hops.map(({ node }) => node),
          ['edge', 'core'],
        );
        assert.deepEqual([chain.complete, chain.unreachable], [true, []]);
      }
    }
    const own = await bench.client.getJson<ChainTrace>(`/trace/${id}`);
    assert.deepEqual(own.hops.length, 1);
    assert.match(await bench.client.getText(`/trace/${id}?chain=true`, 'text/plain'), /core/);
  }
  const unknown = await rawRequest(bench.port, { path: '/trace/nothing', token: TOKEN });
  assert.equal(unknown.status, 404);
});

test('of a worker that is down the rest is told, and what may be there is not denied', async (t) => {
  const sink = await runSink(t);
  const bench = await runMerged(t, localHop('mx', 'sink', sink.smtp.port));
  await bench.send(0);
  await bench.send(1);
  await eventually('both have left', async () => {
    return (await listed(bench, '?state=relayed')).messages.length === 2;
  });
  const here = await bench.workers[0].client.getJson<Listing>('/trace');
  const gone = await bench.workers[1].client.getJson<Listing>('/trace');
  await bench.workers[1].node.stop(1000);
  const rest = await listed(bench);
  assert.deepEqual(rest.messages, here.messages);
  assert.deepEqual(
    rest.missing?.map((one) => (one as { worker: number }).worker),
    [1],
  );
  const chain = await bench.client.getJson<ChainTrace>(`/trace/${here.messages[0]?.queue_id}`);
  assert.equal(chain.complete, false);
  assert.deepEqual(
    chain.unreachable.map(({ node, action }) => [node, action]),
    [['edge', 'opaque']],
  );
  const path = `/trace/${gone.messages[0]?.queue_id}`;
  const answer = await rawRequest(bench.port, { path, token: TOKEN });
  assert.equal(answer.status, 503);
  const { code, detail } = JSON.parse(answer.body) as { code: string; detail: string };
  assert.equal(code, 'WORKER_UNREACHABLE');
  assert.match(detail, /^worker 1: /);
  bench.links[1].up = false;
  const known = await rawRequest(bench.port, { path, token: TOKEN });
  assert.match(known.body, /worker 1: it does not run/);
});
