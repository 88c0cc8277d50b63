import type net from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Digest } from './digest.js';

/** One accepted message, in the words of the sink's API. */
export interface SinkMessage {
  /** Also stands in the 250 reply; ids sort by the time at which DATA began. */
  id: string;
  /** When the message was complete, ISO 8601 in UTC. */
  received_at: string;
  /** '' is the null sender. */
  sender: string;
  /** In the order of the RCPT commands, letter by letter; one that was given twice stands twice. */
  recipients: string[];
  size_bytes: number;
  sha256: string;
  /** Over the bytes after the first empty line. */
  body_sha256: string;
  /** Who had logged in, or null. */
  user: string | null;
  tls: { protocol: string; cipher: string } | null;
  /** The client said REQUIRETLS (RFC 8689). */
  require_tls?: true;
  message_id: string | null;
  /** Names of its header fields, lower case, each once; at most 200. */
  header_names: string[];
}

/** What is known of a message besides its bytes. */
export interface MessageOrigin {
  id: string;
  receivedAtMs: number;
  sender: string;
  recipients: string[];
  user: string | null;
  tls: SinkMessage['tls'];
  requireTls: boolean;
}

/** The record of a message that was taken. */
export function describeMessage(origin: MessageOrigin, digest: Digest): SinkMessage {
  return {
    id: origin.id,
    received_at: new Date(origin.receivedAtMs).toISOString(),
    sender: origin.sender,
    recipients: origin.recipients,
    size_bytes: digest.sizeBytes,
    sha256: digest.sha256,
    body_sha256: digest.bodySha256,
    user: origin.user,
    tls: origin.tls,
    ...(origin.requireTls ? { require_tls: true } : {}),
    message_id: digest.messageId,
    header_names: digest.headerNames,
  };
}

/** The TLS of an open socket, or null for one in clear. */
export function tlsOf(socket: net.Socket): SinkMessage['tls'] {
  if (!(socket instanceof TLSSocket)) return null;
  return { protocol: socket.getProtocol() ?? 'unknown', cipher: socket.getCipher().name };
}
