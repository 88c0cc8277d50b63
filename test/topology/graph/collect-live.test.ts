import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mesh } from '../../../src/api/shape/mesh.js';
import { Secret } from '../../../src/base/secret.js';
import { collectLive, type AskNode } from '../../../src/topology/graph/collect-live.js';
import type { LiveSource } from '../../../src/topology/graph/live-sources.js';
import type { LiveFacts } from '../../../src/topology/graph/live.js';
import type { TopologyGraph } from '../../../src/topology/graph/model.js';
import { NOON_MS } from '../../trace/chain-samples.js';
import { graphOf } from './drawing.js';

type Link = Mesh['links'][number];

const SINKS = { sinks: { mx: { port: 'auto' } } };
const CHAIN = {
  edge: { 'relay-from': ['127.0.0.1/32'], smarthost: 'core' },
  core: { smarthost: 'mx' },
};

function link(fields: Partial<Link>): Link {
  return {
    from: 'edge',
    to: 'core',
    kind: 'node',
    tls: 'none',
    login: false,
    failover: false,
    queues: [],
    ready: 0,
    sending: 0,
    deferred: 0,
    held: 0,
    delivered_per_minute: 0,
    faults_per_minute: 0,
    state: 'active',
    last_fault: null,
    ...fields,
  };
}

type Answer = { links?: Link[]; quarantined?: number; elsewhere?: number } | Error;

/** Asks nodes that answer with what is given; one of which nothing is given has nothing to tell. */
async function collect(
  graph: TopologyGraph,
  answers: Record<string, Answer>,
): Promise<{ live: LiveFacts; asked: string[] }> {
  const asked: string[] = [];
  const ask: AskNode = async ({ node }, path): Promise<Mesh> => {
    asked.push(`${node} ${path}`);
    const answer = answers[node] ?? {};
    if (answer instanceof Error) throw answer;
    const { links = [], quarantined = 0, elsewhere = 0 } = answer;
    const state = { node, reachable: true, reason: null, ready: true, received_per_minute: 0 };
    return {
      asked_at: new Date(NOON_MS).toISOString(),
      window_seconds: 60,
      nodes: [{ ...state, messages: 0, quarantined, elsewhere }],
      links,
    };
  };
  const sources = graph.nodes
    .filter(({ kind }) => kind === 'node')
    .map(({ name }): LiveSource => ({ node: name, url: 'http://x', token: new Secret('t') }));
  return { live: await collectLive(graph, sources, ask, NOON_MS), asked };
}

test('each node is asked for itself alone, and what it says of a link stands at the edge', async () => {
  const fault = { stage: 'authplain', code: 535, enhanced_code: '5.7.8', description: 'no' };
  const { live, asked } = await collect(graphOf(CHAIN, SINKS), {
    edge: {
      links: [
        link({
          queues: ['(smarthost)', '(smarthost) core as x'],
          ready: 3,
          sending: 1,
          deferred: 4,
          held: 2,
          delivered_per_minute: 12,
          state: 'backoff',
          last_fault: { ...fault, at: '2026-03-01T12:00:00.000Z' },
        }),
      ],
    },
  });
  assert.deepEqual(asked, ['edge /v1/mesh?peers=false', 'core /v1/mesh?peers=false']);
  const flow = live.flows.find(({ from }) => from === 'node:edge');
  assert.deepEqual(
    [flow?.to, flow?.ready, flow?.sending, flow?.deferred, flow?.held, flow?.state],
    ['node:core', 3, 1, 4, 2, 'backoff'],
  );
  assert.deepEqual([flow?.delivered_per_minute, flow?.last_fault?.code], [12, 535]);
  assert.deepEqual(flow?.queues, ['(smarthost)', '(smarthost) core as x']);
});

test('links that are one edge of the picture add up: the worst state and the latest fault count', async () => {
  const graph = graphOf(
    { edge: { 'relay-from': ['127.0.0.1/32'], 'smtp-sink-address': 'mx' } },
    SINKS,
  );
  const fault = { stage: 'connect', code: null, enhanced_code: null };
  const links = [
    link({
      to: 'mx',
      kind: 'mx',
      ready: 2,
      delivered_per_minute: 1,
      state: 'backoff',
      last_fault: { ...fault, description: 'later', at: '2026-03-01T12:00:01.000Z' },
    }),
    link({
      to: 'esp.example:25',
      kind: 'host',
      ready: 5,
      delivered_per_minute: 2,
      state: 'probing',
      last_fault: { ...fault, description: 'earlier', at: '2026-03-01T12:00:00.000Z' },
    }),
  ];
  const { live } = await collect(graph, { edge: { links } });
  const [flow, ...others] = live.flows;
  assert.deepEqual(others, []);
  assert.deepEqual(
    [flow?.to, flow?.ready, flow?.delivered_per_minute, flow?.state, flow?.last_fault?.description],
    ['sink:mx', 7, 3, 'backoff', 'later'],
  );
});

test('a node that does not answer is marked with the reason, and the others are told of', async () => {
  const { live } = await collect(graphOf(CHAIN, SINKS), { edge: new Error('gone') });
  const [edge, core] = live.nodes;
  assert.deepEqual([edge?.reachable, edge?.reason], [false, 'gone']);
  assert.equal(core?.reachable, true);
  assert.ok(!live.flows.some(({ from }) => from === 'node:edge'));
  assert.ok(live.flows.some(({ from }) => from === 'node:core'));
});

test('what answers without nodes and links is no node', async () => {
  const graph = graphOf(CHAIN, SINKS);
  const source: LiveSource = { node: 'edge', url: 'http://x', token: null };
  for (const answer of [{ hello: 1 }, { nodes: [{}] }, { nodes: [], links: [] }]) {
    const live = await collectLive(graph, [source], async () => answer, NOON_MS);
    assert.equal(live.nodes[0]?.reachable, false);
  }
});

test('a node whose address nobody knows is not asked', async () => {
  const source: LiveSource = { node: 'edge', url: null, token: null };
  const ask: AskNode = () => assert.fail('asked');
  const live = await collectLive(graphOf(CHAIN, SINKS), [source], ask, NOON_MS);
  assert.match(live.nodes[0]?.reason ?? '', /not known/);
});

test('mail for the servers that DNS names leads there, that of hosts outside of the picture elsewhere', async () => {
  const { live } = await collect(graphOf({ edge: { 'relay-from': ['127.0.0.1/32'] } }), {
    edge: {
      links: [
        link({ to: 'mx', kind: 'mx', ready: 2, delivered_per_minute: 1 }),
        link({ to: 'h:25', kind: 'host', ready: 5 }),
      ],
      quarantined: 3,
      elsewhere: 4,
    },
  });
  const [flow, ...others] = live.flows;
  assert.deepEqual([flow?.to, flow?.ready, flow?.delivered_per_minute, others], ['mx', 2, 1, []]);
  assert.deepEqual([live.nodes[0]?.elsewhere, live.nodes[0]?.quarantined], [9, 3]);
});
