import { isLoopbackAddress } from '../format/loopback.js';
import type { SinkContext } from './context.js';

/** What decides about a session besides its envelopes. */
export interface Visitor {
  secure: boolean;
  remoteAddress: string;
  session: { user?: unknown };
}

/** What keeps all mail out of a session, as the text of a 530 reply, or null. */
export function barrierTo(visitor: Visitor, { tls, users }: SinkContext): string | null {
  if (tls === 'required' && !visitor.secure) return '5.7.0 Must issue a STARTTLS command first';
  return users.isEmpty || visitor.session.user ? null : '5.7.0 Log in first';
}

/** A login in clear is taken on loopback only, and never where TLS is required. */
export function mayLogIn(visitor: Visitor, { tls, users }: SinkContext): boolean {
  if (users.isEmpty) return false;
  return visitor.secure || (tls !== 'required' && isLoopbackAddress(visitor.remoteAddress));
}
