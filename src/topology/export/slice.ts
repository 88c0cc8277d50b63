import { otlpOf, otlpSecrets } from '../compile-otlp.js';
import { entryOf } from '../hop-plan.js';
import { hopsOf, type NodeHop } from '../node-hops.js';
import { localBrokerOf, spoolOf, tierMates, tierOf } from '../node-spool.js';
import type { NodeEntry, Topology } from '../schema.js';
import { parseSteerEntry } from '../steer-entry.js';
import { mappingAt, type Written } from './written.js';

/** What of another node a node needs to know. */
const PEER_KEYS = ['host', 'listen', 'api', 'expire-after', 'allow-insecure-auth'];

/** How a peer connects, as far as the receiving end is checked for it. */
const HOP_KEYS = ['tls', 'implicit-tls', 'allow-insecure-auth'] as const;

/** What a link says to its receiving end alone. */
const RECEIVER_KEYS = ['also-accept', 'may', 'steer-to'];

/**
 * The part of a topology that one node needs, as a topology of its own that compiles to the same
 * settings of that node: itself; its links; of the nodes that it sends to, hears from or asks for
 * traces where they are, and with whom they share their mail; the sinks that it sends to; the secrets that it fetches itself.
 *
 * @param written the same topology as the file has it
 * @param nodeName must be a node of it
 */
export function sliceOf(topology: Topology, written: Written, nodeName: string): Written {
  const node = entryOf(topology.nodes, nodeName) as NodeEntry;
  const writtenNodes = mappingAt(written, 'nodes');
  const goals = goalsOf(topology, nodeName, node);
  const isOwn = ({ from, to }: { from: string; to: string }): boolean =>
    from === nodeName || to === nodeName;
  const linked = topology.links.filter(isOwn).flatMap(({ from, to }) => [from, to]);
  const senders = sendersTo(topology, nodeName);
  const mates = linked.flatMap((name) => tierMates(topology, name) ?? []);
  const known = new Set([...goals, ...linked, ...mates, ...senders.keys()]);
  const nodes: Written = {};
  for (const [name, peer] of Object.entries(topology.nodes)) {
    const entry = mappingAt(writtenNodes, name);
    if (name === nodeName) nodes[name] = withSpool(topology, nodeName, entry);
    else if (known.has(name) || peer.api !== undefined) {
      nodes[name] = {
        ...peerEntry(topology, name, entry, senders.get(name)),
        ...welcomeOf(topology, nodeName, name, entry),
      };
    }
  }
  const defaults = { ...mappingAt(written, 'defaults') };
  if (node.otlp !== undefined) delete defaults['otlp'];
  // it stands in the node as a whole
  delete defaults['spool'];
  const links = topology.links.flatMap((link, index): Written[] => {
    const entry = (written['links'] as Written[])[index] ?? {};
    if (link.to === nodeName) return [asReceived(entry)];
    return link.from === nodeName ? [except(entry, RECEIVER_KEYS)] : [];
  });
  const secrets = secretsOf(topology, nodeName, node, [...goals]);
  const brokers = new Set(
    Object.keys(nodes).flatMap((name) => localBrokerOf(topology, name) ?? []),
  );
  return dropEmpty({
    version: written['version'],
    name: written['name'],
    secrets: only(mappingAt(written, 'secrets'), secrets),
    tls: written['tls'],
    defaults,
    nodes,
    links,
    sinks: only(mappingAt(written, 'sinks'), goals),
    brokers: only(mappingAt(written, 'brokers'), brokers),
  });
}

/** A node with what it has of its spool from `defaults`. */
function withSpool(topology: Topology, nodeName: string, entry: Written): Written {
  const { spool: _, ...others } = entry;
  const spool = spoolOf(topology, nodeName);
  return spool === undefined ? others : { ...others, spool: spool.entry };
}

/** Nodes and sinks that mail of this node can go to. */
export function goalsOf(topology: Topology, nodeName: string, node: NodeEntry): Set<string> {
  const goals = new Set<string>();
  for (const { planned } of hopsOf(topology, nodeName)) {
    if ('plan' in planned && planned.plan.kind !== 'host') goals.add(planned.plan.name);
  }
  const into = topology.links.filter((link) => link.to === nodeName);
  for (const text of [node, ...node.users, ...into].flatMap((one) => one['steer-to'])) {
    const parsed = parseSteerEntry(topology, text, []);
    if ('entry' in parsed && parsed.entry.kind === 'name') goals.add(parsed.entry.name);
  }
  return goals;
}

/**
 * The other nodes that send to this one, and what they would write for it as their smarthost. One
 * that logs in as a user is told by that user, and is left out.
 */
