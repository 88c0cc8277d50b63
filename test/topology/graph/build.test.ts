import assert from 'node:assert/strict';
import { test } from 'node:test';
import { edgesOf, graphOf, graphOfText, nodeOf } from './drawing.js';
import { MESH_OF_TWELVE } from './meshes.js';

const CLIENTS = { 'relay-from': ['127.0.0.1/32'] };

test('a node stands one tier behind the furthest one that sends to it', () => {
  const graph = graphOf(
    {
      edge: { ...CLIENTS, smarthost: { pool: [{ to: 'core' }, { to: 'exit' }] } },
      core: { smarthost: 'exit' },
      exit: { smarthost: 'mx' },
    },
    { sinks: { mx: { port: 'auto' } } },
  );
  const tiers = Object.fromEntries(graph.nodes.map(({ id, tier }) => [id, tier]));
  assert.deepEqual(tiers, {
    'network:edge': 0,
    'node:edge': 1,
    'node:core': 2,
    'node:exit': 3,
    'sink:mx': 4,
  });
  assert.equal(graph.tiers, 5);
  assert.deepEqual(graph.cycles, []);
  assert.ok(graph.edges.every(({ cycle, backward }) => !cycle && !backward));
});

test('tiers do not follow the order of the file, and entries come first', () => {
  const graph = graphOf({
    exit: {},
    core: { smarthost: 'exit' },
    edge: { ...CLIENTS, smarthost: 'core' },
  });
  assert.deepEqual(
    ['edge', 'core', 'exit'].map((name) => nodeOf(graph, `node:${name}`).tier),
    [1, 2, 3],
  );
});

test('a circle is marked, one of its edges leads back, and all else keeps its tier', () => {
  const graph = graphOf({
    edge: { ...CLIENTS, smarthost: 'a' },
    a: { smarthost: 'b' },
    b: { routes: [{ tag: 'again', smarthost: 'a' }], smarthost: 'exit' },
    exit: {},
  });
  assert.deepEqual(graph.cycles, [['node:a', 'node:b']]);
  assert.deepEqual(
    graph.nodes.filter(({ cycle }) => cycle).map(({ id }) => id),
    ['node:a', 'node:b'],
  );
  const [back] = edgesOf(graph, 'node:b', 'node:a');
  const [there] = edgesOf(graph, 'node:a', 'node:b');
  assert.equal(back?.backward, true);
  assert.equal(back.cycle, true);
  assert.equal(there?.backward, false);
  assert.equal(there.cycle, true);
  assert.equal(edgesOf(graph, 'node:b', 'node:exit')[0]?.cycle, false);
  assert.equal(nodeOf(graph, 'node:exit').tier, 4);
});

test('a node that sends to itself is a circle of one', () => {
  const graph = graphOf({ edge: { ...CLIENTS, smarthost: 'edge' } });
  assert.deepEqual(graph.cycles, [['node:edge']]);
  assert.equal(edgesOf(graph, 'node:edge', 'node:edge')[0]?.cycle, true);
});

test('what messages may name makes no circle', () => {
  const users = [
    { username: 'app', password: { secret: 'app' }, may: ['relay', 'steer'], 'steer-to': ['edge'] },
  ];
  const graph = graphOf(
    { edge: { ...CLIENTS, smarthost: 'core' }, core: { users, smarthost: 'mx' } },
    { secrets: { app: { env: 'APP' } }, sinks: { mx: { port: 'auto' } } },
  );
  assert.deepEqual(graph.cycles, []);
  const [steer] = edgesOf(graph, 'node:core', 'node:edge');
  assert.equal(steer?.kind, 'steer');
  assert.match(steer.condition ?? '', /app/);
});

test('parts that are not connected have numbers of their own', () => {
  const graph = graphOfText(MESH_OF_TWELVE);
  assert.equal(graph.parts, 2);
  const other = graph.nodes.filter(({ part }) => part === 1).map(({ id }) => id);
  assert.deepEqual(other.sort(), ['network:island', 'node:island', 'sink:lagoon']);
});

