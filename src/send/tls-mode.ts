import { isIP, type Socket } from 'node:net';
import {
  createSecureContext,
  TLSSocket,
  type ConnectionOptions,
  type SecureContext,
} from 'node:tls';
import { MIN_DH_BITS, TLS_TERMS } from '../base/tls-terms.js';
import type { NextHop, TlsMode } from './next-hop.js';

const STRENGTH: Readonly<Record<TlsMode, number>> = {
  none: 0,
  opportunistic: 1,
  required: 2,
  verified: 3,
};

/** The stricter of two modes. */
export function stricterTls(one: TlsMode, other: TlsMode): TlsMode {
  return STRENGTH[other] > STRENGTH[one] ? other : one;
}

const STRONG_CIPHERS: ConnectionOptions = { ...TLS_TERMS, minDHSize: MIN_DH_BITS };
/** Where clear text would do too, a weak cipher is better than none (RFC 7435 §3). */
const ANY_CIPHER: ConnectionOptions = { minVersion: TLS_TERMS.minVersion };

/** The library's switches for a TLS mode. */
export interface TlsSwitches {
  secure: boolean;
  requireTLS: boolean;
  ignoreTLS: boolean;
  opportunisticTLS: boolean;
  tls: ConnectionOptions;
}

/**
 * `required` and `verified` end the session where STARTTLS is missing, refused or answered with
 * 454: the library goes on in clear text unless `requireTLS` is set.
 */
export function tlsSwitches(hop: NextHop): TlsSwitches {
  const must = hop.tls === 'required' || hop.tls === 'verified';
  // The certificate is for the name, also where an address is connected to.
  const servername = hop.servername ?? (isIP(hop.host) === 0 ? hop.host : undefined);
  return {
    secure: hop.implicitTls,
    requireTLS: must && !hop.implicitTls,
    ignoreTLS: hop.tls === 'none',
    opportunisticTLS: hop.tls === 'opportunistic',
    tls: {
      rejectUnauthorized: hop.tls === 'verified',
      ...(hop.tls === 'opportunistic' ? ANY_CIPHER : STRONG_CIPHERS),
      ...(hop.ca === undefined ? {} : { ca: hop.ca }),
      ...(servername === undefined ? {} : { servername }),
      ...(hop.login !== undefined && 'certificate' in hop.login
        ? { cert: hop.login.certificate.cert, key: hop.login.certificate.key.reveal() }
        : {}),
    },
  };
}

const CONTEXTS = new WeakMap<NextHop, SecureContext>();

/**
 * Roots, certificate, key and ciphers of a hop, read once and not for each connection. They are of
 * this description of the hop alone: after a reload there is another one. Null where they cannot be
 * read; the handshake then says why.
 */
export function secureContextOf(hop: NextHop): SecureContext | null {
  let context = CONTEXTS.get(hop);
  if (context === undefined) {
    try {
      context = createSecureContext(tlsSwitches(hop).tls);
    } catch {
      return null;
    }
    CONTEXTS.set(hop, context);
  }
  return context;
}

/** What protects a session. */
export interface TlsInfo {
  protocol: string;
  cipher: string;
  verified: boolean;
}

export function tlsInfoOf(socket: Socket | false): TlsInfo | null {
  return socket instanceof TLSSocket
    ? {
        protocol: socket.getProtocol() ?? 'TLS',
        cipher: socket.getCipher()?.name ?? '',
        verified: socket.authorized,
      }
    : null;
}
