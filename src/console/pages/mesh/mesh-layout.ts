import { Graph, layout, type EdgeLabel, type NodeLabel } from '@dagrejs/dagre';

export interface Point {
  x: number;
  y: number;
}

export interface MeshLayout {
  width: number;
  height: number;
  /** Centres, by name. */
  nodes: ReadonlyMap<string, Point>;
  /** By key of the link: its line from border to border, and the centre of its label. */
  links: ReadonlyMap<string, { points: readonly Point[]; label: Point }>;
}

export const NODE_WIDTH = 168;
export const NODE_HEIGHT = 66;
export const LABEL_WIDTH = 104;
export const LABEL_HEIGHT = 26;
/** Where no line meets a box. */
const CORNER = 12;
/** Room for the widest line and its arrow. */
const MARGIN = 16;

/** Tiers from left to right, each node as far from the end as its longest way there. */
export function layOut(
  nodes: readonly string[],
  links: ReadonlyArray<{ key: string; from: string; to: string }>,
): MeshLayout {
  const graph = new Graph<object, NodeLabel, EdgeLabel>();
  graph.setGraph({
    rankdir: 'LR',
    ranker: 'longest-path',
    nodesep: 36,
    edgesep: 28,
    ranksep: 36,
    marginx: MARGIN,
    marginy: MARGIN,
  });
  for (const name of nodes) {
    graph.setNode(name, { width: NODE_WIDTH, height: NODE_HEIGHT });
  }
  for (const { from, to } of links) {
    graph.setEdge(from, to, { width: LABEL_WIDTH, height: LABEL_HEIGHT, labelpos: 'c' });
  }
  layout(graph);
  const { width, height } = graph.graph() as { width: number; height: number };
  return {
    // Those of nothing are infinite.
    width: Math.max(0, width),
    height: Math.max(0, height),
    nodes: new Map(nodes.map((name) => [name, pointOf(graph.node(name))])),
    links: new Map(
      links.map(({ key, from, to }) => {
        const edge = graph.edge(from, to) as EdgeLabel & Partial<Point>;
        const ends = { from: pointOf(graph.node(from)), to: pointOf(graph.node(to)) };
        return [key, { points: anchored(edge.points ?? [], ends), label: pointOf(edge) }];
      }),
    ),
  };
}

/**
 * The line from side to side: it leaves a box on the side that it goes to, and comes in on the side
 * that it comes from, each a little up or down so that several can be told apart.
 */
function anchored(
  points: readonly Point[],
  { from, to }: { from: Point; to: Point },
): readonly Point[] {
  const inner = points.slice(1, -1);
  const [first = to] = inner;
  const last = inner.at(-1) ?? from;
  const side = (to.x >= from.x ? NODE_WIDTH : -NODE_WIDTH) / 2;
  return [
    { x: from.x + side, y: from.y + shift(first.y - from.y) },
    ...inner,
    { x: to.x - side, y: to.y + shift(last.y - to.y) },
  ];
}

function shift(distance: number): number {
  const most = NODE_HEIGHT / 2 - CORNER;
  return Math.max(-most, Math.min(most, distance * 0.25));
}

/** A smooth line through the points, as the path of an SVG. */
export function pathThrough(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) {
    return '';
  }
  const parts = [`M${at(first)}`];
  for (const [index, point] of rest.entries()) {
    const before = points[index] ?? first;
    const middle = (before.x + point.x) / 2;
    parts.push(`C${at({ x: middle, y: before.y })} ${at({ x: middle, y: point.y })} ${at(point)}`);
  }
  return parts.join(' ');
}

/** The three corners of an arrow that ends where the line does. */
export function arrowAt(points: readonly Point[], size: number): string {
  const end = points.at(-1);
  const before = points.at(-2);
  if (end === undefined || before === undefined) {
    return '';
  }
  // The line comes in level, from the side of the point before.
  const back = end.x >= before.x ? -size : size;
  return [
    at(end),
    at({ x: end.x + back, y: end.y - size * 0.6 }),
    at({ x: end.x + back, y: end.y + size * 0.6 }),
  ].join(' ');
}

function pointOf({ x = 0, y = 0 }: Partial<Point>): Point {
  return { x, y };
}

function at({ x, y }: Point): string {
  return `${Math.round(x * 10) / 10},${Math.round(y * 10) / 10}`;
}
