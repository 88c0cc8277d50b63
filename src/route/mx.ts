import { BlockList, isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { systemClock, type Clock } from '../base/clock.js';
import { RelayError } from '../base/errors.js';
import type { NextHop } from '../send/next-hop.js';
import type { Outcome } from '../send/outcome.js';
import type { LocateHosts } from '../send/request.js';
import { stricterTls } from '../send/tls-mode.js';
import { DnsClient, type DnsAnswer, type MxRecord } from './dns.js';
import { kept, keptAmong } from './kept.js';
import type { MxSettings } from './table.js';

export interface LocatorOptions {
  /** DNS servers as `address` or `address:port`; empty: those of the system. */
  dnsServers: readonly string[];
  mx: () => MxSettings;
  /** Is this mail server ourselves? `address` is '' where a name has none. */
  isOwn: (host: { name: string; address: string; port: number }) => boolean;
  /** A number from 0 up to, not including, 1. */
  chance: () => number;
  clock?: Clock;
}

/** Finds the hosts of a hop. */
export interface Locator {
  locate: LocateHosts;
  /**
   * The addresses of a host, [] when it has none. Rejects with a `RelayError` `NAME_NOT_RESOLVED`
   * when that cannot be said now.
   */
  resolveOnce(host: string): Promise<string[]>;
  close(): void;
}

/** Mail servers of one domain that are looked up, the preferred ones; more are never asked. */
const MAX_NAMES = 20;

type Located = Awaited<ReturnType<LocateHosts>>;

/**
 * Where the mail of a hop goes (RFC 5321 §5.1). The hosts of an `mx` hop are the mail servers of the
 * domain, by preference, those of the same one in an order of chance; what the DNS says about the
 * domain decides for the message. The host of any other hop is a name with addresses; when it
 * cannot be found, that is a fault of the hop, which somebody heals.
 */
export function createLocator(options: LocatorOptions): Locator {
  const dns = new DnsClient(options.dnsServers, options.clock ?? systemClock);
  return {
    locate: (hop) => {
      if (hop.address !== undefined) {
        return Promise.resolve({ hosts: [hop] });
      }
      return hop.kind === 'mx' ? locateMailServers(hop, dns, options) : locateNamed(hop, dns);
    },
    resolveOnce: async (host) => {
      const answer = await dns.hostAddresses(host);
      if (answer.kind === 'failed') {
        throw new RelayError('NAME_NOT_RESOLVED', `the name ${host} cannot be resolved`, {
          fault: 'system',
          where: host,
          hint: `The DNS said: ${answer.words}. Check dns-servers and the network.`,
        });
      }
      return answer.kind === 'found' ? [...answer.values] : [];
    },
    close: () => dns.close(),
  };
}

/** Addresses of one hop that are remembered; one that is in use is among the latest. */
const MAX_ADDRESSES = 64;
const HOSTS_OF = new WeakMap<NextHop, Map<string, NextHop>>();

/**
 * The hop at one of its addresses: the same object each time, since what is kept of a host for its
 * next connection (roots and keys, sessions of TLS) hangs on it.
 */
function hostAt(hop: NextHop, address: string): NextHop {
  const hosts = kept(HOSTS_OF, hop, () => new Map<string, NextHop>());
  return keptAmong(hosts, MAX_ADDRESSES, address, () => ({ ...hop, address }));
}

async function locateNamed(hop: NextHop, dns: DnsClient): Promise<Located> {
  const answer = await dns.hostAddresses(hop.host);
  if (answer.kind === 'found') {
    return { hosts: answer.values.map((address) => hostAt(hop, address)) };
  }
  const text =
    answer.kind === 'none'
      ? `the host ${hop.host} does not exist or has no address`
      : `the host ${hop.host} cannot be resolved: ${answer.words}`;
  return refusal('hop-fault', null, null, text);
}

async function locateMailServers(
  hop: NextHop,
  dns: DnsClient,
  options: LocatorOptions,
): Promise<Located> {
  if (hop.host.startsWith('[')) {
    return locateLiteral(hop, options);
  }
  const domain = asciiDomain(hop.host);
  if (domain === null) {
    return refusal('failed', 550, '5.1.2', `${hop.host} is no domain name`);
  }
  const answer = await dns.mailServers(domain);
  if (answer.kind === 'failed') {
    return refusal(
      'deferred',
      null,
      '4.4.3',
      `the DNS does not tell the MX of ${domain}: ${answer.words}`,
    );
  }
  if (answer.kind === 'none') {
    // RFC 5321 §5.1: a domain without MX is its own mail server.
    return answer.exists
      ? locateNames(
          [{ priority: 0, exchange: domain }],
          { hop, domain, isImplicit: true },
          dns,
          options,
        )
      : refusal('failed', 550, '5.1.2', `the domain ${domain} does not exist`);
  }
  if (answer.values.length === 1 && answer.values[0]?.exchange === '') {
    return refusal('failed', 556, '5.1.10', `${domain} takes no mail (null MX, RFC 7505)`);
  }
  return locateNames(answer.values, { hop, domain, isImplicit: false }, dns, options);
}

/** `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3). */
function locateLiteral(hop: NextHop, options: LocatorOptions): Located {
  const [, address = ''] = /^\[(?:ipv6:)?([^\]]*)\]$/i.exec(hop.host) ?? [];
  if (isIP(address) === 0 || !isHostAddress(address)) {
    return refusal('failed', 550, '5.1.2', `${hop.host} is not the address of a host`);
  }
  return options.isOwn({ name: address, address, port: options.mx().port })
    ? loop(hop.host)
    : { hosts: [hostOf(hop, options.mx(), { name: address, address, isNamedByMx: false })] };
}

