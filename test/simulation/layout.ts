import type { RouteHop, RouteTable, RouteTarget } from '../../src/route/table.js';
import type { Capacity } from '../../src/send/capacity.js';
import { aHop } from '../queue/samples.js';
import type { Chance } from './chance.js';

/** Where mail of clients goes in the end, and where reports to their senders go. */
export const WORLD = 'world';
export const HOME = 'home';

/** Who sends to whom. Names of nodes, or of hops outside of the mesh. */
export interface Layout {
  shape: string;
  nodes: string[];
  foreign: string[];
  /** Nodes that clients hand their mail to. */
  entries: string[];
  /** Where each node's mail goes; the second after a reload. */
  ways: Record<string, Way[]>;
  /** Reports of the later nodes go back over the first one, else straight home. */
  reportsGoBack: boolean;
}

/** One hop, several with weights, or one and its reserve. */
export type Way =
  | { kind: 'hop'; to: string }
  | { kind: 'pool'; to: string[]; weights: number[]; reserve: string[] };

const to = (name: string): Way => ({ kind: 'hop', to: name });

const SHAPES: Readonly<Record<string, Omit<Layout, 'shape' | 'reportsGoBack'>>> = {
  one: { nodes: ['a'], foreign: [WORLD], entries: ['a'], ways: { a: [to(WORLD)] } },
  two: {
    nodes: ['a', 'b'],
    foreign: [WORLD],
    entries: ['a', 'a', 'b'],
    ways: { a: [to('b')], b: [to(WORLD)] },
  },
  // The reload takes the middle out of the way.
  bypass: {
    nodes: ['a', 'b'],
    foreign: [WORLD],
    entries: ['a'],
    ways: { a: [to('b'), to(WORLD)], b: [to(WORLD)] },
  },
  three: {
    nodes: ['a', 'b', 'c'],
    foreign: [WORLD],
    entries: ['a'],
    ways: { a: [to('b')], b: [to('c')], c: [to(WORLD)] },
  },
  pool: {
    nodes: ['a', 'b1', 'b2', 'c'],
    foreign: [WORLD],
    entries: ['a'],
    ways: {
      a: [
        { kind: 'pool', to: ['b1', 'b2'], weights: [3, 1], reserve: [] },
        { kind: 'pool', to: ['b1', 'b2'], weights: [1, 2], reserve: [] },
      ],
      b1: [to('c')],
      b2: [to('c')],
      c: [to(WORLD)],
    },
  },
  reserve: {
    nodes: ['a', 'b1', 'b2'],
    foreign: [WORLD],
    entries: ['a'],
    ways: {
      a: [
        { kind: 'pool', to: ['b1'], weights: [1], reserve: ['b2'] },
        { kind: 'pool', to: ['b2'], weights: [1], reserve: ['b1'] },
      ],
      b1: [to(WORLD)],
      b2: [to(WORLD)],
    },
  },
  'two worlds': {
    nodes: ['a', 'b'],
    foreign: [WORLD, 'world2'],
    entries: ['a'],
    ways: {
      a: [to('b')],
      b: [{ kind: 'pool', to: [WORLD, 'world2'], weights: [2, 1], reserve: [] }],
    },
  },
};

export function drawLayout(chance: Chance): Layout {
  const shape = chance.weighted({
    one: 2,
    two: 5,
    bypass: 2,
    three: 3,
    pool: 4,
    reserve: 2,
    'two worlds': 2,
  });
  const drawn = SHAPES[shape] as (typeof SHAPES)[string];
  return { ...drawn, shape, reportsGoBack: drawn.nodes.length > 1 && chance.happens(0.3) };
}

/** The routing of one node, by the product's own rules. */
export function tableOf(
  layout: Layout,
  node: string,
  version: number,
  capacity: Capacity,
): RouteTable {
  const ways = layout.ways[node] as Way[];
  const way = ways[Math.min(version, ways.length - 1)] as Way;
  const first = layout.nodes[0] as string;
  const home = layout.reportsGoBack && node !== first ? first : HOME;
  return {
    rules: [{ where: 'layout', recipient: ['*@home.example'], target: targetOf(to(home), layout) }],
    fallback: targetOf(way, layout),
    sink: null,
    mx: { port: 25, tls: 'none' },
    named: {},
    allowInsecureAuth: false,
    capacities: { base: capacity, byQueue: [] },
  };
}

function targetOf(way: Way, layout: Layout): RouteTarget {
  const hopOf = (name: string): RouteHop => ({
    queue: `(smarthost) ${name}`,
    nextHop: aHop(name, {
      kind: layout.nodes.includes(name) ? 'node' : 'host',
      host: `${name}.example`,
    }),
  });
  return way.kind === 'hop'
    ? { kind: 'hop', hop: hopOf(way.to) }
    : {
        kind: 'pool',
        members: way.to.map((name, index) => ({
          hop: hopOf(name),
          weight: way.weights[index] ?? 1,
        })),
        failover: way.reserve.map(hopOf),
      };
}
