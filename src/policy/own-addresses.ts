import { networkInterfaces } from 'node:os';

/** The addresses of this machine, and those that it is told to listen on. */
export function ownAddresses(listening: ReadonlyArray<{ host: string }>): string[] {
  const interfaces = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return [...interfaces.map(({ address }) => address), ...listening.map(({ host }) => host)];
}
