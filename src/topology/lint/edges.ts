import { isLoopbackHost } from '../../format/loopback.js';
import type { Path } from '../fault.js';
import type { HopPlan } from '../hop-plan.js';
import type { LintContext } from './context.js';

/** Mail that can go from one node to another. */
export interface Edge {
  to: string;
  /** What sends it there. */
  path: Path;
  /** All mail goes there that no route takes. */
  always: boolean;
}

export type Edges = ReadonlyMap<string, readonly Edge[]>;

/** Node → the nodes that its mail can go to, also when they are given by their addresses. */
export function edgesOf({ topology, hops }: Pick<LintContext, 'topology' | 'hops'>): Edges {
  const byAddress = nodesByAddress({ topology });
  const edges = new Map<string, Edge[]>();
  for (const [name, ofNode] of hops) {
    const found = ofNode.flatMap(({ planned, path, role }): Edge[] => {
      const to = 'plan' in planned ? nodeOf(planned.plan, byAddress) : planned.problem.target;
      return to === undefined ? [] : [{ to, path, always: role === 'smarthost' }];
    });
    edges.set(name, found);
  }
  return edges;
}

/** The same, where the mail of a node whose connections all go to a sink reaches no other node. */
export function flowingEdges({ targets }: Pick<LintContext, 'targets'>, edges: Edges): Edges {
  return new Map(
    [...edges].map(([name, ofNode]) => [name, targets.get(name)?.sink === undefined ? ofNode : []]),
  );
}

/** Address of a listener, see `addressKey` → its node. */
export function nodesByAddress({ topology }: Pick<LintContext, 'topology'>): Map<string, string> {
  const byAddress = new Map<string, string>();
  for (const [name, node] of Object.entries(topology.nodes)) {
    for (const { port } of node.listen) {
      if (port !== 'auto') byAddress.set(addressKey(node.host, port), name);
    }
  }
  return byAddress;
}

/** The node that a hop leads to, by its name or by its address. */
export function nodeOf(plan: HopPlan, byAddress: ReadonlyMap<string, string>): string | undefined {
  if (plan.kind === 'node') return plan.name;
  if (plan.offered !== undefined || plan.port === 'auto') return undefined;
  return byAddress.get(addressKey(plan.host, plan.port));
}

/** The same text for the same place; all loopback addresses are one machine. */
export function addressKey(host: string, port: number): string {
  return `${isLoopbackHost(host) ? 'loopback' : host.toLowerCase()} ${port}`;
}

/**
 * Nodes in an order in which each stands behind all that send to it. Nodes of a circle, and what
 * only they lead to, are not in it.
 */
export function inFlowOrder(edges: Edges): string[] {
  const waitsFor = new Map<string, number>([...edges.keys()].map((name) => [name, 0]));
  for (const { to } of [...edges.values()].flat()) waitsFor.set(to, (waitsFor.get(to) ?? 0) + 1);
  const order = [...waitsFor].filter(([, count]) => count === 0).map(([name]) => name);
  // the list grows while it is walked
  for (const name of order) {
    for (const { to } of edges.get(name) ?? []) {
      const left = (waitsFor.get(to) ?? 0) - 1;
      waitsFor.set(to, left);
      if (left === 0) order.push(to);
    }
  }
  return order;
}
