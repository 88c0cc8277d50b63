import { printableReply } from '../../format/reply.js';
import { wrapParts } from '../../trace/waterfall-text.js';
import { faultText, type LiveFacts, type LiveFlow, type LiveNode } from './live.js';
import type { GraphEdge, GraphNode, TopologyGraph } from './model.js';

/**
 * `condition`: which mail. `security`: TLS and login. `flow`: what is measured. `fault`: what a
 * person has to look at. `note`: all else.
 */
export type Tone = 'condition' | 'security' | 'insecure' | 'flow' | 'fault' | 'note';

export interface Line {
  text: string;
  tone: Tone;
}

/** One line of a picture: all edges between two points that look the same. */
export interface Bundle {
  from: GraphNode;
  to: GraphNode;
  style: 'solid' | 'dashed' | 'dotted';
  cycle: boolean;
  backward: boolean;
  lines: Line[];
  /** The same as one sentence, for those who do not see the picture. */
  words: string;
}

/** A point with what stands in its box below the name. */
export interface DrawnNode {
  node: GraphNode;
  lines: Line[];
  unreachable: boolean;
}

/** What all drawings show, in the same words. */
export interface Drawing {
  title: string;
  nodes: DrawnNode[];
  bundles: Bundle[];
}

/** Further conditions of one line are only counted. */
const MAX_CONDITIONS = 4;
/** Columns after which a condition goes on in a further line. */
const CONDITION_WIDTH = 40;
const MAX_LISTENERS = 4;

const TLS_WORDS = {
  verified: 'TLS verified',
  required: 'TLS unverified',
  opportunistic: 'TLS if offered',
  none: 'no TLS',
} as const;

const LISTENER_WORDS = {
  implicit: 'TLS',
  required: 'STARTTLS',
  opportunistic: 'TLS offered',
  none: 'no TLS',
} as const;

export function drawingOf(graph: TopologyGraph, live: LiveFacts | null): Drawing {
  const nodes = graph.nodes.map((node) =>
    drawnNode(
      node,
      live?.nodes.find(({ id }) => id === node.id),
    ),
  );
  const byId = new Map(graph.nodes.map((node) => [node.id, node]));
  const groups = new Map<string, GraphEdge[]>();
  for (const edge of graph.edges) {
    const key = [edge.from, edge.to, styleOf(edge), edge.cycle].join('\n');
    groups.set(key, [...(groups.get(key) ?? []), edge]);
  }
  const flows = new Map(live?.flows.map((flow) => [`${flow.from}\n${flow.to}`, flow]));
  const bundles = [...groups.values()].flatMap((edges): Bundle[] => {
    const [first] = edges;
    const from = byId.get(first?.from ?? '');
    const to = byId.get(first?.to ?? '');
    if (first === undefined || from === undefined || to === undefined) return [];
    const pair = `${from.id}\n${to.id}`;
    const flow = flows.get(pair);
    // what is between two points is told once
    flows.delete(pair);
    const lines = [...edgeLines(edges), ...(flow === undefined ? [] : flowLines(flow))];
    const { cycle, backward } = first;
    const words = `${from.name} to ${to.name}: ${lines.map(({ text }) => text).join('; ')}`;
    return [{ from, to, style: styleOf(first), cycle, backward, lines, words }];
  });
  return { title: `Topology ${graph.topology}`, nodes, bundles };
}

function styleOf({ kind, failover }: GraphEdge): Bundle['style'] {
  if (kind === 'steer' || kind === 'link') return 'dotted';
  return failover === null ? 'solid' : 'dashed';
}