interface Wanted {
  hop: NextHop;
  domain: string;
  /** The domain has no MX and stands for itself. */
  isImplicit: boolean;
}

async function locateNames(
  records: readonly MxRecord[],
  { hop, domain, isImplicit }: Wanted,
  dns: DnsClient,
  options: LocatorOptions,
): Promise<Located> {
  const settings = options.mx();
  const { port } = settings;
  const servers = await Promise.all(
    inOrder(
      records.filter(({ exchange }) => isHostName(exchange)),
      options.chance,
    )
      .slice(0, MAX_NAMES)
      .map(async ({ priority, exchange }) => {
        const answer = await dns.addresses(exchange);
        const addresses = answer.kind === 'found' ? answer.values.filter(isHostAddress) : [];
        return { priority, name: exchange, answer, addresses };
      }),
  );
  // RFC 5321 §5.1: among them are ourselves, so only better ones bring the mail any further.
  const own = servers.find(({ name, addresses }) =>
    [...addresses, ''].some((address) => options.isOwn({ name, address, port })),
  );
  const better = servers.filter(({ priority }) => own === undefined || priority < own.priority);
  const hosts = better.flatMap(({ name, addresses }) =>
    addresses.map((address) => hostOf(hop, settings, { name, address, isNamedByMx: !isImplicit })),
  );
  if (hosts.length > 0) {
    return { hosts };
  }
  const failure = better.map(({ answer }) => answer).find(isFailure);
  if (failure !== undefined) {
    const text = `the DNS does not tell the address of a mail server of ${domain}: ${failure.words}`;
    return refusal('deferred', null, '4.4.3', text);
  }
  if (better.length === 0 && own !== undefined) {
    return loop(domain);
  }
  return isImplicit
    ? refusal('failed', 550, '5.1.2', `${domain} has neither a mail server nor an address`)
    : refusal('failed', 550, '5.4.4', `no mail server of ${domain} has an address`);
}

function isFailure(answer: DnsAnswer<string>): answer is DnsAnswer<string> & { kind: 'failed' } {
  return answer.kind === 'failed';
}

/** By preference; those of the same one shuffled, so that they share the load (RFC 5321 §5.1). */
function inOrder(records: readonly MxRecord[], chance: () => number): MxRecord[] {
  const shuffled = [...records];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = Math.floor(chance() * (last + 1));
    [shuffled[last], shuffled[other]] = [shuffled[other] as MxRecord, shuffled[last] as MxRecord];
  }
  return shuffled.sort((a, b) => a.priority - b.priority);
}

/** A mail server is a host of its own: what it inherits is how strict the hop is, never a login. */
function hostOf(
  hop: NextHop,
  settings: MxSettings,
  { name, address, isNamedByMx }: { name: string; address: string; isNamedByMx: boolean },
): NextHop {
  const { port, tls, ca } = settings;
  return {
    name: name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`,
    kind: 'host',
    host: name,
    address,
    port,
    tls: stricterTls(tls, hop.tls),
    implicitTls: false,
    allowInsecureAuth: false,
    trace: 'none',
    ...(isNamedByMx ? { namedByMx: true } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(hop.ofMessage === undefined ? {} : { ofMessage: hop.ofMessage }),
    ...(hop.replyRules === undefined ? {} : { replyRules: hop.replyRules }),
  };
}

/**
 * The name as the DNS knows it (RFC 5890 §2.3.2.1), or null. An address without brackets is no
 * domain, and neither is what becomes one on the way to ASCII.
 */
function asciiDomain(domain: string): string | null {
  const isPlain = /^[\x21-\x7e]+$/.test(domain);
  const ascii = isPlain ? domain.toLowerCase() : domainToASCII(domain);
  return isHostName(ascii) && isIP(ascii) === 0 ? ascii : null;
}

/** RFC 1035 §2.3.1, and the underscore that is in use. */
function isHostName(name: string): boolean {
  return (
    name.length <= 253 &&
    name.split('.').every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))
  );
}

const notHosts = new BlockList();
notHosts.addSubnet('0.0.0.0', 8, 'ipv4');
notHosts.addSubnet('224.0.0.0', 3, 'ipv4');
notHosts.addAddress('::', 'ipv6');
notHosts.addSubnet('ff00::', 8, 'ipv6');

/** False for addresses that mean no host in particular: connected to, they lead to ourselves. */
function isHostAddress(address: string): boolean {
  return !notHosts.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function loop(domain: string): Located {
  return refusal('failed', 554, '5.4.6', `mail for ${domain} loops back to this node`);
}

function refusal(
  kind: Outcome['kind'],
  code: number | null,
  enhanced: string | null,
  text: string,
): { refusal: Outcome } {
  return { refusal: { kind, inTransaction: false, code, enhanced, text } };
}
