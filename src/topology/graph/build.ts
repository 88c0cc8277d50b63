import { isLoopbackHost } from '../../format/loopback.js';
import { entryOf, type HopPlan, type PlannedHop } from '../hop-plan.js';
import { joinHostPort } from '../host-address.js';
import { targetsOf, type NodeHop, type Target } from '../node-hops.js';
import type { RouteEntry } from '../schema-routes.js';
import type { NodeEntry, Topology } from '../schema.js';
import { parseSteerEntry } from '../steer-entry.js';
import type { GraphEdge, GraphEdgeKind, GraphNode, TopologyGraph } from './model.js';
import { arrange } from './tiers.js';

export const MX_NAME = "MX of the recipient's domain";

/** More patterns of a condition, or names of users, are counted only. */
const SHOWN_NAMES = 3;

/**
 * The graph of a topology that has the right form; it may be one that makes no sense, so that what
 * is wrong with it can be seen. Pure: the same topology gives the same graph.
 */
export function topologyGraph(topology: Topology): TopologyGraph {
  const draft = new Draft(topology);
  for (const [name, node] of Object.entries(topology.nodes)) draft.addClients(name, node);
  for (const name of Object.keys(topology.nodes)) draft.addHops(name);
  draft.addUnusedLinks();
  for (const [name, node] of Object.entries(topology.nodes)) draft.addSteering(name, node);
  return { version: 1, topology: topology.name, ...arrange(draft.nodes, draft.edges) };
}

/** Identity of a node of the topology. */
export function nodeId(name: string): string {
  return `node:${name}`;
}

type EdgeMore = Partial<Pick<GraphEdge, 'order' | 'condition' | 'weight' | 'weight_total'>> &
  Partial<Pick<GraphEdge, 'failover'>>;

class Draft {
  readonly #topology: Topology;
  readonly #byAddress = new Map<string, string>();
  readonly #nodes = new Map<string, GraphNode>();
  readonly edges: GraphEdge[] = [];

  constructor(topology: Topology) {
    this.#topology = topology;
    for (const [name, node] of Object.entries(topology.nodes)) {
      const listeners = node.listen.map(({ name, port, tls }) => ({ name, port, tls }));
      this.#add({ id: nodeId(name), kind: 'node', name, host: node.host, listeners });
      for (const { port } of node.listen) {
        if (port !== 'auto') this.#byAddress.set(addressKey(node.host, port), name);
      }
    }
    for (const [name, { host, port, tls }] of Object.entries(topology.sinks)) {
      const listeners = [{ name: 'smtp', port, tls }];
      this.#add({ id: `sink:${name}`, kind: 'sink', name, host, listeners });
    }
  }

  /** What the file declares, and of what is outside only where mail goes. */
  get nodes(): GraphNode[] {
    const declared = new Set(['node', 'sink', 'users', 'network']);
    const reached = new Set(this.edges.map(({ to }) => to));
    return [...this.#nodes.values()].filter(
      ({ id, kind }) => declared.has(kind) || reached.has(id),
    );
  }

  addClients(name: string, node: NodeEntry): void {
    const names = node.users.map(({ username }) => username);
    const add = (kind: 'users' | 'network', shown: string, login: boolean): void => {
      const id = `${kind}:${name}`;
      this.#add({ id, kind, name: shown, host: null, listeners: [] });
      this.#edge(id, nodeId(name), 'submission', { tls: null, login });
    };
    if (names.length > 0) add('users', few(names), true);
    if (node['relay-from'].length > 0) add('network', few(node['relay-from']), false);
  }

  addHops(name: string): void {
    const { routes, fallback, sink } = targetsOf(this.#topology, name);
    routes.forEach(({ entry, target }, index) => {
      const more = { order: index + 1, condition: conditionOf(entry) };
      this.#addTarget(name, 'route', target, sink, more);
    });
    const rest = routes.length > 0 ? { condition: 'all other mail' } : {};
    this.#addTarget(name, 'smarthost', fallback, sink, rest);
  }

  #addTarget(
    from: string,
    kind: GraphEdgeKind,
    target: Target,
    sink: NodeHop | undefined,
    more: EdgeMore,
  ): void {
    const add = (hop: NodeHop | null, extra: EdgeMore = {}): void => {
      const meant = hop === null ? this.#mx() : this.#pointOf(hop.planned);
      const edge = { ...more, ...extra };
      if (sink === undefined) {
        this.#edge(nodeId(from), meant.id, kind, { ...securityOf(hop), ...edge });
        return;
      }
      const { id } = this.#pointOf(sink.planned);
      const security = securityOf(sink);
      this.#edge(nodeId(from), id, kind, { ...security, ...edge, instead_of: meant.name });
    };
    switch (target.kind) {
      case 'mx':
        add(null);
        break;
      case 'hop':
        add(target.hop);
        break;
      case 'pool': {
        const total = target.members.reduce((sum, { weight }) => sum + weight, 0);
        for (const { hop, weight } of target.members) add(hop, { weight, weight_total: total });
        target.failover.forEach((hop, index) => add(hop, { failover: index + 1 }));
      }
    }
  }

