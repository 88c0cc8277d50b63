import type { Readable } from 'node:stream';
import type { NextHop } from './next-hop.js';
import type { AttemptReport } from './outcome.js';

/** A message as one attempt needs it. */
export interface OutgoingMessage {
  queueId: string;
  sender: string;
  ret: 'FULL' | 'HDRS' | null;
  envid: string | null;
  smtpUtf8: boolean;
  eightBit: boolean;
  sizeBytes: number;
  trace: { traceId: string; path: readonly string[] };
  doubt: boolean;
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
  /** Opens the body anew; null when it cannot be read whole. */
  openBody: () => Promise<Buffer | Readable | null>;
}

/**
 * Makes one attempt. Never rejects: whatever happens is an outcome. Always settles, since every
 * wait in it has a deadline.
 */
export type Attempt = (request: AttemptRequest) => Promise<AttemptReport>;
