import { entryOf } from '../hop-plan.js';
import type { NodeHop } from '../node-hops.js';
import { maxFlow, type FlowEdge } from '../max-flow.js';
import { queuesOf, type PlannedQueue } from '../queue-limits.js';
import { tunablesOf } from '../tunables.js';
import type { LintContext } from './context.js';
import { edgesOf, flowingEdges, inFlowOrder, nodeOf, nodesByAddress } from './edges.js';

/** Queues that the flow is followed through; in larger meshes nothing is said about it. */
const MAX_QUEUES = 1000;

/** Where all mail comes from; no node can have this name. */
const OUTSIDE = '*';

/** One queue as a way from node to node. */
interface Way extends FlowEdge {
  queue: PlannedQueue;
}

/** What the limits of some nodes let through, and those of others do not take. */
export function checkCapacity(context: LintContext): void {
  const { topology, hops, targets } = context;
  const queues = new Map(
    [...hops].map(([name, ofNode]) => [name, queuesOf(topology, name, ofNode)]),
  );
  const byAddress = nodesByAddress(context);
  const ways = [...queues].flatMap(([from, ofNode]) =>
    targets.get(from)?.sink === undefined ? waysOf(context, from, ofNode, byAddress) : [],
  );
  checkSessions(context, ways);
  const all = [...queues.values()].flat();
  // a running node that reads its file again is not held up by what is about the mesh as a whole
  if (context.node !== undefined) return;
  if (all.length <= MAX_QUEUES && all.some(({ rate }) => rate !== undefined)) {
    checkRates(context, queues, ways);
  }
}

/** The queues that lead to nodes in normal operation: no failover, no member that gets nothing. */
function waysOf(
  context: LintContext,
  from: string,
  queues: readonly PlannedQueue[],
  byAddress: ReadonlyMap<string, string>,
): Way[] {
  return queues.flatMap((queue): Way[] => {
    const to = nodeOf(queue.plan, byAddress);
    if (to === undefined || to === from) return [];
    if (shareOf(context, from, queue) === 0) return [];
    return [{ from, to, capacity: queue.rate?.value ?? Number.POSITIVE_INFINITY, queue }];
  });
}

function checkSessions({ topology, node: own, report }: LintContext, ways: readonly Way[]): void {
  for (const [name, node] of Object.entries(topology.nodes)) {
    const opened = new Map<string, number>();
    for (const { from, to, queue } of ways) {
      if (to === name) opened.set(from, (opened.get(from) ?? 0) + queue.maxConnections);
    }
    if (![undefined, name].includes(own)) continue;
    for (const [from, connections] of opened) {
      const sender = entryOf(topology.nodes, from);
      if (sender === undefined) continue;
      const atOnce = tunablesOf(topology, sender)['max-attempts-at-once'];
      opened.set(from, Math.min(connections, atOnce));
    }
    const most = sum(opened.values());
    const sessions = tunablesOf(topology, node)['max-sessions'];
    if (most <= sessions) continue;
    const holder = node['max-sessions'] === undefined ? topology.defaults : undefined;
    report(
      'too-few-sessions',
      holder?.['max-sessions'] === undefined
        ? ['nodes', name, 'max-sessions']
        : ['defaults', 'max-sessions'],
      `node '${name}' takes ${sessions} sessions at once, and other nodes may open ${most} (${listed(opened)})`,
      {
        part: 'key',
        hint: 'further ones hear 421; raise this, or lower `max-connections` of what leads here',
      },
    );
  }
}

/**
 * For each node the most that limits before it let through (a maximum flow), against what its own
 * queues may pass on. Ways without a limit count for nothing: what they bring is not known.
 */
