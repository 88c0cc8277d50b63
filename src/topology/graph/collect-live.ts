import { messageOf } from '../../base/errors.js';
import type { QueueView } from '../../queue/queue-view.js';
import type { HopRecord } from '../../trace/record.js';
import { mapBounded } from '../bounded.js';
import { joinHostPort } from '../host-address.js';
import { nodeId } from './build.js';
import type { LiveSource } from './live-sources.js';
import type { LiveFacts, LiveFlow, LiveNode } from './live.js';
import type { TopologyGraph } from './model.js';

/** Asks a node's API for one JSON answer, within a deadline; rejects when there is none. */
export type AskNode = (source: LiveSource & { url: string }, path: string) => Promise<unknown>;

const NODES_AT_A_TIME = 16;
export const WINDOW_SECONDS = 60;
const MAX_RECORDS = 1000;
/** The queue in which messages wait for an operator. */
const QUARANTINE = '(quarantine)';
const STATES = ['active', 'probing', 'backoff', 'paused'];

interface Answers {
  queues: QueueView[];
  /** Null when they cannot be had: then no rate is known. */
  recent: { records: HopRecord[]; seconds: number } | null;
}

/**
 * Asks every node of a graph, in parallel, what is under way. A node that does not answer is marked
 * and holds nobody up.
 */
export async function collectLive(
  graph: TopologyGraph,
  sources: readonly LiveSource[],
  ask: AskNode,
  nowMs: number,
): Promise<LiveFacts> {
  const told = await mapBounded(sources, NODES_AT_A_TIME, (source) =>
    askOne(graph, source, ask, nowMs),
  );
  return {
    asked_at: new Date(nowMs).toISOString(),
    window_seconds: WINDOW_SECONDS,
    nodes: told.map(({ node }) => node),
    flows: told.flatMap(({ flows }) => flows),
  };
}

async function askOne(
  graph: TopologyGraph,
  source: LiveSource,
  ask: AskNode,
  nowMs: number,
): Promise<{ node: LiveNode; flows: LiveFlow[] }> {
  const id = nodeId(source.node);
  const unreachable = (reason: string): { node: LiveNode; flows: LiveFlow[] } => ({
    node: { id, reachable: false, reason, quarantined: 0, elsewhere: 0 },
    flows: [],
  });
  const { url } = source;
  if (url === null) return unreachable('the address of its API is not known');
  try {
    return flowsOf(graph, id, await answersOf({ ...source, url }, ask, nowMs));
  } catch (error) {
    return unreachable(messageOf(error));
  }
}

async function answersOf(
  source: LiveSource & { url: string },
  ask: AskNode,
  nowMs: number,
): Promise<Answers> {
  const since = new Date(nowMs - WINDOW_SECONDS * 1000).toISOString();
  const [queues, trace] = await Promise.all([
    ask(source, '/v1/queues'),
    ask(source, `/trace?since=${since}&limit=${MAX_RECORDS}`).catch(() => null),
  ]);
  const { queues: list } = queues as { queues: QueueView[] };
  if (!Array.isArray(list)) throw new Error('its API does not answer as that of a relaymesh node');
  return { queues: list, recent: recentOf(trace, nowMs) };
}

/** Of a list that was cut off only the time is counted that it reaches back. */
function recentOf(answer: unknown, nowMs: number): Answers['recent'] {
  const { messages, next_cursor: cursor } = (answer ?? {}) as {
    messages?: HopRecord[];
    next_cursor?: string | null;
  };
  if (!Array.isArray(messages)) return null;
  const oldest = messages.at(-1);
  if (cursor == null) return { records: messages, seconds: WINDOW_SECONDS };
  if (oldest === undefined) return null;
  const seconds = (nowMs - Date.parse(oldest.received_at)) / 1000;
  return { records: messages, seconds: Math.min(WINDOW_SECONDS, Math.max(1, seconds)) };
}

