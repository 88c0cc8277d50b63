import { BlockList, isIP } from 'node:net';
import { isLoopbackHost } from '../format/loopback.js';

const HOSTNAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i;

/** True for an IP address or a text with the form of a hostname. */
export function isHost(text: string): boolean {
  // four numbers that are not an address are a slip, never a name
  return isIP(text) !== 0 || (HOSTNAME.test(text) && !/^[\d.]+$/.test(text));
}

/** True for the addresses that mean "every address of this machine". */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === '::0' || host === '0:0:0:0:0:0:0:0';
}

/**
 * Where others reach a server that is bound to `bindHost` on the machine `machineHost`: the
 * machine's host, unless both are on this machine, where a server may have an address of its own.
 */
export function reachableHost(machineHost: string, bindHost: string): string {
  return isWildcard(bindHost) || !isLoopbackHost(machineHost) ? machineHost : bindHost;
}

/** True when `address` (an IP address; a name never is) lies in one of the networks or addresses. */
export function inNetworks(address: string, networks: readonly string[]): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  const list = new BlockList();
  for (const network of networks) {
    const [base = '', prefix] = network.split('/');
    const type = isIP(base) === 6 ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(base, type);
    else list.addSubnet(base, Number(prefix), type);
  }
  return list.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** Splits `HOST`, `HOST:PORT`, an IPv6 address, `[IPv6]` and `[IPv6]:PORT`; undefined for others. */
export function parseHostPort(text: string): { host: string; port?: number } | undefined {
  if (isIP(text) === 6) return { host: text };
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const [, bracketed, plain, digits] = match;
  const host = bracketed ?? plain ?? '';
  if (bracketed !== undefined ? isIP(host) !== 6 : !isHost(host)) return undefined;
  if (digits === undefined) return { host };
  const port = Number(digits);
  return port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** `host:port`, with brackets around an IPv6 address. */
export function joinHostPort(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
