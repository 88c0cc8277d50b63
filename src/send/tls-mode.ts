import type { ConnectionOptions } from 'node:tls';
import type { NextHop } from './next-hop.js';

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
  return {
    secure: hop.implicitTls,
    requireTLS: must && !hop.implicitTls,
    ignoreTLS: hop.tls === 'none',
    opportunisticTLS: hop.tls === 'opportunistic',
    tls: {
      rejectUnauthorized: hop.tls === 'verified',
      minVersion: 'TLSv1.2',
      ...(hop.ca === undefined ? {} : { ca: hop.ca }),
      ...(hop.servername === undefined ? {} : { servername: hop.servername }),
    },
  };
}
