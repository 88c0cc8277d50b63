import type { Mesh } from '../api/shape/mesh.js';
import { latestFault, worstState } from './merged-queue.js';

/** Queues of a link that are named. */
const MAX_QUEUES = 20;

type Link = Mesh['links'][number];
type MeshNode = Mesh['nodes'][number];

/**
 * The parts of all workers in the picture of the mesh as that of one node: it takes mail while one
 * of them does; counts and rates are summed; of a link the state is the worst, the fault the latest.
 *
 * @param parts one at least
 */
export function mergeMesh(parts: readonly Mesh[]): Mesh {
  const [first] = parts as [Mesh, ...Mesh[]];
  const nodes = parts.flatMap((part) => part.nodes.slice(0, 1));
  const links = new Map<string, Link[]>();
  for (const link of parts.flatMap((part) => part.links)) {
    const same = links.get(link.to);
    if (same === undefined) links.set(link.to, [link]);
    else same.push(link);
  }
  return {
    asked_at: first.asked_at,
    window_seconds: first.window_seconds,
    nodes: nodes.length === 0 ? [] : [mergeNode(nodes)],
    links: [...links.values()].map(mergeLink),
  };
}

function mergeNode(nodes: readonly MeshNode[]): MeshNode {
  const sum = (of: (node: MeshNode) => number | null): number =>
    nodes.reduce((all, node) => all + (of(node) ?? 0), 0);
  return {
    node: nodes[0]?.node ?? '',
    reachable: true,
    reason: null,
    ready: nodes.some(({ ready }) => ready === true),
    messages: sum(({ messages }) => messages),
    quarantined: sum(({ quarantined }) => quarantined),
    elsewhere: sum(({ elsewhere }) => elsewhere),
    received_per_minute: sum(({ received_per_minute: rate }) => rate),
  };
}

function mergeLink(links: readonly Link[]): Link {
  const [first] = links as [Link, ...Link[]];
  const sum = (of: (link: Link) => number): number =>
    links.reduce((all, link) => all + of(link), 0);
  return {
    ...first,
    queues: [...new Set(links.flatMap(({ queues }) => queues))].sort().slice(0, MAX_QUEUES),
    ready: sum(({ ready }) => ready),
    sending: sum(({ sending }) => sending),
    deferred: sum(({ deferred }) => deferred),
    held: sum(({ held }) => held),
    delivered_per_minute: sum(({ delivered_per_minute: rate }) => rate),
    faults_per_minute: sum(({ faults_per_minute: rate }) => rate),
    state: worstState(links.map(({ state }) => state)),
    last_fault: latestFault(links.map(({ last_fault: fault }) => fault)),
  };
}
