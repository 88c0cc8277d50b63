import type { Mesh } from '../../api/shape/mesh.js';
import { messageOf } from '../../base/errors.js';
import { mapBounded } from '../bounded.js';
import { joinHostPort } from '../host-address.js';
import { nodeId } from './build.js';
import type { LiveSource } from './live-sources.js';
import type { LiveFacts, LiveFlow, LiveNode } from './live.js';
import type { TopologyGraph } from './model.js';

/** Asks a node's API for one JSON answer, within a deadline; rejects when there is none. */
export type AskNode = (source: LiveSource & { url: string }, path: string) => Promise<unknown>;

type Link = Mesh['links'][number];

const NODES_AT_A_TIME = 16;
const WINDOW_SECONDS = 60;
/** What a node says of itself alone, as for the picture in the console. */
const QUESTION = '/v1/mesh?peers=false';
const STATES = ['active', 'probing', 'backoff', 'paused'];

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
  const told = await mapBounded(sources, NODES_AT_A_TIME, (source) => askOne(graph, source, ask));
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
): Promise<{ node: LiveNode; flows: LiveFlow[] }> {
  const id = nodeId(source.node);
  const unreachable = (reason: string): { node: LiveNode; flows: LiveFlow[] } => ({
    node: { id, reachable: false, reason, quarantined: 0, elsewhere: 0 },
    flows: [],
  });
  const { url } = source;
  if (url === null) return unreachable('the address of its API is not known');
  try {
    return flowsOf(graph, id, await ask({ ...source, url }, QUESTION));
  } catch (error) {
    return unreachable(messageOf(error));
  }
}

function flowsOf(
  graph: TopologyGraph,
  id: string,
  answer: unknown,
): { node: LiveNode; flows: LiveFlow[] } {
  const { nodes, links } = answer as Partial<Mesh>;
  const own = nodes?.[0];
  if (own === undefined || !Array.isArray(links)) {
    throw new Error('its API does not answer as that of a relaymesh node');
  }
  const node: LiveNode = {
    id,
    reachable: true,
    reason: null,
    quarantined: own.quarantined ?? 0,
    elsewhere: own.elsewhere ?? 0,
  };
  const targetOf = targetFinder(graph, id);
  const flows = new Map<string, LiveFlow>();
  const flowTo = (to: string): LiveFlow => {
    const flow = flows.get(to) ?? emptyFlow(id, to);
    flows.set(to, flow);
    return flow;
  };
  for (const { from, to, kind } of graph.edges) {
    if (from === id && kind !== 'link' && kind !== 'steer') flowTo(to);
  }
  for (const link of links) {
    const to = targetOf(link);
    if (to === undefined) node.elsewhere += link.ready + link.deferred + link.sending;
    else addLink(flowTo(to), link);
  }
  return { node, flows: [...flows.values()] };
}

function emptyFlow(from: string, to: string): LiveFlow {
  return {
    from,
    to,
    queues: [],
    ready: 0,
    sending: 0,
    deferred: 0,
    held: 0,
    delivered_per_minute: 0,
    state: 'active',
    last_fault: null,
  };
}

function addLink(flow: LiveFlow, link: Link): void {
  flow.queues = [...flow.queues, ...link.queues].sort();
  flow.ready += link.ready;
  flow.sending += link.sending;
  flow.deferred += link.deferred;
  flow.held += link.held;
  flow.delivered_per_minute += link.delivered_per_minute;
  if (STATES.indexOf(link.state) > STATES.indexOf(flow.state)) flow.state = link.state;
  const fault = link.last_fault;
  if (fault !== null && (flow.last_fault === null || fault.at > flow.last_fault.at)) {
    flow.last_fault = fault;
  }
}

/**
 * Which point of the graph the mail of a node goes to, by the name that its API gives the next hop:
 * that of a node or sink, `host:port`, or `mx`.
 */
function targetFinder(graph: TopologyGraph, from: string): (link: Link) => string | undefined {
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
  return ({ to: nextHop, kind }) => {
    if (sink !== undefined) return sink.to;
    const named =
      names.get(nextHop) ?? wildcards.find(({ suffix }) => nextHop.endsWith(suffix))?.to;
    return named ?? (kind === 'mx' ? mx : undefined);
  };
}
