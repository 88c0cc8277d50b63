import type { BrokerAddress } from '../queue/shared-settings.js';
import { parseBrokerUrl, type BrokerProblem } from './broker-url.js';
import type { Path } from './fault.js';
import { entryOf } from './hop-plan.js';
import type { SpoolEntry } from './schema-spool.js';
import { NAME_PATTERN } from './schema-values.js';
import type { Topology } from './schema.js';

/** What a login at a broker is made of: it goes to the broker that it is named with, and no other. */
export const BROKER_LOGIN_KEYS = ['username', 'password', 'ca'] as const;

/** The shared spool of a node, with what it has from `defaults`. */
export interface NodeSpool {
  entry: SpoolEntry;
  /** Where a key stands, or would stand. */
  keyPath: (key: keyof SpoolEntry) => Path;
}

/**
 * What a node says of its spool over what `defaults` say, key by key; but a node that names its own
 * broker does not take the login of another one there.
 *
 * @returns undefined for a node that keeps its mail on its own disk.
 */
export function spoolOf(topology: Topology, nodeName: string): NodeSpool | undefined {
  const own = entryOf(topology.nodes, nodeName)?.spool;
  const common = topology.defaults.spool;
  if (own === 'none' || (own === undefined && (common === undefined || common === 'none'))) {
    return undefined;
  }
  const inherited: SpoolEntry = common === undefined || common === 'none' ? {} : { ...common };
  if (own?.amqp !== undefined) for (const key of BROKER_LOGIN_KEYS) delete inherited[key];
  const ownKeys = new Set(Object.keys(own ?? {}));
  return {
    entry: { ...inherited, ...own },
    keyPath: (key) =>
      !ownKeys.has(key) && Object.hasOwn(inherited, key)
        ? ['defaults', 'spool', key]
        : ['nodes', nodeName, 'spool', key],
  };
}

/** Where the broker of a spool is. */
export type BrokerPlace =
  /** An entry of `brokers`, which may not exist. */
  { kind: 'local'; name: string } | { kind: 'remote'; addresses: BrokerAddress[] };

/** Understands `amqp`. Problems quote nothing, for there may be a password in it. */
export function brokerPlace(
  amqp: NonNullable<SpoolEntry['amqp']>,
): { place: BrokerPlace } | { problems: BrokerProblem[] } {
  if (typeof amqp === 'string' && NAME_PATTERN.test(amqp)) {
    return { place: { kind: 'local', name: amqp } };
  }
  const addresses: BrokerAddress[] = [];
  const problems: BrokerProblem[] = [];
  [amqp].flat().forEach((url, index) => {
    const parsed = parseBrokerUrl(url);
    if ('address' in parsed) addresses.push(parsed.address);
    else problems.push({ ...parsed, path: Array.isArray(amqp) ? [index] : [] });
  });
  return problems.length > 0 ? { problems } : { place: { kind: 'remote', addresses } };
}

/** The broker of a spool; undefined for a fault that the linter refuses. */
export function placeOf({ entry: { amqp } }: NodeSpool): BrokerPlace | undefined {
  const found = amqp === undefined ? { problems: [] } : brokerPlace(amqp);
  return 'place' in found ? found.place : undefined;
}

/** The entry of `brokers` at which a node has its spool, if it is at one. */
export function localBrokerOf(topology: Topology, nodeName: string): string | undefined {
  const spool = spoolOf(topology, nodeName);
  const place = spool === undefined ? undefined : placeOf(spool);
  return place?.kind === 'local' ? place.name : undefined;
}

/** The members of a cluster are the same broker, in whatever order. */
export function brokerIdentity(place: BrokerPlace): string {
  if (place.kind === 'local') return place.name;
  return place.addresses
    .map(({ host, port, vhost }) => JSON.stringify([host.toLowerCase(), port, vhost]))
    .toSorted()
    .join(' ');
}

/** The tier that a node shares its mail with; undefined for one that keeps its own. */
export function tierOf(topology: Topology, nodeName: string): string | undefined {
  const spool = spoolOf(topology, nodeName);
  return spool === undefined ? undefined : (spool.entry.tier ?? nodeName);
}

/**
 * The other nodes that share the mail of a node: those of its tier at its broker. The same tier at
 * another broker is another tier.
 *
 * @returns undefined for a node that keeps its mail on its own disk
 */
export function tierMates(topology: Topology, nodeName: string): string[] | undefined {
  const own = sharedPlace(topology, nodeName);
  if (own === undefined) return undefined;
  return Object.keys(topology.nodes).filter(
    (name) => name !== nodeName && sharedPlace(topology, name) === own,
  );
}

/** The same for two nodes that share their mail, and for no others. */
function sharedPlace(topology: Topology, nodeName: string): string | undefined {
  const spool = spoolOf(topology, nodeName);
  const place = spool === undefined ? undefined : placeOf(spool);
  return place === undefined
    ? undefined
    : JSON.stringify([tierOf(topology, nodeName), place.kind, brokerIdentity(place)]);
}