  /** What messages may name, unless mail goes there anyway. */
  addSteering(name: string, node: NodeEntry): void {
    const links = this.#topology.links.filter(({ to }) => to === name);
    const lists = [
      { by: 'API', entries: node['steer-to'] },
      ...node.users.map((user) => ({ by: user.username, entries: user['steer-to'] })),
      ...links.map((link) => ({ by: link.from, entries: link['steer-to'] })),
    ];
    const allowed = new Map<string, string[]>();
    for (const { by, entries } of lists) {
      for (const text of entries) {
        const who = allowed.get(text) ?? [];
        if (!who.includes(by)) who.push(by);
        allowed.set(text, who);
      }
    }
    for (const [text, who] of allowed) {
      const more = { tls: null, login: false, condition: `named by messages of ${few(who)}` };
      this.#edge(nodeId(name), this.#steerPoint(text), 'steer', more);
    }
  }

  #steerPoint(text: string): string {
    const parsed = parseSteerEntry(this.#topology, text, []);
    if ('problem' in parsed) return this.#outside('unknown', text).id;
    const { entry } = parsed;
    switch (entry.kind) {
      case 'name':
        return entryOf(this.#topology.nodes, entry.name) === undefined
          ? `sink:${entry.name}`
          : nodeId(entry.name);
      case 'host':
        return this.#outside('host', joinHostPort(entry.host, entry.port)).id;
      case 'domain':
        return this.#outside('host', `*.${entry.domain}:${entry.port}`).id;
    }
  }

  addUnusedLinks(): void {
    const { links, nodes } = this.#topology;
    for (const { from, to, tls, username } of links) {
      const known = entryOf(nodes, from) !== undefined && entryOf(nodes, to) !== undefined;
      const isUsed = this.edges.some(
        (edge) => edge.from === nodeId(from) && edge.to === nodeId(to),
      );
      if (!known || isUsed) continue;
      const more = { tls: tls ?? null, login: username !== undefined };
      this.#edge(nodeId(from), nodeId(to), 'link', { ...more, condition: 'unused link' });
    }
  }

  #edge(
    from: string,
    to: string,
    kind: GraphEdgeKind,
    more: Pick<GraphEdge, 'tls' | 'login'> & EdgeMore & Partial<Pick<GraphEdge, 'instead_of'>>,
  ): void {
    this.edges.push({
      from,
      to,
      kind,
      order: null,
      condition: null,
      weight: null,
      weight_total: null,
      failover: null,
      instead_of: null,
      cycle: false,
      backward: false,
      ...more,
    });
  }

  #pointOf(planned: PlannedHop): GraphNode {
    if ('problem' in planned) {
      const { target, message } = planned.problem;
      const node = target === undefined ? undefined : this.#nodes.get(nodeId(target));
      return node ?? this.#outside('unknown', /'([^']+)'/.exec(message)?.[1] ?? '?');
    }
    const { plan } = planned;
    const node = nodeNameOf(plan, this.#byAddress);
    const known = this.#nodes.get(node === undefined ? `${plan.kind}:${plan.name}` : nodeId(node));
    // a sink that is no sink of the topology is a host like any other
    const port = plan.port === 'auto' ? 25 : plan.port;
    return known ?? this.#outside('host', joinHostPort(plan.host, port));
  }

  #mx(): GraphNode {
    return this.#add({ id: 'mx', kind: 'mx', name: MX_NAME, host: null, listeners: [] });
  }

  #outside(kind: 'host' | 'unknown', name: string): GraphNode {
    return this.#add({ id: `${kind}:${name}`, kind, name, host: null, listeners: [] });
  }

  #add(node: Omit<GraphNode, 'tier' | 'part' | 'cycle'>): GraphNode {
    const known = this.#nodes.get(node.id);
    if (known !== undefined) return known;
    const added = { ...node, tier: 0, part: 0, cycle: false };
    this.#nodes.set(node.id, added);
    return added;
  }
}

/** Also of a node that stands in the file by its address. */
function nodeNameOf(plan: HopPlan, byAddress: ReadonlyMap<string, string>): string | undefined {
  if (plan.kind === 'node') return plan.name;
  if (plan.offered !== undefined || plan.port === 'auto') return undefined;
  return byAddress.get(addressKey(plan.host, plan.port));
}

function addressKey(host: string, port: number): string {
  return `${isLoopbackHost(host) ? 'loopback' : host.toLowerCase()} ${port}`;
}

/** @param hop null: mail servers, to which TLS is used where they offer it. */
function securityOf(hop: NodeHop | null): Pick<GraphEdge, 'tls' | 'login'> {
  if (hop === null) return { tls: 'opportunistic', login: false };
  if ('problem' in hop.planned) return { tls: null, login: false };
  const { tls, username } = hop.planned.plan;
  return { tls, login: username !== undefined };
}

function conditionOf(entry: RouteEntry): string | null {
  const words: string[] = [];
  const add = (word: string, value: string | string[] | undefined): void => {
    if (value !== undefined) words.push(`${word} ${few([value].flat())}`);
  };
  add('to', entry.recipient);
  add('from', entry.sender);
  add('user', entry.user);
  add('tag', entry.tag);
  add('size', entry.size);
  if (entry.attempts !== undefined) words.push(`attempts ${entry.attempts}`);
  return words.length === 0 ? null : words.join(', ');
}

/** The first names, and how many more there are. */
function few(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN_NAMES).join(', ');
  return names.length <= SHOWN_NAMES ? shown : `${shown} and ${names.length - SHOWN_NAMES} more`;
}
