import type { Readable } from 'node:stream';
import type { Capacity } from './capacity.js';
import type { NextHop } from './next-hop.js';
import type { AttemptReport, Outcome } from './outcome.js';

/** A message as one attempt needs it. */
export interface OutgoingMessage {
  queueId: string;
  sender: string;
  ret: 'FULL' | 'HDRS' | null;
  envid: string | null;
  smtpUtf8: boolean;
  eightBit: boolean;
  /** Its client said REQUIRETLS (RFC 8689). */
  requireTls: boolean;
  sizeBytes: number;
  trace: { traceId: string; path: readonly string[] };
  doubt: boolean;
  /**
   * The node that took it, where another of its tier may send it: to the next hop it is the same
   * message, whichever of them does.
   */
  acceptedBy?: string;
}

export interface OutgoingRecipient {
  address: string;
  notify: string | null;
  orcpt: string | null;
}

export interface AttemptRequest {
  message: OutgoingMessage;
  recipients: readonly OutgoingRecipient[];
  nextHop: NextHop;
  capacity: Capacity;
  /** The only host of the hop that may be asked, since it may already have the message. */
  onlyHost: string | null;
  /** Hears of every connection that is opened. */
  onConnect: () => void;
  /** Opens the body anew; null when it cannot be read whole. */
  openBody: () => Promise<Buffer | Readable | null>;
}

/**
 * Makes one attempt. Never rejects: whatever happens is an outcome. Always settles, since every
 * wait in it has a deadline.
 */
export type Attempt = (request: AttemptRequest) => Promise<AttemptReport>;

/**
 * The hosts of a hop in the order in which they are tried (RFC 5321 §5.1), each with its address; or
 * what follows for the message when there is none. Never rejects.
 */
export type LocateHosts = (
  hop: NextHop,
) => Promise<{ hosts: readonly NextHop[] } | { refusal: Outcome }>;
