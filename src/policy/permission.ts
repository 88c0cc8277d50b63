import { BlockList, isIPv6 } from 'node:net';
import type { Identity } from './credentials.js';

/** Clients that may relay by their address alone. */
export class RelayNetworks {
  readonly #networks = new BlockList();

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
