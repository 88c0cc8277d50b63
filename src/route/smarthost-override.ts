import type { Secret } from '../base/secret.js';
import type { MessageSmarthost } from '../format/message-settings.js';
import { isLoopbackAddress, isLoopbackHost } from '../format/loopback.js';
import type { Login, NextHop } from '../send/next-hop.js';
import { namedHop, type RouteTable } from './table.js';

const IMPLICIT_TLS_PORT = 465;
/** Nobody listens in on the loopback; everywhere else a password asks for a verified peer. */
const VERIFIED = { tls: 'verified', securedByMessage: true } as const;

/**
 * The hop that a message names itself. It overrides what is configured as a whole: without
 * credentials of its own none are sent, and never those of the topology (SMARTHOST: one message).
 */
export function overrideHop(
  own: MessageSmarthost,
  table: RouteTable,
  unseal: (sealed: string) => Secret | null,
): NextHop {
  const login = loginOf(own, unseal);
  const named = own.address === null ? namedHop(table, own.hostname) : undefined;
  if (named !== undefined) {
    const exposed = login !== undefined && !isLoopbackHost(named.host);
    return {
      ...named,
      ...(exposed && named.tls !== 'verified' ? VERIFIED : {}),
      port: own.port ?? named.port,
      ofMessage: true,
      ...(login === undefined ? {} : { login }),
    };
  }
  const port = own.port ?? 25;
  const exposed = login !== undefined && !isLoopbackAddress(own.address ?? '');
  return {
    name: own.hostname.includes(':') ? `[${own.hostname}]:${port}` : `${own.hostname}:${port}`,
    kind: 'host',
    host: own.hostname,
    port,
    ...(own.address === null ? {} : { address: own.address }),
    tls: 'opportunistic',
    ...(exposed ? VERIFIED : {}),
    implicitTls: port === IMPLICIT_TLS_PORT,
    allowInsecureAuth: table.allowInsecureAuth,
    trace: 'none',
    ofMessage: true,
    ...(table.ca === undefined ? {} : { ca: table.ca }),
    ...(login === undefined ? {} : { login }),
  };
}

function loginOf(
  { username, sealedPassword }: MessageSmarthost,
  unseal: (sealed: string) => Secret | null,
): Login | undefined {
  return username === null || sealedPassword === null
    ? undefined
    : { username, password: unseal(sealedPassword) };
}
