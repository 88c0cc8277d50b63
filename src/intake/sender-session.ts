import { TLSSocket } from 'node:tls';
import type { SenderSession } from './receive-data.js';
import type { Session } from './session.js';
import type { SessionServices } from './session-services.js';
import type { Transaction } from './transaction.js';

/** Asked for once a socket, since a session is not negotiated anew. */
const TLS_OF = new WeakMap<TLSSocket, SenderSession['tls']>();

/** What a message will say about the session that it came in. */
export function senderOf(
  session: Session,
  transaction: Transaction,
  services: SessionServices,
): SenderSession {
  const { identity, remoteAddress, _socket: socket } = session;
  const { acceptTraceHeader } = services;
  const tls = socket instanceof TLSSocket ? tlsOf(socket) : null;
  return {
    clientAddress: remoteAddress,
    helo: session.hostNameAppearsAs || '',
    protocol: protocolOf(session, transaction),
    tls,
    user: identity?.username ?? null,
    believed: identity?.peer != null || acceptTraceHeader,
    mayBeParent: identity !== null || acceptTraceHeader,
    steerTo: services.steerTargets(identity),
  };
}

/** RFC 3848 and RFC 6531 §4.3. */
function protocolOf(session: Session, { smtpUtf8 }: Transaction): string {
  const base = session.openingCommand === 'HELO' ? 'SMTP' : smtpUtf8 ? 'UTF8SMTP' : 'ESMTP';
  return `${base}${session.secure ? 'S' : ''}${session.identity === null ? '' : 'A'}`;
}

function tlsOf(socket: TLSSocket): SenderSession['tls'] {
  let tls = TLS_OF.get(socket);
  if (tls === undefined) {
    tls = { protocol: socket.getProtocol() ?? 'TLS', cipher: socket.getCipher()?.name ?? '' };
    TLS_OF.set(socket, tls);
  }
  return tls;
}
