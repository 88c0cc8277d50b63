import type { TlsMode, TraceCarrier } from '../send/next-hop.js';
import type { Path, RuleId } from './fault.js';
import { isLoopbackHost } from '../format/loopback.js';
import { isHost, joinHostPort, parseHostPort, reachableHost } from './host-address.js';
import type { LinkEntry, ListenerEntry, NodeEntry, Topology } from './schema.js';
import { didYouMean } from './suggest.js';

/**
 * Where a node's mail goes and how, as the topology alone says it: ports may still be `auto` and
 * passwords are names of secrets. `lintTopology` and `compileNode` both work on this plan, so that
 * what was checked is what runs.
 */
export interface HopPlan {
  kind: 'node' | 'sink' | 'host';
  /** The node, the sink, or `host:port`. */
  name: string;
  host: string;
  port: number | 'auto';
  /** Listener of the next node; absent when the smarthost names a port that is none of them. */
  listener?: ListenerEntry;
  /** What the other end does about TLS, when the topology knows. */
  offered?: ListenerEntry['tls'];
  /** The link from this node to that one, and whether its login is the one used. */
  link?: { index: number; used: boolean };
  tls: TlsMode;
  implicitTls: boolean;
  /** The name that a certificate must carry, when it is not `host`. */
  servername?: string;
  username?: string;
  /** Name of the secret. */
  password?: string;
  allowInsecureAuth: boolean;
  trace: TraceCarrier;
}

/** Why there is no plan. */
export interface HopProblem {
  ruleId: RuleId;
  path: Path;
  message: string;
  hint?: string;
  /** The node that the mail would go to, when that much is known. */
  target?: string;
}

export type PlannedHop = { plan: HopPlan } | { problem: HopProblem };

/** The entry of a record, without what every object inherits (`constructor` is a valid name). */
export function entryOf<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

type SmarthostObject = Exclude<NonNullable<NodeEntry['smarthost']>, string>;

interface Wanted {
  host: string;
  port: number | undefined;
  object: Partial<SmarthostObject>;
}

/** Plans the next hop of a node; undefined when the node has no smarthost. */
export function planHop(topology: Topology, nodeName: string): PlannedHop | undefined {
  const smarthost = entryOf(topology.nodes, nodeName)?.smarthost;
  if (smarthost === undefined) return undefined;
  const path = ['nodes', nodeName, 'smarthost'];
  const wanted = parseSmarthost(smarthost);
  if (wanted === undefined) {
    return {
      problem: {
        ruleId: 'invalid-value',
        path: typeof smarthost === 'string' ? path : [...path, 'hostname'],
        message: 'smarthost must be a node, a sink, a hostname or an address',
        hint: 'a login is not part of it: write { hostname, port, username, password: { secret } }',
      },
    };
  }
  const node = entryOf(topology.nodes, wanted.host);
  if (node !== undefined) return planNode(topology, nodeName, wanted.host, node, wanted);
  const sink = entryOf(topology.sinks, wanted.host);
  if (sink !== undefined) {
    const host = reachableHost('127.0.0.1', sink.host);
    const plan = basePlan('sink', wanted.host, host, wanted.port ?? sink.port, wanted.object);
    plan.offered = sink.tls;
    plan.implicitTls = wanted.object['implicit-tls'] ?? sink.tls === 'implicit';
    return { plan };
  }
  if (wanted.port === undefined && isBareLabel(wanted.host)) {
    return { problem: unknownName(topology, path, wanted.host) };
  }
  return { plan: planForeignHost(wanted) };
}

/** What to say about a name that no node or sink has. */
export function unknownName(topology: Topology, path: Path, name: string): HopProblem {
  const names = [...Object.keys(topology.nodes), ...Object.keys(topology.sinks)];
  return {
    ruleId: 'unknown-node',
    path,
    message: `no node or sink is named '${name}'`,
    hint:
      didYouMean(name, names) ??
      `there are ${names.slice(0, 12).join(', ')}; a host elsewhere needs its full name or a port (${name}:25)`,
  };
}

/** Whether a client in mode `tls` and a server that is set to `offered` can exchange mail. */
export function tlsSuits(tls: TlsMode, offered: ListenerEntry['tls']): boolean {
  if (tls === 'opportunistic') return true;
  return tls === 'none' ? offered === 'none' || offered === 'opportunistic' : offered !== 'none';
}

/** TLS mode of a link or a smarthost: what it says, else `verified` with a login. */
export function tlsModeOf(tls: TlsMode | undefined, username: string | undefined): TlsMode {
  return tls ?? (username === undefined ? 'opportunistic' : 'verified');
}

/**
 * The listener of `node` that a peer in mode `tls` connects to: the first one that suits it, those
 * first that the machine's own host reaches.
 */
export function chooseListener(node: NodeEntry, tls: TlsMode): ListenerEntry | undefined {
  const suiting = node.listen.filter((listener) => tlsSuits(tls, listener.tls));
  return suiting.find((listener) => !isCutOff(node, listener)) ?? suiting[0];
}

