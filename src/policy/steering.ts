import type { Clock } from '../base/clock.js';
import { within } from '../base/deadline.js';
import { codeOf } from '../base/errors.js';
import { canonicalAddress, classifyAddress } from './address-class.js';
import type { SteerTarget } from './settings.js';

/**
 * Whether a message may name its smarthost (SMARTHOST: who may steer). The list decides alone: a
 * name is resolved once, the addresses that it has are checked, and the one that is returned is
 * connected to, so that a name that changes its address in between leads nowhere else. Loopback,
 * private, link-local and other addresses that are not simply hosts of the internet, and the
 * addresses of this machine, are only reached when the list names them by address, by a name of
 * the topology, or, for loopback, as `localhost`.
 */

/** A smarthost as a message names it; `port` null when it names none. */
export interface WantedHost {
  hostname: string;
  port: number | null;
}

export type Steering =
  /**
   * `address`: to be connected to. Null for a name of the topology, which says itself where that
   * is; only then can `port` be null too.
   */
  | { kind: 'allowed'; hostname: string; port: number | null; address: string | null }
  | { kind: 'refused'; reason: string }
  /** DNS cannot tell now. */
  | { kind: 'temporary'; reason: string };

/** The addresses of a host; rejects with the code of `node:dns`. */
export type ResolveHost = (host: string) => Promise<string[]>;

export interface SteeringContext {
  resolve: ResolveHost;
  /** Addresses of this machine. */
  ownAddresses: () => readonly string[];
  clock: Clock;
}

/** Port of a smarthost that is named without one (SMARTHOST: one message). */
export const DEFAULT_SMARTHOST_PORT = 25;
const RESOLVE_TIMEOUT_MS = 5000;
/** Addresses of one name that are looked at. */
const MAX_ADDRESSES = 64;
/** DNS has answered, and the answer is that there is no address. */
const NO_SUCH_HOST = new Set(['ENOTFOUND', 'ENODATA', 'NXDOMAIN']);

/** Never rejects. Ends within 5 seconds. */
export async function steer(
  wanted: WantedHost,
  targets: readonly SteerTarget[],
  context: SteeringContext,
): Promise<Steering> {
  const hostname = plainHost(wanted.hostname);
  if (targets.some((target) => isNamed(target, hostname, wanted.port))) {
    return { kind: 'allowed', hostname, port: wanted.port, address: null };
  }
  const port = wanted.port ?? DEFAULT_SMARTHOST_PORT;
  const place = hostname.includes(':') ? `[${hostname}]:${port}` : `${hostname}:${port}`;
  const unlisted = refused(`${place} is not a smarthost that you may name`);
  const list = listFor(targets, port);
  const literal = canonicalAddress(hostname);
  if (literal !== null) {
    return list.addresses.has(literal)
      ? { kind: 'allowed', hostname: literal, port, address: literal }
      : unlisted;
  }
  if (endsInNumber(hostname)) {
    return refused(`${place} is neither a hostname nor an address in its usual form`);
  }
  const byName = list.hosts.has(hostname) || list.domains.some((end) => hostname.endsWith(end));
  if (!byName && !list.nodeHosts.has(hostname) && !list.hasNodeAddresses) {
    return unlisted;
  }
  const found = await addressesOf(hostname, context);
  if ('kind' in found) {
    return found;
  }
  const own = new Set(context.ownAddresses().map(canonicalAddress));
  const address = found.addresses.find(
    (one) =>
      list.addresses.has(one) ||
      list.nodeHosts.has(hostname) ||
      (byName && isOrdinary(one, hostname, own)),
  );
  if (address !== undefined) {
    return { kind: 'allowed', hostname, port, address };
  }
  return byName
    ? refused(
        `${place} leads to this machine or a private network, by an address that is not listed`,
      )
    : unlisted;
}

/** A host of the internet, or the loopback under the one name that everybody knows it by. */
function isOrdinary(address: string, hostname: string, own: ReadonlySet<string | null>): boolean {
  const kind = classifyAddress(address);
  return (kind === null && !own.has(address)) || (kind === 'loopback' && hostname === 'localhost');
}

function isNamed(target: SteerTarget, hostname: string, port: number | null): boolean {
  return (
    target.kind === 'name' &&
    target.name === hostname &&
    (port === null || target.endpoints.some((endpoint) => endpoint.port === port))
  );
}

/** What a list allows at one port. */
interface PortList {
  /** Canonical addresses, those of nodes and sinks of the topology included. */
  addresses: Set<string>;
  hosts: Set<string>;
  /** Ends of names, with their leading dot. */
  domains: string[];
  /** Names of hosts at which nodes and sinks of the topology listen. */
  nodeHosts: Set<string>;
  /** A name that resolves to the address of a node or sink of the topology may be used too. */
  hasNodeAddresses: boolean;
}

function listFor(targets: readonly SteerTarget[], port: number): PortList {
  const list: PortList = {
    addresses: new Set(),
    hosts: new Set(),
    domains: [],
    nodeHosts: new Set(),
    hasNodeAddresses: false,
  };
  for (const target of targets) {
    if (target.kind === 'domain') {
      if (target.port === port) {
        list.domains.push(`.${plainHost(target.domain)}`);
      }
      continue;
    }
    const isName = target.kind === 'name';
    for (const endpoint of isName ? target.endpoints : [target]) {
      const host = plainHost(endpoint.host);
      const address = canonicalAddress(host);
      if (endpoint.port !== port) {
        continue;
      }
      if (address === null) {
        (isName ? list.nodeHosts : list.hosts).add(host);
      } else {
        list.addresses.add(address);
        list.hasNodeAddresses ||= isName;
      }
    }
  }
  return list;
}

/** Without the brackets of an address literal, without the dot of the root, in lower case. */
function plainHost(host: string): string {
  const [, literal] = /^\[(?:ipv6:)?(.*)\]$/i.exec(host) ?? [];
  return (literal ?? host.replace(/\.$/, '')).toLowerCase();
}

/**
 * Names such as `2130706433`, `0x7f.1` and `0177.0.0.1` are addresses to many programs and never
 * names of hosts (RFC 1123 §2.1): no resolver is asked for them.
 */
function endsInNumber(hostname: string): boolean {
  return /(^|\.)(\d+|0x[0-9a-f]*)$/.test(hostname);
}

async function addressesOf(
  hostname: string,
  { resolve, clock }: SteeringContext,
): Promise<{ addresses: string[] } | Steering> {
  const unknown = refused(`${hostname} does not resolve`);
  try {
    const found = await within(resolve(hostname), RESOLVE_TIMEOUT_MS, clock, () => {
      throw new Error('no answer in time');
    });
    const addresses = found
      .slice(0, MAX_ADDRESSES)
      .map(canonicalAddress)
      .filter((address) => address !== null);
    return addresses.length === 0 ? unknown : { addresses };
  } catch (error) {
    return NO_SUCH_HOST.has(codeOf(error))
      ? unknown
      : { kind: 'temporary', reason: `${hostname} cannot be resolved now` };
  }
}

function refused(reason: string): Steering {
  return { kind: 'refused', reason };
}
