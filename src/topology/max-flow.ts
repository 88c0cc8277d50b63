/** One way of a flow network; `capacity` may be infinite. */
export interface FlowEdge {
  from: string;
  to: string;
  capacity: number;
}

interface Arc {
  to: string;
  left: number;
  back: Arc;
}

/**
 * The most that can flow from `source` to `target` at once (Edmonds and Karp: along a shortest way
 * that has room left, until there is none). Infinite when a way without any limit leads there.
 */
export function maxFlow(edges: readonly FlowEdge[], source: string, target: string): number {
  const arcs = new Map<string, Arc[]>();
  const listOf = (name: string): Arc[] => {
    const list = arcs.get(name) ?? [];
    arcs.set(name, list);
    return list;
  };
  for (const { from, to, capacity } of edges) {
    const there = { to, left: capacity } as Arc;
    there.back = { to: from, left: 0, back: there };
    listOf(from).push(there);
    listOf(to).push(there.back);
  }
  let flow = 0;
  for (;;) {
    const way = wayWithRoom(arcs, source, target);
    if (way === undefined) return flow;
    const room = Math.min(...way.map(({ left }) => left));
    if (room === Number.POSITIVE_INFINITY) return room;
    for (const arc of way) {
      arc.left -= room;
      arc.back.left += room;
    }
    flow += room;
  }
}

function wayWithRoom(
  arcs: ReadonlyMap<string, readonly Arc[]>,
  source: string,
  target: string,
): Arc[] | undefined {
  const cameBy = new Map<string, Arc | undefined>([[source, undefined]]);
  for (const name of cameBy.keys()) {
    if (name === target) {
      const way: Arc[] = [];
      for (let arc = cameBy.get(name); arc !== undefined; arc = cameBy.get(arc.back.to)) {
        way.push(arc);
      }
      return way;
    }
    for (const arc of arcs.get(name) ?? []) {
      if (arc.left > 0 && !cameBy.has(arc.to)) cameBy.set(arc.to, arc);
    }
  }
  return undefined;
}
