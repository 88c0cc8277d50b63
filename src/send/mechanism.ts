import type { Login } from './next-hop.js';

/** The SASL mechanisms that we speak. */
export type Mechanism = 'PLAIN' | 'LOGIN' | 'CRAM-MD5' | 'XOAUTH2' | 'EXTERNAL';

/** TLS hides whatever is sent, so the plainest comes first; in clear, CRAM-MD5 hides the password. */
const IN_TLS: readonly Mechanism[] = ['PLAIN', 'LOGIN', 'CRAM-MD5'];
const IN_CLEAR: readonly Mechanism[] = ['CRAM-MD5', 'PLAIN', 'LOGIN'];

/** The mechanisms that a login may use, the preferred one first. */
export function mechanismsFor(login: Login | undefined, inTls: boolean): readonly Mechanism[] {
  // A token is no password: nothing but XOAUTH2 may ever carry it, and it carries nothing else.
  if (login !== undefined && 'token' in login) return ['XOAUTH2'];
  if (login !== undefined && 'certificate' in login) return ['EXTERNAL'];
  return inTls ? IN_TLS : IN_CLEAR;
}
