import { MAX_RECEIVED } from '../../intake/control-headers.js';
import { parseSize } from '../compile-routes.js';
import { entryOf } from '../hop-plan.js';
import type { NodeHop, NodeTargets, Target } from '../node-hops.js';
import type { RouteEntry } from '../schema-routes.js';
import { sizeText } from '../size.js';
import { tunablesOf, type Tunables } from '../tunables.js';
import type { LintContext } from './context.js';
import {
  edgesOf,
  flowingEdges,
  inFlowOrder,
  nodeOf,
  nodesByAddress,
  type Edge,
  type Edges,
} from './edges.js';

/** Received lines that servers outside may refuse a message for: Sendmail's MaxHopCount is 25. */
const CAREFUL_RECEIVED = 25;

/** What holds on one node of a way and no longer on the next: sizes, lifetimes, hops that are left. */
export function checkPaths(context: LintContext): void {
  const byAddress = nodesByAddress(context);
  for (const [from, targets] of context.targets) {
    if (targets.sink !== undefined) continue;
    for (const { to, largest } of nextNodes(context, from, targets, byAddress)) {
      // a node that is about to run speaks of its own ways
      if (to === from || ![undefined, from, to].includes(context.node)) continue;
      checkSizes(context, from, to, largest);
      checkLifetime(context, from, to);
    }
  }
  if (context.node === undefined) checkLength(context, flowingEdges(context, edgesOf(context)));
}

/** The nodes that mail goes to, and the size in bytes of the largest that goes there. */
function nextNodes(
  { topology }: LintContext,
  from: string,
  { routes, fallback }: NodeTargets,
  byAddress: ReadonlyMap<string, string>,
): { to: string; largest: number }[] {
  const node = entryOf(topology.nodes, from);
  if (node === undefined) return [];
  const largest = new Map<string, number>();
  const note = (target: Target, size: number): void => {
    for (const { planned } of hopsThatGetMail(target)) {
      const to = 'plan' in planned ? nodeOf(planned.plan, byAddress) : undefined;
      if (to !== undefined) largest.set(to, Math.max(size, largest.get(to) ?? 0));
    }
  };
  let left = tunablesOf(topology, node)['max-message-size'];
  for (const { entry, target } of routes) {
    const { below, above } = sizesOf(entry);
    note(target, Math.min(left, below));
    // all mail above this size has left the list of routes here
    if (isAboutSizeOnly(entry)) left = Math.min(left, above);
  }
  note(fallback, left);
  return [...largest].map(([to, size]) => ({ to, largest: size }));
}

function hopsThatGetMail(target: Target): NodeHop[] {
  switch (target.kind) {
    case 'hop':
      return [target.hop];
    case 'pool':
      return [
        ...target.members.filter(({ weight }) => weight > 0).map(({ hop }) => hop),
        ...target.failover,
      ];
    case 'mx':
      return [];
  }
}

/** The largest size that a route takes, and the largest that one for larger mail leaves. */
function sizesOf({ size }: RouteEntry): { below: number; above: number } {
  const bounds = { below: Number.POSITIVE_INFINITY, above: Number.POSITIVE_INFINITY };
  if (size === undefined) return bounds;
  const { operator, value } = parseSize(size);
  if (operator === '<') bounds.below = value - 1;
  if (operator === '<=') bounds.below = value;
  if (operator === '>') bounds.above = value;
  if (operator === '>=') bounds.above = value - 1;
  return bounds;
}

function isAboutSizeOnly({ recipient, sender, user, tag, attempts }: RouteEntry): boolean {
  return [recipient, sender, user, tag, attempts].every((condition) => condition === undefined);
}

function checkSizes(context: LintContext, from: string, to: string, largest: number): void {
  const { 'max-header-size': header } = limitsAt(context, from);
  for (const [key, size, what] of [
    ['max-message-size', largest, 'messages'],
    ['max-header-size', header, 'header sections'],
  ] as const) {
    const taken = limitsAt(context, to)[key];
    if (size <= taken) continue;
    context.report(
      'size-shrinks',
      placeOfLimit(context, from, to, key),
      `node '${from}' passes on ${what} of up to ${sizeText(size)}, and node '${to}' refuses those over ${sizeText(taken)}`,
      { part: 'key', hint: `give both the same \`${key}\`, else such mail bounces on its way` },
    );
  }
}

function checkLifetime(context: LintContext, from: string, to: string): void {
  const key = 'expire-after';
  const [before, after] = [limitsAt(context, from)[key], limitsAt(context, to)[key]];
  if (before <= after) return;
  context.report(
    'lifetime-shrinks',
    placeOfLimit(context, from, to, key),
    `node '${from}' keeps mail for ${before} s, and node '${to}' behind it gives up after ${after} s`,
    {
      part: 'key',
      hint: `mail that '${to}' has taken bounces before '${from}' would have given it up; give '${to}' as long as '${from}'`,
    },
  );
}

function limitsAt({ topology }: LintContext, name: string): Tunables {
  const node = entryOf(topology.nodes, name);
  if (node === undefined) throw new Error(`no node '${name}'`);
  return tunablesOf(topology, node);
}

/** Where the next node says it; else the first one, which alone can differ from the rest then. */
function placeOfLimit(
  { topology }: LintContext,
  from: string,
  to: string,
  key: 'max-message-size' | 'max-header-size' | 'expire-after',
): string[] {
  const holder = entryOf(topology.nodes, to)?.[key] === undefined ? from : to;
  return ['nodes', holder, key];
}

/** Each node adds a Received line, and refuses a message that has too many (RFC 5321 §6.3). */
function checkLength(context: LintContext, edges: Edges): void {
  /** Node → the longest way to it: its length in nodes, and where it comes from. */
  const ways = new Map<string, { nodes: number; before?: { name: string; edge: Edge } }>();
  const order = inFlowOrder(edges);
  for (const name of order) {
    const way = ways.get(name) ?? { nodes: 1 };
    ways.set(name, way);
    for (const edge of edges.get(name) ?? []) {
      const nodes = way.nodes + 1;
      if (nodes > (ways.get(edge.to)?.nodes ?? 1)) {
        ways.set(edge.to, { nodes, before: { name, edge } });
      }
    }
  }
  const last = order.toSorted((a, b) => (ways.get(b)?.nodes ?? 0) - (ways.get(a)?.nodes ?? 0))[0];
  const longest = ways.get(last ?? '');
  if (last === undefined || longest === undefined || longest.nodes <= CAREFUL_RECEIVED) return;
  const isRefused = longest.nodes > MAX_RECEIVED;
  const most = isRefused ? MAX_RECEIVED : CAREFUL_RECEIVED;
  let at = longest;
  let first = last;
  let tooFar: Edge | undefined;
  while (at.before !== undefined) {
    if (at.nodes === most + 1) tooFar = at.before.edge;
    first = at.before.name;
    at = ways.get(first) ?? { nodes: 1 };
  }
  if (tooFar === undefined) return;
  context.report(
    'too-many-hops',
    tooFar.path,
    isRefused
      ? `mail crosses ${longest.nodes} nodes from '${first}' to '${last}', and after ${most} node '${tooFar.to}' refuses it as a loop`
      : `mail crosses ${longest.nodes} nodes from '${first}' to '${last}'; servers outside may take more than ${most} for a loop`,
    { severity: isRefused ? 'error' : 'warning', hint: 'let some of them forward past each other' },
  );
}
