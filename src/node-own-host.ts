import { isLoopbackAddress } from './format/loopback.js';
import type { Listener } from './intake/listener.js';
import { ownAddresses } from './policy/own-addresses.js';

/** A mail server that is this node: by its name, or by an address that a listener is reached at. */
export function isOwnHost(
  { name, address, port }: { name: string; address: string; port: number },
  listeners: ReadonlyArray<Pick<Listener, 'port' | 'settings'>>,
  hostname: string,
): boolean {
  const hosts = listeners
    .filter((listener) => listener.port === port)
    .map(({ settings: { host } }) => ({ host }));
  const everywhere = hosts.some(({ host }) => host === '0.0.0.0' || host === '::');
  const addresses = everywhere ? ownAddresses(hosts) : hosts.map(({ host }) => host);
  const reached = addresses.includes(address) || (everywhere && isLoopbackAddress(address));
  return name === hostname.toLowerCase() || reached;
}
