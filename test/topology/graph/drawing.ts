import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { topologyGraph } from '../../../src/topology/graph/build.js';
import type { GraphEdge, GraphNode, TopologyGraph } from '../../../src/topology/graph/model.js';
import { parseTopology } from '../../../src/topology/load.js';

/** The checkout that these tests were built from; they lie four folders deep in the output. */
const PROJECT_ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

export function goldenFile(name: string): string {
  return path.join(PROJECT_ROOT, 'test', 'golden', name);
}

export function shippedText(name: string): string {
  return readFileSync(path.join(PROJECT_ROOT, 'topologies', `${name}.yaml`), 'utf8');
}

/** The graph of a whole topology file. */
export function graphOfText(text: string): TopologyGraph {
  const parsed = parseTopology('t.yaml', text);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return topologyGraph(parsed.topology);
}

/** The graph of nodes, each on one port, and of what else stands at the top level. */
export function graphOf(nodes: Record<string, object>, rest: object = {}): TopologyGraph {
  const listen = [{ port: 'auto' }];
  const whole = Object.fromEntries(
    Object.entries(nodes).map(([name, node]) => [name, { listen, ...node }]),
  );
  return graphOfText(JSON.stringify({ version: 1, name: 'drawn', nodes: whole, ...rest }));
}

export function nodeOf(graph: TopologyGraph, id: string): GraphNode {
  const found = graph.nodes.find((node) => node.id === id);
  assert.ok(found !== undefined, `no ${id} among ${graph.nodes.map((node) => node.id).join(', ')}`);
  return found;
}

/** All edges between two points. */
export function edgesOf(graph: TopologyGraph, from: string, to: string): GraphEdge[] {
  return graph.edges.filter((edge) => edge.from === from && edge.to === to);
}
