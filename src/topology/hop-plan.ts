import type { TlsMode } from '../send/next-hop.js';
import type { TraceCarrier } from '../trace/record.js';
import type { Path, RuleId } from './fault.js';
import { isLoopbackHost } from '../format/loopback.js';
import { isHost, isWildcard, joinHostPort, parseHostPort, reachableHost } from './host-address.js';
import type { ReplyEntry } from './schema-replies.js';
import type { HopObject } from './schema-routes.js';
import type { LinkEntry, ListenerEntry, NodeEntry, SinkEntry, Topology } from './schema.js';
import { didYouMean } from './suggest.js';

/**
 * One next hop of a node, as the topology alone says it: ports may still be `auto` and
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
  /** Where the access token comes from, instead of a password. */
  token?: NonNullable<HopObject['token']>;
  /** The login is the certificate of the link, instead of a password; `username` is the node. */
  byCertificate?: true;
  allowInsecureAuth: boolean;
  trace: TraceCarrier;
  preset?: NonNullable<HopObject['preset']>;
  /** What refusals of this hop mean: its own rows, then those of its link. */
  replies?: ReplyEntry[];
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

/** The keys of a next hop that was written as a mapping; none of a mere name. */
export type HopKeys = Partial<HopObject>;

interface Wanted {
  host: string;
  port: number | undefined;
  keys: HopKeys;
}

/** A name, or a mapping with one. */
export type NamedHop = string | (HopKeys & { hostname: string });

/** Plans the next hop that stands at `path` of node `from`. */
export function planHop(topology: Topology, from: string, entry: NamedHop, path: Path): PlannedHop {
  const wanted = parseHop(entry, mayLogInInClear(topology, from));
  if (wanted === undefined) {
    return {
      problem: {
        ruleId: 'invalid-value',
        path: typeof entry === 'string' ? path : [...path, 'hostname'],
        message: `${String(path.at(-1))} must be a node, a sink, a hostname or an address`,
        hint: 'a login is not part of it: write { hostname, port, username, password: { secret } }',
      },
    };
  }
  const node = entryOf(topology.nodes, wanted.host);
  if (node !== undefined) return planNode(topology, from, wanted.host, node, wanted, path);
  const sink = entryOf(topology.sinks, wanted.host);
  if (sink !== undefined) return { plan: planTopologySink(wanted.host, sink, wanted) };
  if (wanted.port === undefined && isBareLabel(wanted.host)) {
    return { problem: unknownName(topology, path, wanted.host) };
  }
  return { plan: planForeignHost(wanted) };
}

/**
 * Plans the server that takes all connections of a node instead of their hosts.
 *
 * @param keys `hostname` is a sink of the topology, a hostname or an address.
 */
export function planSmtpSink(
  topology: Topology,
  from: string,
  keys: HopKeys & { hostname: string },
  path: Path,
): PlannedHop {
  const wanted = parseHop(keys, mayLogInInClear(topology, from));
  if (wanted === undefined || isWildcard(wanted.host)) {
    return {
      problem: {
        ruleId: 'invalid-value',
        path,
        message: 'smtp-sink-address must be an address, a hostname or a sink of the topology',
        hint: 'a port stands in smtp-sink-port, a login in smtp-sink-username and -password',
      },
    };
  }
  const { host } = wanted;
  const sink = entryOf(topology.sinks, host);
  if (sink !== undefined) return { plan: planTopologySink(host, sink, wanted) };
  if (Object.hasOwn(topology.nodes, host) || (wanted.port === undefined && isBareLabel(host))) {
    return { problem: unknownSink(topology, path, host) };
  }
  const port = wanted.port ?? 25;
  return {
    plan: basePlan('sink', `smtp-sink ${joinHostPort(host, port)}`, host, port, wanted.keys),
  };
}

/**
 * The node or sink as a message reaches it that names it as its smarthost: with no login of ours,
 * and verified where it demands TLS. Undefined when nothing has this name.
 */
export function planNamed(topology: Topology, name: string): HopPlan | undefined {
  const sink = entryOf(topology.sinks, name);
  if (sink !== undefined) return planTopologySink(name, sink, { port: undefined, keys: {} });
  const node = entryOf(topology.nodes, name);
  const listener = node === undefined ? undefined : chooseListener(node, 'opportunistic');
  if (node === undefined || listener === undefined) return undefined;
  const demandsTls = listener.tls === 'required' || listener.tls === 'implicit';
  return planListener(name, node, listener, listener.port, {
    tls: demandsTls ? 'verified' : 'opportunistic',
  });
}

