import type { Path } from './fault.js';
import {
  entryOf,
  planHop,
  planSmtpSink,
  type HopKeys,
  type NamedHop,
  type PlannedHop,
} from './hop-plan.js';
import { parseHostPort } from './host-address.js';
import type { PoolEntry, RouteEntry, SmarthostEntry } from './schema-routes.js';
import type { NodeEntry, Topology } from './schema.js';

/** One place in a node's entry at which a next hop stands. */
export interface NodeHop {
  /**
   * `smarthost`: of all mail that no route takes. `route`: of a route. `member` and `failover`: of
   * a pool, whoever has it. `smtp-sink`: of every connection, instead of the others.
   */
  role: 'smarthost' | 'route' | 'member' | 'failover' | 'smtp-sink';
  path: Path;
  /** Where a key of this hop stands, or would stand. */
  keyPath: (key: keyof HopKeys) => Path;
  /** What is written here, flat keys included; the keys of a link are in `planned`. */
  keys: HopKeys;
  planned: PlannedHop;
}

/** Where mail goes that one place of a node's entry is about. */
export type Target =
  | { kind: 'hop'; hop: NodeHop }
  | {
      kind: 'pool';
      path: Path;
      members: { hop: NodeHop; weight: number }[];
      failover: NodeHop[];
    }
  | { kind: 'mx' };

export interface NodeTargets {
  /** In the order of the file. */
  routes: { entry: RouteEntry; path: Path; target: Target }[];
  /** Where mail goes that no route takes. */
  fallback: Target;
  /** What all connections go to instead. */
  sink: NodeHop | undefined;
}

/** The keys of a hop that can also stand in the node, as `smarthost-…` and `smtp-sink-…`. */
export const FLAT_KEYS = ['port', 'username', 'password', 'tls', 'implicit-tls'] as const;

/** Everything that a node's entry says about where its mail goes. */
export function targetsOf(topology: Topology, nodeName: string): NodeTargets {
  const node = entryOf(topology.nodes, nodeName);
  const nodePath = ['nodes', nodeName];
  if (node === undefined) return { routes: [], fallback: { kind: 'mx' }, sink: undefined };
  const plan = (role: NodeHop['role'], entry: NamedHop, path: Path): NodeHop => ({
    role,
    path,
    keyPath: (key) => [...path, key],
    keys: typeof entry === 'string' ? {} : entry,
    planned: planHop(topology, nodeName, entry, path),
  });
  const routes = node.routes.map((entry, index): NodeTargets['routes'][number] => {
    const path = [...nodePath, 'routes', index];
    const { smarthost } = entry;
    return smarthost === undefined
      ? { entry, path, target: { kind: 'mx' } }
      : { entry, path, target: targetAt('route', smarthost, [...path, 'smarthost'], plan) };
  });
  const { smarthost } = node;
  const path = [...nodePath, 'smarthost'];
  let fallback: Target = { kind: 'mx' };
  if (smarthost !== undefined && smarthost !== '') {
    fallback = targetAt('smarthost', withFlatKeys(node, smarthost), path, plan);
    if (fallback.kind === 'hop') {
      fallback.hop.keyPath = (key) =>
        isFlat(node, 'smarthost', key) ? [...nodePath, `smarthost-${key}`] : [...path, key];
    }
  }
  return { routes, fallback, sink: smtpSinkOf(topology, nodeName, node) };
}

/** All next hops of a node: of its smarthost, its routes, and its sink, in this order. */
export function hopsOf(topology: Topology, nodeName: string): NodeHop[] {
  return hopsIn(targetsOf(topology, nodeName));
}

/** The hops of `targets`, those of the smarthost first. */
export function hopsIn({ routes, fallback, sink }: NodeTargets): NodeHop[] {
  const hops = [fallback, ...routes.map(({ target }) => target)].flatMap((target): NodeHop[] => {
    switch (target.kind) {
      case 'hop':
        return [target.hop];
      case 'pool':
        return [...target.members.map(({ hop }) => hop), ...target.failover];
      case 'mx':
        return [];
    }
  });
  return sink === undefined ? hops : [...hops, sink];
}

export function isPool(smarthost: NamedHop | PoolEntry): smarthost is PoolEntry {
  return typeof smarthost === 'object' && 'pool' in smarthost;
}

function targetAt(
  role: 'smarthost' | 'route',
  smarthost: NamedHop | PoolEntry,
  path: Path,
  plan: (role: NodeHop['role'], entry: NamedHop, path: Path) => NodeHop,
): Target {
  if (!isPool(smarthost)) return { kind: 'hop', hop: plan(role, smarthost, path) };
  return {
    kind: 'pool',
    path,
    members: smarthost.pool.map(({ to, weight }, index) => ({
      hop: plan('member', to, [...path, 'pool', index, 'to']),
      weight,
    })),
    failover: smarthost.failover.map((entry, index) =>
      plan('failover', entry, [...path, 'failover', index]),
    ),
  };
}

type FlatPrefix = 'smarthost' | 'smtp-sink';

function isFlat(node: NodeEntry, prefix: FlatPrefix, key: keyof HopKeys): boolean {
  const flat = FLAT_KEYS.find((known) => known === key);
  return flat !== undefined && node[`${prefix}-${flat}`] !== undefined;
}

/** The flat keys of a node as the keys of a hop. An empty username says that there is no login. */
function flatKeysOf(node: NodeEntry, prefix: FlatPrefix): HopKeys {
  const keys: Record<string, unknown> = {};
  for (const key of FLAT_KEYS) {
    const isOff = node[`${prefix}-username`] === '' && (key === 'username' || key === 'password');
    const value = node[`${prefix}-${key}`];
    if (value !== undefined && !isOff) keys[key] = value;
  }
  return keys;
}

/** A smarthost that is only a name, with what the flat keys say about it. */
function withFlatKeys(node: NodeEntry, smarthost: SmarthostEntry): NamedHop | PoolEntry {
  if (typeof smarthost !== 'string') return smarthost;
  const keys = flatKeysOf(node, 'smarthost');
  const parsed = parseHostPort(smarthost);
  if (parsed === undefined || Object.keys(keys).length === 0) return smarthost;
  const port = keys.port ?? parsed.port;
  return { ...keys, hostname: parsed.host, ...(port === undefined ? {} : { port }) };
}

function smtpSinkOf(topology: Topology, nodeName: string, node: NodeEntry): NodeHop | undefined {
  const hostname = node['smtp-sink-address'] ?? '';
  if (hostname === '' || hostname === '0.0.0.0') return undefined;
  const nodePath = ['nodes', nodeName];
  const path = [...nodePath, 'smtp-sink-address'];
  const keys = flatKeysOf(node, 'smtp-sink');
  return {
    role: 'smtp-sink',
    path,
    keyPath: (key) => (key === 'hostname' ? path : [...nodePath, `smtp-sink-${key}`]),
    keys,
    planned: planSmtpSink(topology, nodeName, { ...keys, hostname }, path),
  };
}
