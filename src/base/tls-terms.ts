import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

/**
 * What TLS has to be, on both sides: 1.2 with forward secrecy and an authenticated cipher (those of
 * Mozilla's "intermediate" list, which RFC 9325 §4.2 agrees with), or 1.3. Finite-field DHE is for
 * next hops without elliptic curves; our listeners, which have no parameters for it, never take it.
 * The server's order counts. The curves are those that OpenSSL offers by itself, so that newer ones
 * come with it.
 */
export const TLS_TERMS = {
  minVersion: 'TLSv1.2',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
    'DHE-RSA-AES128-GCM-SHA256',
    'DHE-RSA-AES256-GCM-SHA384',
    'DHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  ecdhCurve: 'auto',
  honorCipherOrder: true,
  // TLS 1.3 has none, and of 1.2 nothing here needs one.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
} as const satisfies SecureContextOptions;

/** Finite-field groups that are shorter than this are refused, in bits (RFC 9325 §4.4). */
export const MIN_DH_BITS = 2048;
