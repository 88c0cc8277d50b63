import { BlockList, isIPv6 } from 'node:net';
import type { Identity } from './credentials.js';

/** Addresses that are remembered at most. */
const MAX_KNOWN = 1000;

/** Clients that may relay by their address alone. */
export class RelayNetworks {
  readonly #networks = new BlockList();
  /** What was found for an address: it is asked for at every recipient. */
  readonly #known = new Map<string, boolean>();

  /** @param networks addresses, or networks in CIDR form */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', bits] = network.split('/');
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      if (bits === undefined) {
        this.#networks.addAddress(address, family);
      } else {
        this.#networks.addSubnet(address, Number(bits), family);
      }
    }
  }

  includes(address: string): boolean {
    let included = this.#known.get(address);
    if (included === undefined) {
      included = this.#lookUp(address);
      if (this.#known.size >= MAX_KNOWN) {
        this.#known.clear();
      }
      this.#known.set(address, included);
    }
    return included;
  }

  #lookUp(address: string): boolean {
    const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
    return this.#networks.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4');
  }
}

/** RFC 5321 §7.9: mail is relayed for those who logged in with that right, or by their network. */
export function mayRelay(
  identity: Identity | null,
  clientAddress: string,
  networks: RelayNetworks,
): boolean {
  return identity?.mayRelay === true || networks.includes(clientAddress);
}