function drawnNode(node: GraphNode, live: LiveNode | undefined): DrawnNode {
  const lines: Line[] = [];
  const note = (text: string): void => void lines.push({ text, tone: 'note' });
  if (node.kind === 'users') note('log in');
  if (node.kind === 'network') note('relay without login');
  if (node.kind === 'host') note('outside host');
  if (node.kind === 'unknown') lines.push({ text: 'is not in the topology', tone: 'fault' });
  if (node.host !== null && node.host !== '127.0.0.1') note(node.host);
  for (const { name, port, tls } of node.listeners.slice(0, MAX_LISTENERS)) {
    const label = node.listeners.length > 1 ? `${name} ` : '';
    note(`${label}${port} · ${LISTENER_WORDS[tls]}`);
  }
  const more = node.listeners.length - MAX_LISTENERS;
  if (more > 0) note(`and ${more} more listeners`);
  if (live !== undefined) lines.push(...liveLines(live));
  return { node, lines, unreachable: live?.reachable === false };
}

function liveLines({ reachable, reason, quarantined, elsewhere }: LiveNode): Line[] {
  const lines: Line[] = [];
  if (!reachable) {
    lines.push({ text: 'unreachable', tone: 'fault' });
    lines.push({ text: printableReply(reason ?? 'no answer'), tone: 'fault' });
  }
  if (quarantined > 0) lines.push({ text: `${quarantined} in quarantine`, tone: 'fault' });
  if (elsewhere > 0) lines.push({ text: `${elsewhere} waiting for other hosts`, tone: 'flow' });
  return lines;
}

function edgeLines(edges: readonly GraphEdge[]): Line[] {
  const conditions = unique(edges.map((edge) => describeWay(edge).join('\n')).filter(Boolean));
  const lines = conditions
    .slice(0, MAX_CONDITIONS)
    .flatMap((parts) => wrapParts(parts.split('\n'), ', ', CONDITION_WIDTH))
    .map((text): Line => ({ text, tone: 'condition' }));
  const more = conditions.length - MAX_CONDITIONS;
  if (more > 0) lines.push({ text: `and ${more} more routes`, tone: 'condition' });
  if (edges.some(({ cycle }) => cycle)) lines.push({ text: 'part of a circle', tone: 'fault' });
  for (const edge of edges) {
    for (const line of securityLines(edge)) {
      if (!lines.some(({ text }) => text === line.text)) lines.push(line);
    }
  }
  return lines;
}

function describeWay(edge: GraphEdge): string[] {
  const { order, condition, weight, weight_total, failover, instead_of } = edge;
  const parts: string[] = [];
  const number = order === null ? '' : `route ${order}: `;
  if (condition !== null) parts.push(...`${number}${condition}`.split(', '));
  else if (order !== null) parts.push(`${number}all mail`);
  if (weight !== null && weight_total !== null) {
    if (weight_total !== weight) parts.push(`weight ${weight} of ${weight_total}`);
  }
  if (failover !== null) parts.push(`failover ${failover}`);
  if (instead_of !== null) parts.push(`instead of ${instead_of}`);
  return parts;
}

function securityLines({ kind, tls, login }: GraphEdge): Line[] {
  const lines: Line[] = [];
  if (tls !== null) {
    const tone = tls === 'none' ? 'insecure' : tls === 'verified' ? 'security' : 'note';
    lines.push({ text: TLS_WORDS[tls], tone });
  }
  if (login) lines.push({ text: 'login', tone: 'security' });
  else if (kind === 'submission') lines.push({ text: 'no login', tone: 'note' });
  return lines;
}

function flowLines(flow: LiveFlow): Line[] {
  const { delivered_per_minute: rate, ready, sending, deferred, held, state } = flow;
  const lines: Line[] = [];
  const waiting = ready + deferred;
  const depth = [`${waiting} waiting`];
  if (deferred > 0) depth.push(`${deferred} of them deferred`);
  if (sending > 0) depth.push(`${sending} being sent`);
  if (held > 0) depth.push(`${held} held`);
  const speed = `${rate}/min`;
  lines.push({ text: [speed, ...depth].join(' · '), tone: 'flow' });
  if (state !== 'active') lines.push({ text: state, tone: 'fault' });
  if (flow.last_fault !== null) {
    lines.push({ text: printableReply(faultText(flow.last_fault)), tone: 'fault' });
  }
  return lines;
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