function sendersTo(topology: Topology, nodeName: string): Map<string, unknown> {
  const senders = new Map<string, unknown>();
  for (const name of Object.keys(topology.nodes)) {
    const hop = hopsOf(topology, name).find(({ planned }) => {
      if (!('plan' in planned) || planned.plan.name !== nodeName) return false;
      const { kind, username, link } = planned.plan;
      return kind === 'node' && (username === undefined || link?.used === true);
    });
    if (hop !== undefined && name !== nodeName) senders.set(name, hopTo(topology, nodeName, hop));
  }
  return senders;
}

function hopTo(topology: Topology, nodeName: string, { keys, planned }: NodeHop): unknown {
  const ways = entryOf(topology.nodes, nodeName)?.listen.length ?? 0;
  const port = 'plan' in planned && ways > 1 ? planned.plan.port : 'auto';
  const hop: Written = port === 'auto' ? {} : { port };
  for (const key of HOP_KEYS) if (keys[key] !== undefined) hop[key] = keys[key];
  return Object.keys(hop).length === 0 ? nodeName : { hostname: nodeName, ...hop };
}

/** Why a peer takes mail of this node, where no link says it: a user of it, or its networks. */
function welcomeOf(topology: Topology, nodeName: string, peer: string, entry: Written): Written {
  const welcome: Written = {};
  const users = new Map<string, Written>();
  for (const { planned } of hopsOf(topology, nodeName)) {
    if (!('plan' in planned) || planned.plan.kind !== 'node' || planned.plan.name !== peer)
      continue;
    const { username, password, link } = planned.plan;
    if (username === undefined) Object.assign(welcome, only(entry, ['relay-from']));
    else if (link?.used !== true) users.set(username, { username, password: { secret: password } });
  }
  return users.size === 0 ? welcome : { ...welcome, users: [...users.values()] };
}

/** @param smarthost how it sends to the node that the slice is for, if it does */
function peerEntry(topology: Topology, name: string, entry: Written, smarthost: unknown): Written {
  const peer = only(entry, PEER_KEYS);
  const offersTls = entryOf(topology.nodes, name)?.listen.some(({ tls }) => tls !== 'none');
  // only so that the slice is whole: the files are on the other machine
  if (offersTls === true && entry['tls'] !== undefined) peer['tls'] = entry['tls'];
  if (smarthost !== undefined) peer['smarthost'] = smarthost;
  const amqp = spoolOf(topology, name)?.entry.amqp;
  // where it shares its mail, and with whom; its login there is its own
  if (amqp !== undefined) peer['spool'] = { amqp, tier: tierOf(topology, name) };
  return peer;
}

/** The secrets that a node fetches, and those of its sinks, which know the logins themselves. */
function secretsOf(
  topology: Topology,
  nodeName: string,
  node: NodeEntry,
  goals: readonly string[],
): Set<string> {
  const otlp = otlpOf(topology, nodeName);
  const sinks = goals.flatMap((name) => entryOf(topology.sinks, name) ?? []);
  const links = topology.links.filter(({ from, to }) => from === nodeName || to === nodeName);
  const named = [
    ...Object.values(topology.nodes).map((one) => one.api?.token),
    node['rabbitmq-password'],
    ...[...node.users, ...sinks.flatMap(({ users }) => users)].map(({ password }) => password),
    ...hopsOf(topology, nodeName).map(({ keys }) => keys.password),
    ...links.flatMap((link) => [
      link.password,
      ...(link.to === nodeName ? link['also-accept'] : []),
    ]),
    ...(otlp === undefined ? [] : otlpSecrets(otlp.entry, otlp.path)),
    spoolOf(topology, nodeName)?.entry.password,
  ];
  return new Set(named.flatMap((one) => (one === undefined ? [] : [one.secret])));
}

/** A link as its receiving end needs it: the files that the other end shows are not here. */
function asReceived(entry: Written): Written {
  if (entry['certificate'] === undefined) return entry;
  const shown = except(mappingAt(entry, 'certificate'), ['cert', 'key']);
  return { ...entry, certificate: Object.keys(shown).length === 0 ? true : shown };
}

function only(mapping: Written, keys: Iterable<string>): Written {
  const wanted = new Set(keys);
  return Object.fromEntries(Object.entries(mapping).filter(([key]) => wanted.has(key)));
}

function except(mapping: Written, keys: readonly string[]): Written {
  return Object.fromEntries(Object.entries(mapping).filter(([key]) => !keys.includes(key)));
}

function dropEmpty(mapping: Written): Written {
  const isEmpty = (value: unknown): boolean =>
    value === undefined ||
    (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
  return Object.fromEntries(Object.entries(mapping).filter(([, value]) => !isEmpty(value)));
}
