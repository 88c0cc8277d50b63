import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectMesh } from '../../src/api/collect-mesh.js';
import { mesh, type Mesh } from '../../src/api/shape/mesh.js';
import { eventually } from '../base/eventually.js';
import { runSink, SmtpClient } from '../sink/client.js';
import { runApi } from './api-bench.js';
import { localHop, runNode } from './running-node.js';

function partOf(node: string, ...to: string[]): Mesh {
  const nodes = [
    {
      node,
      reachable: true,
      reason: null,
      ready: true,
      messages: 3,
      quarantined: 0,
      elsewhere: 0,
      received_per_minute: 5,
    },
  ];
  const links = to.map((to) => ({
    from: node,
    to,
    kind: 'node' as const,
    tls: 'verified' as const,
    login: true,
    failover: false,
    queues: [],
    ready: 0,
    sending: 0,
    deferred: 0,
    held: 0,
    delivered_per_minute: 0,
    faults_per_minute: 0,
    state: 'active' as const,
    last_fault: null,
  }));
  return { asked_at: '2026-01-05T12:00:00.000Z', window_seconds: 60, nodes, links };
}

function byName([a]: unknown[], [b]: unknown[]): number {
  return String(a).localeCompare(String(b));
}

test('who does not answer is named with the reason, and what is not about itself is not believed', async () => {
  const liar = partOf('liar', 'x');
  liar.nodes.push(...partOf('core').nodes);
  liar.links.push(...partOf('core', 'y').links);
  const answers: Record<string, unknown> = {
    core: partOf('core', 'exit'),
    liar,
    stranger: { hello: 1 },
    other: partOf('core'),
  };
  const all = await collectMesh({
    own: partOf('edge', 'core'),
    peers: [...Object.keys(answers), 'dead'],
    ask: (node) =>
      node in answers ? Promise.resolve(answers[node]) : Promise.reject(new Error('no answer')),
  });
  mesh.parse(all);
  const wrong = 'its API does not answer as that of this node';
  assert.deepEqual(
    all.nodes.map(({ node, reachable, reason, messages }) => [node, reachable, reason, messages]),
    [
      ['edge', true, null, 3],
      ['core', true, null, 3],
      ['liar', true, null, 3],
      ['stranger', false, wrong, null],
      ['other', false, wrong, null],
      ['dead', false, 'no answer', null],
    ],
  );
  assert.deepEqual(
    all.links.map(({ from, to }) => `${from} ${to}`),
    ['edge core', 'core exit', 'liar x'],
  );
});

test('of a thousand nodes a bounded number is asked at once', async () => {
  let [open, most] = [0, 0];
  const peers = Array.from({ length: 1000 }, (_, index) => `n${index}`);
  const all = await collectMesh({
    own: partOf('edge'),
    peers,
    ask: async (node) => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setImmediate(resolve));
      open--;
      return partOf(node);
    },
  });
  assert.equal(all.nodes.length, 1001);
  assert.ok(most <= 64, String(most));
});

test('a node is asked for its own part, or for all', async (t) => {
  const bench = await runApi(t);
  bench.mesh = partOf('edge');
  assert.deepEqual(await bench.client.getJson('/v1/mesh'), bench.mesh);
  await bench.client.getJson('/v1/mesh?peers=true');
  await bench.client.getJson('/v1/mesh?peers=false');
  assert.deepEqual(bench.calls.flat(), ['mesh', 'mesh', 'own mesh']);
  const answer = await bench.request({ path: '/v1/mesh?peers=maybe' });
  assert.equal((JSON.parse(answer.body) as { code: string }).code, 'BAD_QUERY');
});

test('two nodes show the same picture with what passed, and one that is down', async (t) => {
  const sink = await runSink(t);
  const core = await runNode(t, 'core', localHop('mx', 'sink', sink.smtp.port), 'edge');
  const edge = await runNode(t, 'edge', localHop('core', 'node', core.smtpPort));
  await edge.knows(core);
  await core.knows(edge);
  const client = await SmtpClient.greeted(edge.smtpPort);
  await client.send('a@a.example', ['b@b.example', 'c@b.example'], 'Subject: x\r\n\r\nx');
  client.destroy();
  await eventually('both recipients to have passed both links', async () => {
    const { links } = mesh.parse(await edge.client.getJson('/v1/mesh'));
    return links.length === 2 && links.every((link) => link.delivered_per_minute === 2);
  });
  for (const node of [edge, core]) {
    const { nodes, links } = mesh.parse(await node.client.getJson('/v1/mesh'));
    assert.deepEqual(
      nodes
        .map((one) => [one.node, one.ready, one.messages, one.received_per_minute])
        .toSorted(byName),
      [
        ['core', true, 0, 1],
        ['edge', true, 0, 1],
      ],
    );
    assert.deepEqual(
      links.map(({ from, to, kind, tls, login }) => [from, to, kind, tls, login]).toSorted(byName),
      [
        ['core', 'mx', 'sink', 'none', false],
        ['edge', 'core', 'node', 'none', true],
      ],
    );
  }
  await core.node.stop(1000);
  const { nodes, links } = mesh.parse(await edge.client.getJson('/v1/mesh'));
  const down = nodes.find(({ node }) => node === 'core');
  assert.deepEqual([down?.reachable, down?.messages], [false, null]);
  assert.notEqual(down?.reason, null);
  assert.deepEqual(
    links.map(({ from }) => from),
    ['edge'],
  );
});