/** A listener on loopback, of a node whose peers are on other machines. */
export function isCutOff(node: NodeEntry, listener: { host: string }): boolean {
  return !isLoopbackHost(node.host) && isLoopbackHost(listener.host);
}

function parseSmarthost(smarthost: NonNullable<NodeEntry['smarthost']>): Wanted | undefined {
  if (typeof smarthost === 'string') {
    const parsed = parseHostPort(smarthost);
    return parsed === undefined ? undefined : { ...parsed, port: parsed.port, object: {} };
  }
  const host = smarthost.hostname.replace(/^\[(.*)\]$/, '$1');
  return isHost(host) ? { host, port: smarthost.port, object: smarthost } : undefined;
}

function basePlan(
  kind: HopPlan['kind'],
  name: string,
  host: string,
  port: HopPlan['port'],
  object: Wanted['object'],
): HopPlan {
  const { username, password } = object;
  return {
    kind,
    name,
    host,
    port,
    tls: tlsModeOf(object.tls, username),
    implicitTls: object['implicit-tls'] ?? port === 465,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: password.secret }),
    allowInsecureAuth: object['allow-insecure-auth'] ?? false,
    trace: object.trace ?? 'none',
  };
}

function planForeignHost({ host, port, object }: Wanted): HopPlan {
  const actualPort = port ?? (object['implicit-tls'] === true ? 465 : 25);
  return basePlan('host', joinHostPort(host, actualPort), host, actualPort, object);
}

function planNode(
  topology: Topology,
  from: string,
  to: string,
  node: NodeEntry,
  wanted: Wanted,
): PlannedHop {
  const { object } = wanted;
  const index = topology.links.findIndex((link) => link.from === from && link.to === to);
  const link = topology.links[index];
  // a smarthost that brings a login of its own brings all of it; else the link gives it
  const ownLogin = object.username !== undefined || object.password !== undefined;
  const used = link !== undefined && !ownLogin;
  const merged = used ? withLink(object, link) : object;
  const tls = tlsModeOf(merged.tls, merged.username);
  const path = ['nodes', from, 'smarthost'];
  const listener = listenerFor(node, tls, wanted.port, link);
  if (listener === undefined && wanted.port === undefined) {
    return { problem: { ...noListener(node, to, tls, link, index, path), target: to } };
  }
  const host = reachableHost(node.host, listener?.host ?? node.host);
  const plan = basePlan('node', to, host, wanted.port ?? listener?.port ?? 25, merged);
  plan.tls = tls;
  if (listener !== undefined) {
    plan.listener = listener;
    plan.offered = listener.tls;
    plan.implicitTls = merged['implicit-tls'] ?? listener.tls === 'implicit';
  }
  if (host !== node.host) plan.servername = node.host;
  if (link !== undefined) plan.link = { index, used };
  return { plan };
}

function withLink(object: Wanted['object'], link: LinkEntry): Wanted['object'] {
  // XMESH is only taken from a client that logged in, so a link without a login cannot use it
  const carried = link.trace === 'envelope' && link.username === undefined ? 'none' : link.trace;
  const tls = object.tls ?? link.tls;
  return {
    ...object,
    ...(tls === undefined ? {} : { tls }),
    ...(link.username === undefined ? {} : { username: link.username }),
    ...(link.password === undefined ? {} : { password: link.password }),
    'allow-insecure-auth': object['allow-insecure-auth'] === true || link['allow-insecure-auth'],
    trace: object.trace ?? carried,
  };
}

function listenerFor(
  node: NodeEntry,
  tls: TlsMode,
  port: number | undefined,
  link: LinkEntry | undefined,
): ListenerEntry | undefined {
  if (port !== undefined) return node.listen.find((listener) => listener.port === port);
  if (link?.listener !== undefined) {
    return node.listen.find((listener) => listener.name === link.listener);
  }
  return chooseListener(node, tls);
}

function noListener(
  node: NodeEntry,
  to: string,
  tls: TlsMode,
  link: LinkEntry | undefined,
  index: number,
  path: Path,
): HopProblem {
  const names = node.listen.map((listener) => listener.name);
  if (link?.listener !== undefined) {
    return {
      ruleId: 'unknown-listener',
      path: ['links', index, 'listener'],
      message: `node '${to}' has no listener '${link.listener}'`,
      hint: didYouMean(link.listener, names) ?? `it has ${names.join(', ')}`,
    };
  }
  return {
    ruleId: 'tls-mismatch',
    path: link === undefined ? path : ['links', index, 'tls'],
    message:
      tls === 'none'
        ? `every listener of node '${to}' demands TLS, and this hop has tls: none`
        : `this hop has tls: ${tls}, and no listener of node '${to}' offers TLS`,
    hint:
      tls === 'none'
        ? 'leave `tls` out of this hop'
        : `give a listener of node '${to}' tls: required or opportunistic`,
  };
}

function isBareLabel(host: string): boolean {
  return !host.includes('.') && !host.includes(':') && host.toLowerCase() !== 'localhost';
}
