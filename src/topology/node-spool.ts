import type { BrokerAddress } from '../queue/shared-settings.js';
import type { Path, RuleId } from './fault.js';
import { entryOf } from './hop-plan.js';
import { isHost } from './host-address.js';
import type { SpoolEntry } from './schema-spool.js';
import { NAME_PATTERN } from './schema-values.js';
import type { Topology } from './schema.js';

/** What a login at a broker is made of: it goes to the broker that it is named with, and no other. */
export const BROKER_LOGIN_KEYS = ['username', 'password', 'ca'] as const;

/** AMQP 0-9-1, without and with TLS. */
const DEFAULT_PORTS = { 'amqp:': 5672, 'amqps:': 5671 } as const;
const DEFAULT_VHOST = '/';

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

export interface BrokerProblem {
  ruleId: RuleId;
  /** Below `amqp`. */
  path: Path;
  message: string;
  hint: string;
}

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

const FORM_HINT =
  'write amqps://HOST, amqps://HOST:PORT or amqps://HOST/VHOST; without TLS it is amqp://';

function parseBrokerUrl(text: string): { address: BrokerAddress } | Omit<BrokerProblem, 'path'> {
  const url = /^amqps?:\/\/[^\s/]/.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  const invalid = (message: string): Omit<BrokerProblem, 'path'> => ({
    ruleId: 'invalid-value',
    message,
    hint: FORM_HINT,
  });
  if (url === undefined) return invalid('this is no URL of a broker');
  if (url.username !== '' || url.password !== '') {
    return {
      ruleId: 'cleartext-secret',
      message: 'a URL of a broker must not hold a login',
      hint: 'write `username` and `password: { secret: NAME }` beside `amqp`, and declare NAME under `secrets`',
    };
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!isHost(host)) return invalid('this URL has no host');
  if (url.search !== '' || url.hash !== '') return invalid('this URL says more than a place');
  const vhost = vhostOf(url.pathname);
  if (vhost === undefined) return invalid('this URL has more than one vhost');
  const protocol = url.protocol as keyof typeof DEFAULT_PORTS;
  const port = url.port === '' ? DEFAULT_PORTS[protocol] : Number(url.port);
  if (port === 0) return invalid('this URL has no port that can be connected to');
  return { address: { host, port, tls: protocol === 'amqps:', vhost } };
}

/** Without a path, and with a bare slash, that which every broker has. */
function vhostOf(pathname: string): string | undefined {
  const encoded = pathname.replace(/^\//, '');
  if (encoded.includes('/')) return undefined;
  try {
    return decodeURIComponent(encoded) || DEFAULT_VHOST;
  } catch {
    return undefined;
  }
}
