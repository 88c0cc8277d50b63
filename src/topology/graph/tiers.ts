import type { GraphEdge, GraphNode, TopologyGraph } from './model.js';

/*
 * Tiers, circles and connected parts. Nothing here recurses, so that a chain of thousands of nodes
 * is no different from a short one.
 */

interface Step {
  from: string;
  to: string;
}

/** Fills `tier`, `part`, `cycle` and `backward` in, and counts them. */
export function arrange(
  nodes: GraphNode[],
  edges: GraphEdge[],
): Omit<TopologyGraph, 'version' | 'topology'> {
  const cycles = markCycles(nodes, edges);
  const tiers = assignTiers(nodes, edges);
  return { tiers, parts: assignParts(nodes, edges), cycles, nodes, edges };
}

/**
 * Clients are tier 0. A node is one further than the furthest one that sends to it; of a circle one
 * edge does not count. What is outside stands behind all nodes.
 */
function assignTiers(nodes: GraphNode[], edges: GraphEdge[]): number {
  const inside = new Map(
    nodes.filter(({ kind }) => kind === 'node').map((node) => [node.id, node]),
  );
  const between = edges.filter(({ from, to }) => inside.has(from) && inside.has(to));
  const fed = new Set(between.filter(({ from, to }) => from !== to).map(({ to }) => to));
  const entered = new Set(edges.filter((e) => e.kind === 'submission').map(({ to }) => to));
  const rank = (id: string): number => (entered.has(id) ? 0 : fed.has(id) ? 2 : 1);
  const roots = [...inside.keys()].sort((a, b) => rank(a) - rank(b));
  const { finished, turned } = walk(roots, between);
  const forward = byStart(between.filter((edge) => !turned.has(edge)));
  for (const node of inside.values()) node.tier = 1;
  // in this order, whoever sends comes before whoever it sends to
  for (const id of finished.toReversed()) {
    const tier = inside.get(id)?.tier ?? 1;
    for (const { to } of forward.get(id) ?? []) {
      const next = inside.get(to);
      if (next !== undefined) next.tier = Math.max(next.tier, tier + 1);
    }
  }
  const last = Math.max(0, ...[...inside.values()].map(({ tier }) => tier)) + 1;
  for (const node of nodes) {
    if (node.kind === 'users' || node.kind === 'network') node.tier = 0;
    else if (node.kind !== 'node') node.tier = last;
  }
  for (const edge of edges) edge.backward = turned.has(edge);
  return nodes.some(({ tier }) => tier === last) ? last + 1 : last;
}

/** Marks what can go in a circle; what messages name and unused links make none. */
function markCycles(nodes: GraphNode[], edges: GraphEdge[]): string[][] {
  const flowing = edges.filter(({ kind }) => kind === 'smarthost' || kind === 'route');
  const ids = nodes.map(({ id }) => id);
  const { finished } = walk(ids, flowing);
  const groupOf = new Map<string, number>();
  const against = byStart(flowing.map(({ from, to }) => ({ from: to, to: from })));
  for (const [group, start] of finished.toReversed().entries()) {
    const waiting = [start];
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      if (groupOf.has(id)) continue;
      groupOf.set(id, group);
      waiting.push(...(against.get(id) ?? []).map(({ to }) => to));
    }
  }
  const circles = new Set<number>();
  for (const edge of flowing) {
    const group = groupOf.get(edge.from) ?? -1;
    edge.cycle = group === groupOf.get(edge.to);
    if (edge.cycle) circles.add(group);
  }
  const members = [...circles].map((group) =>
    nodes
      .filter(({ id }) => groupOf.get(id) === group)
      .map((node) => {
        node.cycle = true;
        return node.id;
      }),
  );
  return members.sort((a, b) => ids.indexOf(a[0] ?? '') - ids.indexOf(b[0] ?? ''));
}

function assignParts(nodes: GraphNode[], edges: GraphEdge[]): number {
  const near = byStart(
    edges.flatMap(({ from, to }) => [
      { from, to },
      { from: to, to: from },
    ]),
  );
  const partOf = new Map<string, number>();
  let parts = 0;
  // A part has the place of its first node of the mesh, and what stands alone comes last.
  const isNode = (node: GraphNode): number => (node.kind === 'node' ? 0 : 1);
  for (const { id } of nodes.toSorted((a, b) => isNode(a) - isNode(b))) {
    if (partOf.has(id)) continue;
    const waiting = [id];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (partOf.has(at)) continue;
      partOf.set(at, parts);
      waiting.push(...(near.get(at) ?? []).map(({ to }) => to));
    }
    parts++;
  }
  for (const node of nodes) node.part = partOf.get(node.id) ?? 0;
  return parts;
}

/**
 * Depth first from each root in turn.
 *
 * @returns the ids in the order in which they were done with, and the edges that lead back to one
 *   that was not yet done with: without these there is no circle.
 */
function walk<E extends Step>(
  roots: readonly string[],
  edges: readonly E[],
): { finished: string[]; turned: Set<E> } {
  const next = byStart(edges);
  const state = new Map<string, 'open' | 'done'>();
  const finished: string[] = [];
  const turned = new Set<E>();
  for (const root of roots) {
    const stack: { id: string; at: number }[] = [];
    const enter = (id: string): void => {
      state.set(id, 'open');
      stack.push({ id, at: 0 });
    };
    if (!state.has(root)) enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const edge = next.get(top.id)?.[top.at++];
      if (edge === undefined) {
        state.set(top.id, 'done');
        finished.push(top.id);
        stack.pop();
      } else if (state.get(edge.to) === 'open') {
        turned.add(edge);
      } else if (!state.has(edge.to)) {
        enter(edge.to);
      }
    }
  }
  return { finished, turned };
}

function byStart<E extends Step>(edges: readonly E[]): Map<string, E[]> {
  const map = new Map<string, E[]>();
  for (const edge of edges) {
    const list = map.get(edge.from);
    if (list === undefined) map.set(edge.from, [edge]);
    else list.push(edge);
  }
  return map;
}