test('routes, weights and failover stand on their edges', () => {
  const graph = graphOfText(MESH_OF_TWELVE);
  const [vip] = edgesOf(graph, 'node:berlin', 'node:exit-a').filter(({ kind }) => kind === 'route');
  assert.equal(vip?.order, 1);
  assert.equal(vip.condition, 'to *@vip.example');
  const [bulk] = edgesOf(graph, 'node:berlin', 'node:core-d');
  assert.equal(bulk?.condition, 'from *@bulk.example, news|letter@*, size >5MB');
  assert.deepEqual([bulk.weight, bulk.weight_total, bulk.failover], [1, 3, null]);
  const [reserve] = edgesOf(graph, 'node:berlin', 'node:exit-b');
  assert.deepEqual([reserve?.order, reserve?.failover, reserve?.weight], [2, 1, null]);
  const [rest] = edgesOf(graph, 'node:berlin', 'node:core-a');
  assert.equal(rest?.condition, 'all other mail');
});

test('the TLS and the login of a link stand on the edge of its smarthost', () => {
  const graph = graphOfText(MESH_OF_TWELVE);
  const [edge] = edgesOf(graph, 'node:lisbon', 'node:core-b');
  assert.deepEqual([edge?.tls, edge?.login], ['required', true]);
  const [without] = edgesOf(graph, 'node:oslo', 'node:core-b');
  assert.deepEqual([without?.tls, without?.login], ['opportunistic', false]);
  const [esp] = edgesOf(graph, 'node:exit-b', 'host:smtp.esp.example:587');
  assert.deepEqual([esp?.tls, esp?.login], ['verified', true]);
});

test('a link that no mail takes is an edge of its own kind', () => {
  const graph = graphOfText(MESH_OF_TWELVE);
  assert.deepEqual(
    graph.edges.filter(({ kind }) => kind === 'link').map(({ from, to }) => [from, to]),
    [['node:core-a', 'node:exit-b']],
  );
});

test('a sink in place of all hops takes the edge, which says where the mail was meant to go', () => {
  const graph = graphOfText(MESH_OF_TWELVE);
  const [edge] = edgesOf(graph, 'node:exit-c', 'sink:catch-all');
  assert.match(edge?.instead_of ?? '', /MX/);
  assert.deepEqual(edgesOf(graph, 'node:exit-c', 'mx'), []);
});

test('where nobody delivers by MX there are no mail servers', () => {
  const graph = graphOf({ edge: { ...CLIENTS, smarthost: 'mx' } }, { sinks: { mx: { port: 25 } } });
  assert.ok(!graph.nodes.some(({ kind }) => kind === 'mx'));
});

test('a node that stands in the file by its address is that node', () => {
  const graph = graphOf({
    edge: { ...CLIENTS, smarthost: '127.0.0.1:2601' },
    core: { listen: [{ port: 2601 }], smarthost: 'edge' },
  });
  assert.equal(edgesOf(graph, 'node:edge', 'node:core').length, 1);
  assert.deepEqual(graph.cycles, [['node:edge', 'node:core']]);
});

test('a name that nothing has is drawn as such', () => {
  const graph = graphOf({ edge: { ...CLIENTS, smarthost: 'exot' } });
  assert.equal(nodeOf(graph, 'unknown:exot').kind, 'unknown');
});

test('neither secrets nor the usernames of hops are in the graph', () => {
  const text = JSON.stringify(graphOfText(MESH_OF_TWELVE));
  for (const word of ['customer', 'MESH_', 'secret', '"esp"']) {
    assert.ok(!text.includes(word), word);
  }
});

test('a chain of three thousand nodes is no different from a short one', () => {
  const names = Array.from({ length: 3000 }, (_, at) => `n${at}`);
  const nodes = Object.fromEntries(
    names.map((name, at) => [
      name,
      { ...(at === 0 ? CLIENTS : {}), smarthost: names[at + 1] ?? names[0] },
    ]),
  );
  const graph = graphOf(nodes);
  assert.equal(nodeOf(graph, 'node:n2999').tier, 3000);
  assert.equal(graph.cycles[0]?.length, 3000);
});
