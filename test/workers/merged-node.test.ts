import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mesh } from '../../src/api/shape/mesh.js';
import {
  nodeHistory,
  nodeStatus,
  type NodeHistory,
  type NodeStatus,
  type RouteAnswer,
} from '../../src/api/shape/node.js';
import { hopThat } from '../api/contract-walk.js';
import { rawRequest } from '../api/raw-request.js';
import { localHop, runNode } from '../api/running-node.js';
import { mergeHistory } from '../../src/workers/merged-history.js';
import { runMerged, TOKEN } from './merged-bench.js';

test('the state of a node with workers is that of all of them, with each of them beside it', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  await bench.send(0);
  await bench.send(1);
  await bench.send(1);
  const status = nodeStatus.parse(await bench.client.getJson('/v1/node'));
  const [zero, one] = (await Promise.all(
    bench.workers.map(({ client }) => client.getJson<NodeStatus>('/v1/node')),
  )) as [NodeStatus, NodeStatus];
  assert.equal(status.node, 'edge');
  assert.deepEqual(status.messages, {
    queued: 3,
    limit: zero.messages.limit === null ? null : zero.messages.limit + (one.messages.limit ?? 0),
    quarantined: 0,
  });
  assert.equal(status.listeners.length, 1);
  assert.equal(status.listeners[0]?.max_connections, 200);
  assert.ok(status.memory.rss_bytes > zero.memory.rss_bytes + one.memory.rss_bytes);
  assert.deepEqual([status.ready, status.reason, status.full], [true, null, null]);
  assert.deepEqual(
    status.workers?.map(({ worker, pid, up, restarts, queued }) => [
      worker,
      pid,
      up,
      restarts,
      queued,
    ]),
    [
      [0, 100, true, 0, 1],
      [1, 101, true, 1, 2],
    ],
  );
  await bench.workers[1].node.stop(1000);
  const rest = nodeStatus.parse(await bench.client.getJson('/v1/node'));
  assert.deepEqual([rest.ready, rest.messages.queued], [true, 1]);
  assert.deepEqual(
    rest.workers?.map(({ up, queued }) => [up, queued]),
    [
      [true, 1],
      [false, null],
    ],
  );
  assert.ok((rest.workers?.[1]?.reason ?? '') !== '');
});

test('a node takes mail while one of its workers does', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  const ready = async (): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, 600));
    return (await rawRequest(bench.port, { path: '/readyz', token: undefined })).status;
  };
  assert.equal(await ready(), 200);
  await bench.workers[0].node.stop(1000);
  assert.equal(await ready(), 200);
  bench.links[1].up = false;
  assert.equal(await ready(), 503);
  bench.links[1].up = true;
  assert.equal(await ready(), 200);
  bench.links[1].drains = true;
  assert.equal(await ready(), 503, 'one that only drains its spool takes no mail');
  const metrics = await bench.client.getText('/metrics', 'text/plain');
  assert.match(metrics, /^relaymesh_ready 0$/m);
});

test('in the mesh a node with workers is one, to itself and to others', async (t) => {
  const core = await runNode(t, 'core', localHop('mx', 'sink', 1), 'edge');
  const bench = await runMerged(t, localHop('core', 'node', 1), { peers: [core] });
  await bench.send(0);
  await bench.send(1);
  const whole = mesh.parse(await bench.client.getJson('/v1/mesh'));
  assert.deepEqual(
    whole.nodes.map(({ node, reachable, messages }) => [node, reachable, messages]),
    [
      ['edge', true, 2],
      ['core', true, 0],
    ],
  );
  const [link] = whole.links;
  assert.deepEqual(
    [link?.from, link?.to, (link?.ready ?? 0) + (link?.deferred ?? 0) + (link?.sending ?? 0)],
    ['edge', 'core', 2],
  );
  const own = mesh.parse(await bench.client.getJson('/v1/mesh?peers=false'));
  assert.deepEqual([own.nodes.length, own.nodes[0]?.received_per_minute], [1, 2]);
});

test('the last hour is that of all workers, whenever each of them began', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  await bench.send(0);
  await bench.send(1);
  await bench.send(1);
  const history = nodeHistory.parse(await bench.client.getJson('/v1/node/history'));
  assert.equal(history.received.length, 360);
  assert.equal(
    history.received.reduce<number>((sum, count) => sum + (count ?? 0), 0),
    3,
  );
  assert.equal(history.received[0], null);
  const part = (received: NodeHistory['received']): NodeHistory => ({
    ...history,
    received,
    latency: { bounds_ms: [1], counts: received.map((one) => (one === null ? null : [one, 0])) },
  });
  const merged = mergeHistory([part([null, 1, 2]), part([null, null, 3])]);
  assert.deepEqual(merged.received, [null, 1, 5]);
  assert.deepEqual(merged.latency.counts, [null, [1, 0], [5, 0]]);
});

test('a route is answered by any worker that runs', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  const question = { envelope: '', recipient: 'b@b.example' };
  const own = await bench.workers[1].client.postJson<RouteAnswer>('/v1/route', question);
  assert.deepEqual(await bench.client.postJson('/v1/route', question), own);
  bench.links[0].up = false;
  assert.deepEqual(await bench.client.postJson('/v1/route', question), own);
  const config = await bench.client.getJson<{ node: string }>('/v1/node/config');
  assert.equal(config.node, 'edge');
});

test('a worker that takes the question and never answers holds nobody up for long', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  await bench.send(0);
  bench.links[1].url = `http://127.0.0.1:${await hopThat(t, 'hangs')}`;
  const paths = ['/v1/node', '/v1/queues', '/trace', '/v1/mesh', '/metrics', '/v1/node/history'];
  const begun = performance.now();
  const answers = await Promise.all(
    paths.map((path) => rawRequest(bench.port, { path, token: TOKEN })),
  );
  assert.deepEqual(
    answers.map(({ status }) => status),
    paths.map(() => 200),
  );
  assert.ok(performance.now() - begun < 4000);
  const { workers } = await bench.client.getJson<NodeStatus>('/v1/node');
  assert.equal(workers?.[1]?.reason, 'no answer within 2000 ms');
});
