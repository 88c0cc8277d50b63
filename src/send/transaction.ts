import type { Readable } from 'node:stream';
import { parseReply } from '../format/reply.js';
import type { SessionFault } from './session-fault.js';

export interface Reply {
  code: number;
  enhanced: string | null;
  text: string;
}

/** All replies of one transaction; what did not come is null. */
export interface TransactionReplies {
  mail: Reply | null;
  /** In the order of the recipients. */
  rcpt: Array<Reply | null>;
  data: Reply | null;
  dot: Reply | null;
  /** Why the session is over, or null when it can be used again. */
  fault: SessionFault | null;
  /** The last byte of the content may have reached the remote. */
  sentWhole: boolean;
}

export interface TransactionRequest {
  sender: string;
  /** Further parameters of MAIL, with a leading space each. */
  mailParameters: string;
  recipients: ReadonlyArray<{ address: string; parameters: string }>;
  eightBit: boolean;
  sizeBytes: number;
  content: Buffer | Readable;
}

/** Text that is no reply has code 0, which no rule takes for anything good. */
export function toReply(text: string): Reply {
  return parseReply(text) ?? { code: 0, enhanced: null, text };
}
