import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeQuarantine, type QueueView } from '../../../src/queue/queue-view.js';
import { Secret } from '../../../src/base/secret.js';
import { collectLive, type AskNode } from '../../../src/topology/graph/collect-live.js';
import type { LiveSource } from '../../../src/topology/graph/live-sources.js';
import type { LiveFacts } from '../../../src/topology/graph/live.js';
import type { TopologyGraph } from '../../../src/topology/graph/model.js';
import type { HopRecord } from '../../../src/trace/record.js';
import { NOON_MS, sampleAttempt, sampleHop } from '../../trace/chain-samples.js';
import { graphOf } from './drawing.js';

const SINKS = { sinks: { mx: { port: 'auto' } } };
const CHAIN = {
  edge: { 'relay-from': ['127.0.0.1/32'], smarthost: 'core' },
  core: { smarthost: 'mx' },
};

function queue(fields: Partial<QueueView>): QueueView {
  return { ...describeQuarantine(0, null, NOON_MS), state: 'active', ...fields };
}

interface Answers {
  queues?: QueueView[] | Error;
  records?: HopRecord[] | Error;
  next_cursor?: string;
}

/** Asks nodes that answer with what is given; one of which nothing is given has nothing to tell. */
async function collect(
  graph: TopologyGraph,
  answers: Record<string, Answers>,
): Promise<{ live: LiveFacts; asked: string[] }> {
  const asked: string[] = [];
  const ask: AskNode = async ({ node }, path) => {
    asked.push(`${node} ${path}`);
    const { queues = [], records = [], next_cursor = null } = answers[node] ?? {};
    const answer = path.startsWith('/trace') ? records : queues;
    if (answer instanceof Error) throw answer;
    return path.startsWith('/trace') ? { messages: answer, next_cursor } : { queues: answer };
  };
  const sources = graph.nodes
    .filter(({ kind }) => kind === 'node')
    .map(({ name }): LiveSource => ({ node: name, url: 'http://x', token: new Secret('t') }));
  return { live: await collectLive(graph, sources, ask, NOON_MS), asked };
}

/** A message that `next_hop` took, or refused. */
function record(next_hop: string, fields: Partial<HopRecord> = {}, taken = true): HopRecord {
  const result = taken ? 'accepted' : 'error';
  const attempts = [sampleAttempt('span', NOON_MS, next_hop, { result })];
  return sampleHop('edge', NOON_MS, { attempts, recipients: [], queue: '(smarthost)', ...fields });
}

test('the queues to one neighbour add up, and the worst state and the latest fault stand for all', async () => {
  const fault = { stage: 'auth', code: 535, enhanced_code: '5.7.8', description: 'no' };
  const { live } = await collect(graphOf(CHAIN, SINKS), {
    edge: {
      queues: [
        queue({ name: '(smarthost)', next_hop: 'core (127.0.0.1:2525)', ready: 2, sending: 1 }),
        queue({
          name: '(smarthost) core as x',
          next_hop: 'core (127.0.0.1:2525)',
          ready: 1,
          deferred: 4,
          state: 'backoff',
          last_fault: { ...fault, at: '2026-03-01T12:00:00.000Z' },
        }),
      ],
    },
  });
  const flow = live.flows.find(({ from }) => from === 'node:edge');
  assert.deepEqual(
    [flow?.to, flow?.ready, flow?.sending, flow?.deferred, flow?.state],
    ['node:core', 3, 1, 4, 'backoff'],
  );
  assert.equal(flow?.last_fault?.code, 535);
  assert.deepEqual(flow.queues, ['(smarthost)', '(smarthost) core as x']);
});

test('a rate counts the messages that the neighbour has taken, not those that it refused', async () => {
  const { live, asked } = await collect(graphOf(CHAIN, SINKS), {
    edge: { records: [record('core'), record('core'), record('core', {}, false)] },
  });
  const [flow] = live.flows;
  assert.equal(flow?.messages_per_minute, 2);
  assert.ok(asked.includes('edge /trace?since=2026-03-01T11:59:00.000Z&limit=1000'), asked[1]);
});

test('of a list that was cut off the rate is that of the time that it reaches back', async () => {
  const received_at = new Date(NOON_MS - 6000).toISOString();
  const { live } = await collect(graphOf(CHAIN, SINKS), {
    edge: { records: [record('core'), record('core', { received_at })], next_cursor: 'more' },
  });
  assert.equal(live.flows[0]?.messages_per_minute, 20);
});

test('without records no rate is known, and the depths are still told', async () => {
  const { live } = await collect(graphOf(CHAIN, SINKS), {
    edge: {
      queues: [queue({ name: '(smarthost)', next_hop: 'core (127.0.0.1:1)', ready: 9 })],
      records: new Error('broken'),
    },
  });
  assert.deepEqual([live.flows[0]?.messages_per_minute, live.flows[0]?.ready], [null, 9]);
});

test('a node that does not answer is marked with the reason, and the others are told of', async () => {
  const { live } = await collect(graphOf(CHAIN, SINKS), { edge: { queues: new Error('gone') } });
  const [edge, core] = live.nodes;
  assert.deepEqual([edge?.reachable, edge?.reason], [false, 'gone']);
  assert.equal(core?.reachable, true);
  assert.ok(!live.flows.some(({ from }) => from === 'node:edge'));
  assert.ok(live.flows.some(({ from }) => from === 'node:core'));
});

test('what answers without queues is no node', async () => {
  const graph = graphOf(CHAIN, SINKS);
  const source: LiveSource = { node: 'edge', url: 'http://x', token: null };
  const live = await collectLive(graph, [source], async () => ({ hello: 1 }), NOON_MS);
  assert.equal(live.nodes[0]?.reachable, false);
});

test('a node whose address nobody knows is not asked', async () => {
  const source: LiveSource = { node: 'edge', url: null, token: null };
  const ask: AskNode = () => assert.fail('asked');
  const live = await collectLive(graphOf(CHAIN, SINKS), [source], ask, NOON_MS);
  assert.match(live.nodes[0]?.reason ?? '', /not known/);
});

test('queues of domains lead to the mail servers, those of unknown hosts elsewhere', async () => {
  const { live } = await collect(graphOf({ edge: { 'relay-from': ['127.0.0.1/32'] } }), {
    edge: {
      queues: [
        queue({ name: 'a.example', next_hop: 'mail servers of a.example', ready: 2 }),
        queue({ name: '(own) h:25', next_hop: 'h:25 (h:25)', ready: 5 }),
        queue({ ...describeQuarantine(3, NOON_MS, NOON_MS) }),
      ],
      records: [record('mx1.a.example:25', { queue: 'a.example' })],
    },
  });
  assert.deepEqual([live.flows[0]?.to, live.flows[0]?.ready], ['mx', 2]);
  assert.equal(live.flows[0]?.messages_per_minute, 1);
  assert.deepEqual([live.nodes[0]?.elsewhere, live.nodes[0]?.quarantined], [5, 3]);
});

test('a sink in place of all hops takes the mail of every queue', async () => {
  const graph = graphOf(
    { edge: { 'relay-from': ['127.0.0.1/32'], 'smtp-sink-address': 'mx' } },
    SINKS,
  );
  const { live } = await collect(graph, {
    edge: {
      queues: [queue({ name: 'a.example', next_hop: 'mail servers of a.example', ready: 2 })],
    },
  });
  assert.deepEqual([live.flows[0]?.to, live.flows[0]?.ready], ['sink:mx', 2]);
});
