import { RelayError } from '../base/errors.js';
import type { EnvelopeRecipient } from '../format/envelope.js';
import type { MessageSettings } from '../format/message-settings.js';
import type { ParentSpan } from '../trace/propagate.js';
import type { Arrival } from '../trace/recorder.js';

/**
 * A message in the queue. Each recipient has a state of its own; the message is done when all of
 * them are. This table is the only place that says which moves are legal.
 */
export type RecipientState =
  /** waits for a free connection of its destination */
  | 'ready'
  | 'sending'
  /** waits for the time of its next attempt */
  | 'deferred'
  /** stopped by an operator */
  | 'held'
  | 'delivered'
  | 'failed'
  /** kept and shown, not sent: it cannot be read, or nobody can be told that it failed */
  | 'quarantined';

const LEGAL_MOVES: Readonly<Record<RecipientState, readonly RecipientState[]>> = {
  ready: ['sending', 'held', 'failed', 'quarantined'],
  // `ready` again: a fault of the hop, which costs the message nothing.
  sending: ['delivered', 'deferred', 'failed', 'ready', 'quarantined'],
  deferred: ['ready', 'held', 'failed', 'quarantined'],
  // `deferred` again: what said itself that it goes later.
  held: ['ready', 'deferred', 'failed', 'quarantined'],
  delivered: [],
  // Its report could not be made.
  failed: ['quarantined'],
  // By an operator, who wants it tried again or deletes it.
  quarantined: ['ready', 'failed'],
};

/** All of them. */
export const RECIPIENT_STATES = Object.keys(LEGAL_MOVES) as readonly RecipientState[];

/** What the remote (or we) last said about a recipient. */
export interface LastReply {
  code: number | null;
  enhanced: string | null;
  text: string;
}

export interface ItemRecipient extends EnvelopeRecipient {
  state: RecipientState;
  /** Attempts that counted: faults of the hop do not. */
  attempts: number;
  /** Wall time of the next attempt while deferred. */
  nextAttemptAtMs: number | null;
  /** Wall time at which that was decided: if it lies ahead, the clock was set back since. */
  deferredAtMs?: number;
  lastReply: LastReply | null;
  /**
   * Failed, or delivered where the sender wants to hear of it, and the report is not durable yet, or
   * its result is not stored yet: to the disk, nothing has happened.
   */
  unreported?: true;
  /** Wall time at which the sender was told that it is late; that is done once. */
  delayReportedAtMs?: number;
  /** The hop, and the host of it, that may have taken the message: nobody else is asked. */
  doubtAt?: HopAsked | null;
  /** Where the attempt that is under way asks; stored, where another hop could be asked after a crash. */
  asked?: HopAsked;
  /** Attempts in a row that began and never came to an end. */
  unfinished?: number;
  /** Queues whose hops lack what the message demands; forgotten with a new attempt
   * after a wait, a new topology and a start. */
  unfitQueues?: string[];
}

/** A hop, and the host of it, that was or is asked to take a message. */
export interface HopAsked {
  queue: string;
  host: string;
  /**
   * Wall time until which nobody else is asked. Only where others of a tier may have the message in
   * its place: the queue that they share goes on when this one does not.
   */
  untilMs?: number;
}

/** Why a message is in quarantine. */
export type QuarantineKind =
  /** its body is missing or damaged */
  | 'unreadable'
  /** it failed for good, and there is no sender to tell */
  | 'undeliverable'
  /** the process died, or an internal error came, at three attempts in a row */
  | 'crashed';

export interface Quarantined {
  kind: QuarantineKind;
  atMs: number;
}

/** Where the body is: in the record itself, or in a file beside the store. */
export interface BodyPlace {
  kind: 'inline' | 'file';
  sizeBytes: number;
  /** Bytes of our own header lines in front of what the client sent. */
  ownHeaderBytes: number;
  /** Of a body in a file; records have a checksum of their own. */
  crc32?: number;
}

export interface ItemTrace {
  traceId: string;
  /** Span of this hop. */
  spanId: string;
  parentSpanId: string | null;
  /** Mesh nodes before this one. */
  path: string[];
  /** A span of somebody whose word is not taken for more. */
  link?: ParentSpan;
}

export interface Item {
  id: string;
  sender: string;
  recipients: ItemRecipient[];
  ret: 'FULL' | 'HDRS' | null;
  envid: string | null;
  /** SMTPUTF8 is needed at the next hop: the client asked for it, or an address is not ASCII. */
  smtpUtf8: boolean;
  /** The content has bytes above 127, so that the next hop must offer 8BITMIME. */
  eightBit: boolean;
  /** The client said REQUIRETLS (RFC 8689), or what it reports on was sent so. */
  requireTls?: true;
  receivedAtMs: number;
  expiresAtMs: number;
  messageId: string | null;
  trace: ItemTrace;
  arrival: Arrival;
  body: BodyPlace;
  /** Queue id of the message that this one reports on. */
  bounceOf: string | null;
  /** The node of the tier that answered 250 for it; absent: this one. */
  acceptedBy?: string;
  /** An earlier attempt may have been taken: a lost reply, or found in the spool at a start. */
  doubt: boolean;
  /** Sessions in a row that broke off in the middle of this message. */
  lostSessions: number;
  /** Set while recipients of it are in quarantine. */
  quarantine?: Quarantined;
  /** Wall time since which an operator holds it. */
  heldAtMs?: number;
  /** Monotonic time that stands for `receivedAtMs`, since it was taken up by this process. */
  bornMs?: number;
  /**
   * Monotonic time at which it expires, since it was taken up by this process: a wall clock that
   * jumps makes no message older.
   */
  deadlineMs?: number;
  /** What the message says about its own delivery. */
  settings?: MessageSettings;
  /** Keys of the JSON that it came in with and that mean nothing here; they come back in its results. */
  unknownKeys?: Record<string, unknown>;
}

/** Moves a recipient to a state; throws with both names where the table has no such move. */
export function moveRecipient(recipient: ItemRecipient, to: RecipientState): void {
  if (!LEGAL_MOVES[recipient.state].includes(to)) {
    throw new RelayError('ILLEGAL_MOVE', `a recipient cannot go from ${recipient.state} to ${to}`, {
      fault: 'relaymesh',
      hint: 'This is a bug; please report it with the log around it.',
    });
  }
  recipient.state = to;
}

/** True when nothing is left to do for the recipient. */
export function isFinal(state: RecipientState): boolean {
  return state === 'delivered' || state === 'failed';
}

/** True when nothing is left to do, reports included, and the message can leave the spool. */
export function isSettled(item: Item): boolean {
  return item.recipients.every(
    (recipient) => isFinal(recipient.state) && recipient.unreported !== true,
  );
}

/** A recipient that nobody has tried yet. */
export const NEW_RECIPIENT: Readonly<Omit<ItemRecipient, 'address'>> = {
  notify: null,
  orcpt: null,
  state: 'ready',
  attempts: 0,
  nextAttemptAtMs: null,
  lastReply: null,
};