function flowsOf(
  graph: TopologyGraph,
  id: string,
  { queues, recent }: Answers,
): { node: LiveNode; flows: LiveFlow[] } {
  const node: LiveNode = { id, reachable: true, reason: null, quarantined: 0, elsewhere: 0 };
  const targetOf = targetFinder(graph, id);
  const flows = new Map<string, LiveFlow>();
  const flowTo = (to: string): LiveFlow => {
    const flow = flows.get(to) ?? emptyFlow(id, to, recent !== null);
    flows.set(to, flow);
    return flow;
  };
  for (const { from, to, kind } of graph.edges) {
    if (from === id && kind !== 'link' && kind !== 'steer') flowTo(to);
  }
  for (const queue of queues) {
    if (queue.name === QUARANTINE) {
      node.quarantined += queue.held;
      continue;
    }
    const to = targetOf(queue.next_hop.replace(/ \([^()]*\)$/, ''), queue.name);
    if (to === undefined) node.elsewhere += queue.ready + queue.deferred + queue.sending;
    else addQueue(flowTo(to), queue);
  }
  for (const record of recent?.records ?? []) {
    const taken = record.attempts.filter(({ result }) => result === 'accepted');
    const targets = new Set(taken.map(({ next_hop: hop }) => targetOf(hop, record.queue)));
    for (const to of targets) {
      if (to === undefined || recent === null) continue;
      const flow = flowTo(to);
      flow.messages_per_minute = (flow.messages_per_minute ?? 0) + 60 / recent.seconds;
    }
  }
  return { node, flows: [...flows.values()] };
}

function emptyFlow(from: string, to: string, isRateKnown: boolean): LiveFlow {
  return {
    from,
    to,
    queues: [],
    ready: 0,
    sending: 0,
    deferred: 0,
    held: 0,
    messages_per_minute: isRateKnown ? 0 : null,
    state: 'active',
    last_fault: null,
  };
}

function addQueue(flow: LiveFlow, queue: QueueView): void {
  flow.queues = [...flow.queues, queue.name].sort();
  flow.ready += queue.ready;
  flow.sending += queue.sending;
  flow.deferred += queue.deferred;
  flow.held += queue.held;
  if (STATES.indexOf(queue.state) > STATES.indexOf(flow.state)) flow.state = queue.state;
  const fault = queue.last_fault;
  if (fault !== null && (flow.last_fault === null || fault.at > flow.last_fault.at)) {
    flow.last_fault = fault;
  }
}

/**
 * Which point of the graph the mail of a node goes to, by the name that its API gives the next hop:
 * that of a node or sink, `host:port`, or `mail servers of` a domain.
 */
function targetFinder(
  graph: TopologyGraph,
  from: string,
): (nextHop: string, queue: string) => string | undefined {
  const out = graph.edges.filter((edge) => edge.from === from);
  // a sink takes all connections, whatever the queue is called
  const sink = out.find(({ instead_of }) => instead_of !== null);
  const names = new Map<string, string>();
  const wildcards: { suffix: string; to: string }[] = [];
  for (const { to, kind } of out) {
    const point = graph.nodes.find(({ id }) => id === to);
    if (kind === 'link' || point === undefined) continue;
    if (point.name.startsWith('*.')) wildcards.push({ suffix: point.name.slice(1), to });
    names.set(point.name, to);
    for (const { port } of point.listeners) {
      if (point.host !== null && port !== 'auto') names.set(joinHostPort(point.host, port), to);
    }
  }
  const mx = out.find(({ to }) => to === 'mx')?.to;
  return (nextHop, queue) => {
    if (sink !== undefined) return sink.to;
    const named =
      names.get(nextHop) ?? wildcards.find(({ suffix }) => nextHop.endsWith(suffix))?.to;
    // the queue of a domain has its name; those of smarthosts begin with a bracket
    return named ?? (queue.startsWith('(') ? undefined : mx);
  };
}
