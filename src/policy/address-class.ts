import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** What kind of address it is, where that is not simply a host somewhere on the internet. */
export type AddressClass =
  | 'loopback'
  | 'private'
  | 'link-local'
  | 'unspecified'
  | 'multicast'
  | 'reserved';

/** RFC 6890 and the registries that it names. */
const NETWORKS: ReadonlyArray<[AddressClass, network: string, prefixBits: number]> = [
  ['loopback', '127.0.0.0', 8],
  ['loopback', '::1', 128],
  ['private', '10.0.0.0', 8],
  ['private', '172.16.0.0', 12],
  ['private', '192.168.0.0', 16],
  ['private', '100.64.0.0', 10],
  ['private', 'fc00::', 7],
  ['private', 'fec0::', 10],
  // Translation to the IPv4 of the own network (RFC 8215).
  ['private', '64:ff9b:1::', 48],
  ['link-local', '169.254.0.0', 16],
  ['link-local', 'fe80::', 10],
  ['unspecified', '0.0.0.0', 8],
  ['unspecified', '::', 128],
  ['multicast', '224.0.0.0', 4],
  ['multicast', 'ff00::', 8],
  ['reserved', '192.0.0.0', 24],
  ['reserved', '198.18.0.0', 15],
  // The limited broadcast address is the last one of it.
  ['reserved', '240.0.0.0', 4],
];

const CLASSES = NETWORKS.map(([kind, network, prefixBits]) => {
  const list = new BlockList();
  list.addSubnet(network, prefixBits, network.includes(':') ? 'ipv6' : 'ipv4');
  return { kind, list };
});

/**
 * An address in the one spelling by which addresses are compared: dotted quad, also for an
 * IPv4-mapped one, or the shortest IPv6 in lower case (RFC 5952). Null for everything else, above
 * all for the spellings that only some programs take for an address: `2130706433`, `0x7f.1`,
 * `0177.0.0.1`, zones.
 */
export function canonicalAddress(text: string): string | null {
  if (isIPv4(text)) {
    return text;
  }
  if (!isIPv6(text) || text.includes('%')) {
    return null;
  }
  const groups = groupsOf(text);
  return groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
    ? quadOf(groups, 6)
    : new URL(`http://[${text}]`).hostname.slice(1, -1);
}

/** The class of a canonical address, also of the IPv4 address that an IPv6 one leads to, or null. */
export function classifyAddress(address: string): AddressClass | null {
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  const found = CLASSES.find(({ list }) => list.check(address, family));
  if (found !== undefined) {
    return found.kind;
  }
  const embedded = family === 'ipv6' ? embeddedQuad(groupsOf(address)) : null;
  return embedded === null ? null : classifyAddress(embedded);
}

/**
 * Whom an address belongs to, where clients are counted: an IPv4 address, also a mapped one, stands
 * for itself, one of IPv6 for its /64, which is what one customer has (RFC 6177). What is no
 * address stays as it is.
 */
export function clientKeyOf(address: string): string {
  const canonical = canonicalAddress(address.split('%')[0] ?? '');
  if (canonical === null) {
    return address;
  }
  return isIPv4(canonical)
    ? canonical
    : `${groupsOf(canonical)
        .slice(0, 4)
        .map((group) => group.toString(16))
        .join(':')}::/64`;
}

/** The IPv4 address behind a translated, compatible or 6to4 address. */
function embeddedQuad(groups: readonly number[]): string | null {
  const zeros = (from: number): boolean => groups.slice(from, 6).every((group) => group === 0);
  // RFC 3056; RFC 4291 §2.5.5.1; RFC 6052 §2.1.
  if (groups[0] === 0x2002) {
    return quadOf(groups, 1);
  }
  return zeros(0) || (groups[0] === 0x64 && groups[1] === 0xff9b && zeros(2))
    ? quadOf(groups, 6)
    : null;
}

function quadOf(groups: readonly number[], at: number): string {
  const [high = 0, low = 0] = groups.slice(at);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

/** The eight groups of an IPv6 address. */
function groupsOf(text: string): number[] {
  const [head = '', tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::');
  const numbers = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const [front, back] = [numbers(head), numbers(tail ?? '')];
  return [...front, ...Array<number>(8 - front.length - back.length).fill(0), ...back];
}
