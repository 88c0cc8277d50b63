import { networkInterfaces } from 'node:os';

/** Addresses of this machine beside loopback and link-local ones. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80'))
    .map(({ address }) => address);
}

/** An IPv4 address of this machine that is not loopback. */
export function ownAddress(): string | undefined {
  return ownAddresses().find((address) => address.includes('.'));
}

/** Why there can be no server off loopback here, else false. */
export function withoutOwnAddress(): string | false {
  return ownAddress() === undefined && 'this machine has no address but loopback';
}