function unknownSink(topology: Topology, path: Path, name: string): HopProblem {
  const isNode = Object.hasOwn(topology.nodes, name);
  const names = Object.keys(topology.sinks);
  return {
    ruleId: 'unknown-node',
    path,
    message: isNode ? `'${name}' is a node, not a sink` : `no sink is named '${name}'`,
    hint:
      didYouMean(name, names) ??
      (isNode
        ? 'a node that all mail goes to is a `smarthost`'
        : 'a host elsewhere needs its full name or its smtp-sink-port'),
  };
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

/** The same text for the same host, login and protection, and the same meaning of its replies. */
export function identityOf(plan: HopPlan): string {
  const { kind, name, host, port, tls, implicitTls, username, password, token } = plan;
  const { allowInsecureAuth, trace, preset, replies, byCertificate } = plan;
  return JSON.stringify([
    [kind, name, host, port],
    [tls, implicitTls, allowInsecureAuth, trace],
    [username, password, token, byCertificate],
    preset,
    replies,
  ]);
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

function mayLogInInClear(topology: Topology, from: string): boolean {
  return entryOf(topology.nodes, from)?.['allow-insecure-auth'] === true;
}

function parseHop(entry: NamedHop, insecure: boolean): Wanted | undefined {
  const keys: HopKeys = typeof entry === 'string' ? {} : { ...entry };
  if (insecure) keys['allow-insecure-auth'] = true;
  if (typeof entry === 'string') {
    const parsed = parseHostPort(entry);
    return parsed === undefined ? undefined : { host: parsed.host, port: parsed.port, keys };
  }
  const host = entry.hostname.replace(/^\[(.*)\]$/, '$1');
  return isHost(host) ? { host, port: entry.port, keys } : undefined;
}

function basePlan(
  kind: HopPlan['kind'],
  name: string,
  host: string,
  port: HopPlan['port'],
  keys: HopKeys,
): HopPlan {
  const { username, password, token, preset, replies } = keys;
  return {
    kind,
    name,
    host,
    port,
    tls: tlsModeOf(keys.tls, username),
    implicitTls: keys['implicit-tls'] ?? port === 465,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: password.secret }),
    ...(token === undefined ? {} : { token }),
    allowInsecureAuth: keys['allow-insecure-auth'] ?? false,
    trace: keys.trace ?? 'none',
    ...(preset === undefined ? {} : { preset }),
    ...(replies === undefined ? {} : { replies }),
  };
}

function planForeignHost({ host, port, keys }: Wanted): HopPlan {
  const actualPort = port ?? (keys['implicit-tls'] === true ? 465 : 25);
  return basePlan('host', joinHostPort(host, actualPort), host, actualPort, keys);
}

function planTopologySink(
  name: string,
  sink: SinkEntry,
  { port, keys }: Pick<Wanted, 'port' | 'keys'>,
): HopPlan {
  const host = reachableHost('127.0.0.1', sink.host);
  const plan = basePlan('sink', name, host, port ?? sink.port, keys);
  plan.offered = sink.tls;
  plan.implicitTls = keys['implicit-tls'] ?? sink.tls === 'implicit';
  return plan;
}

function planNode(
  topology: Topology,
  from: string,
  to: string,
  node: NodeEntry,
  wanted: Wanted,
  path: Path,
): PlannedHop {
  const { keys } = wanted;
  const index = topology.links.findIndex((link) => link.from === from && link.to === to);
  const link = topology.links[index];
  // a hop that brings a login of its own brings all of it; else the link gives it
  const ownLogin = [keys.username, keys.password, keys.token].some((key) => key !== undefined);
  const used = link !== undefined && !ownLogin;
  const merged = used ? withLink(keys, link) : keys;
  const tls = tlsModeOf(merged.tls, merged.username);
  const listener = listenerFor(node, tls, wanted.port, link);
  if (listener === undefined && wanted.port === undefined) {
    return { problem: { ...noListener(node, to, tls, link, index, path), target: to } };
  }
  const port = wanted.port ?? listener?.port ?? 25;
  const plan = planListener(to, node, listener, port, { ...merged, tls });
  if (link !== undefined) plan.link = { index, used };
  if (used && link.certificate !== undefined) plan.byCertificate = true;
  return { plan };
}

/** @param listener Undefined for a port that is none of the node's listeners. */
function planListener(
  name: string,
  node: NodeEntry,
  listener: ListenerEntry | undefined,
  port: HopPlan['port'],
  keys: HopKeys,
): HopPlan {
  const host = reachableHost(node.host, listener?.host ?? node.host);
  const plan = basePlan('node', name, host, port, keys);
  if (listener !== undefined) {
    plan.listener = listener;
    plan.offered = listener.tls;
    plan.implicitTls = keys['implicit-tls'] ?? listener.tls === 'implicit';
  }
  if (host !== node.host) plan.servername = node.host;
  return plan;
}

function withLink(keys: HopKeys, link: LinkEntry): HopKeys {
  // who logs in by certificate is called by its node
  const username = link.certificate === undefined ? link.username : link.from;
  // XMESH is only taken from a client that logged in, so a link without a login cannot use it
  const carried = link.trace === 'envelope' && username === undefined ? 'none' : link.trace;
  const tls = keys.tls ?? link.tls;
  const replies = [...(keys.replies ?? []), ...(link.replies ?? [])];
  return {
    ...keys,
    ...(tls === undefined ? {} : { tls }),
    ...(username === undefined ? {} : { username }),
    ...(link.password === undefined ? {} : { password: link.password }),
    'allow-insecure-auth': keys['allow-insecure-auth'] === true || link['allow-insecure-auth'],
    trace: keys.trace ?? carried,
    ...(replies.length === 0 ? {} : { replies }),
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