function checkRates(
  context: LintContext,
  queues: ReadonlyMap<string, readonly PlannedQueue[]>,
  ways: readonly Way[],
): void {
  const { topology } = context;
  const network: Way[] = [];
  const sources: FlowEdge[] = Object.entries(topology.nodes)
    .filter(([, node]) => node.users.length > 0 || node['relay-from'].length > 0)
    .map(([name]) => ({ from: OUTSIDE, to: name, capacity: Number.POSITIVE_INFINITY }));
  for (const name of inFlowOrder(flowingEdges(context, edgesOf(context)))) {
    const limited = network.filter(({ to, capacity }) => to === name && Number.isFinite(capacity));
    const others = [...sources, ...network].filter(({ to }) => to !== name);
    const said = limited.length === 0 ? 0 : maxFlow([...others, ...limited], OUTSIDE, name);
    reportRate(context, name, queues.get(name) ?? [], said, limited);
    const arriving = maxFlow([...sources, ...network], OUTSIDE, name);
    for (const way of ways) {
      if (way.from !== name) continue;
      const share = shareOf(context, name, way.queue) * arriving;
      network.push({ ...way, capacity: Math.min(way.capacity, share) });
    }
  }
}

/** The part of a node's mail that a queue gets at most: of a pool by its weights. */
function shareOf({ targets }: LintContext, name: string, queue: PlannedQueue): number {
  let share = 0;
  const ofNode = targets.get(name);
  if (ofNode === undefined) return 1;
  const isHere = (hop: NodeHop): boolean => queue.hops.includes(hop);
  for (const target of [ofNode.fallback, ...ofNode.routes.map((route) => route.target)]) {
    if (target.kind === 'hop' && isHere(target.hop)) return 1;
    if (target.kind !== 'pool') continue;
    const total = sum(target.members.map(({ weight }) => weight));
    const own = sum(target.members.map(({ hop, weight }) => (isHere(hop) ? weight : 0)));
    // a message goes one of these ways, so that the largest share counts, not their sum
    if (total > 0) share = Math.max(share, own / total);
  }
  return share;
}

function reportRate(
  context: LintContext,
  name: string,
  queues: readonly PlannedQueue[],
  said: number,
  limited: readonly Way[],
): void {
  const rates = queues.filter((queue) => shareOf(context, name, queue) > 0 || isSpare(queue));
  const [first] = rates.flatMap(({ rate }) => rate ?? []);
  if (first === undefined || hasOtherWays(context, name)) return;
  const out = sum(rates.map(({ rate }) => rate?.value ?? Number.POSITIVE_INFINITY));
  if (out >= whole(said)) return;
  const brought = new Map<string, number>();
  for (const { from, capacity } of limited) {
    brought.set(from, (brought.get(from) ?? 0) + whole(capacity));
  }
  context.report(
    'too-little-capacity',
    first.path,
    `node '${name}' may pass on ${out} messages a minute, and limits before it let ${whole(said)} through (${listed(brought)})`,
    {
      part: 'key',
      hint: `what is more waits at '${name}', until its queue is full; raise this limit, or lower those`,
    },
  );
}

/** Only used when others are at fault, and some help then. */
function isSpare(queue: PlannedQueue): boolean {
  return queue.hops.some(({ role }) => role === 'failover');
}

/** Mail can leave also where no limit is known: by MX, or to where it says itself. */
function hasOtherWays({ topology, targets }: LintContext, name: string): boolean {
  const ofNode = targets.get(name);
  const node = entryOf(topology.nodes, name);
  if (ofNode === undefined || node === undefined) return true;
  const steering = [node, ...node.users, ...topology.links.filter(({ to }) => to === name)];
  return (
    [ofNode.fallback, ...ofNode.routes.map(({ target }) => target)].some(
      ({ kind }) => kind === 'mx',
    ) || steering.some((entry) => entry['steer-to'].length > 0)
  );
}

/** Whole messages: a part of one that a share of a pool leaves over is none. */
function whole(messages: number): number {
  return Math.floor(messages + 1e-6);
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const one of numbers) total += one;
  return total;
}

/** `berlin 20, oslo 20`, the first few. */
function listed(amounts: ReadonlyMap<string, number>): string {
  const shown = [...amounts].slice(0, 8).map(([name, amount]) => `${name} ${amount}`);
  return [...shown, ...(amounts.size > shown.length ? ['…'] : [])].join(', ');
}
