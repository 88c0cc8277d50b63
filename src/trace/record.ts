/**
 * The hop record: the contract between nodes, the API and everything that draws a path. Names are
 * those of the JSON. Times are ISO 8601 in UTC with milliseconds; durations come from the
 * monotonic clock of the node that measured them and are never a difference of wall clocks.
 */

/** RFC 3886 §3.3: what a hop did for a recipient. */
export type Action =
  /** still in the queue of this hop, nothing to tell yet */
  | 'queued'
  | 'delivered'
  /** a mesh peer has it and reports in turn */
  | 'transferred'
  /** a host outside of the mesh has it; nothing further is known */
  | 'relayed'
  | 'delayed'
  | 'failed'
  | 'expanded'
  | 'opaque';

/**
 * How the description begins of a recipient, `failed`, whose message an operator deleted; what the hop
 * had said last follows. Nobody is sent a report.
 */
export const DELETED_BY_OPERATOR = 'deleted by an operator';

/** Where an attempt ended (the `state` names of MailerQ's results). */
export type AttemptState =
  | 'connect'
  | 'starttls'
  | 'authplain'
  | 'authlogin'
  | 'authcrammd5'
  | 'authxoauth2'
  | 'authexternal'
  | 'mailfrom'
  | 'rcptto'
  | 'data'
  | 'message'
  | 'process';

export type AttemptResult = 'accepted' | 'timeout' | 'lost' | 'invalid' | 'error';

/** How the trace travels to a next hop (INTERFACES: between nodes). */
export type TraceCarrier = 'envelope' | 'header' | 'none';

/** A span of somebody else's trace (W3C Trace Context). */
export interface SpanLink {
  trace_id: string;
  span_id: string;
}

/** Time spent in each phase; a phase that did not happen is absent. */
export interface PhasesMs {
  connect?: number;
  greeting?: number;
  tls?: number;
  auth?: number;
  mail?: number;
  rcpt?: number;
  data?: number;
  dot?: number;
}

export interface AttemptRecord {
  span_id: string;
  started_at: string;
  duration_ms: number;
  /** Name of the next hop: a node, a sink, or `host:port`. */
  next_hop: string;
  /** Address and port that were connected to, or null when there was no connection. */
  remote: string | null;
  /** A connection that an earlier message had opened. */
  reused: boolean;
  tls: { protocol: string; cipher: string; verified: boolean } | null;
  /** Name that was logged in with. */
  user: string | null;
  state: AttemptState;
  result: AttemptResult;
  /** The remote's reply code, or null when there was none. */
  code: number | null;
  enhanced_code: string | null;
  /** The remote's words, or ours when it said nothing. */
  description: string;
  /** Queue id in the remote's reply, when it named one. */
  remote_queue_id: string | null;
  phases_ms: PhasesMs;
  /** How the trace went along; absent: it did not, and nobody behind that hop can tell of it. */
  carrier?: Exclude<TraceCarrier, 'none'>;
  /** REQUIRETLS went along (RFC 8689): the hop sees to the rest of the way. */
  require_tls?: true;
  recipients: string[];
  /** In the order of the recipients, where they were answered differently. */
  replies?: ReplyRecord[];
}

/** What a recipient of an attempt was answered. */
export interface ReplyRecord {
  state: AttemptState;
  result: AttemptResult;
  code: number | null;
  enhanced_code: string | null;
  description: string;
}

export interface RecipientRecord {
  address: string;
  action: Action;
  code: number | null;
  enhanced_code: string | null;
  description: string | null;
  attempts: number;
  /** When the next attempt is due, or null. */
  next_attempt_at: string | null;
  /** The original recipient, as it came (RFC 3461 §4.2: `type;xtext`). */
  orcpt?: string;
}

export interface HopRecord {
  version: 1;
  trace_id: string;
  /** Span of this hop; parent of its attempts' spans. */
  span_id: string;
  /**
   * Span of the attempt of the previous hop; at the first one that of the trusted client's
   * `traceparent`, or null.
   */
  parent_span_id: string | null;
  /** The `traceparent` of a client whose word is not taken for more. */
  links?: SpanLink[];
  node: string;
  /** Name of the tier of nodes that share their mail, which the node is one of. */
  tier?: string;
  /** The node of the tier that answered 250, where this one took the message up from there. */
  accepted_by?: string;
  queue_id: string;
  /** Mesh nodes before this one, in order. */
  path: string[];
  /** When the message was durable and its 250 due. */
  received_at: string;
  /** When the last recipient was settled, or null. */
  finished_at: string | null;
  /** From acceptance to the start of the first attempt; null until then. */
  queue_wait_ms: number | null;
  /** From acceptance to the last settlement; null until then. */
  total_ms: number | null;
  /** `ESMTPSA` and the like (RFC 3848), or `local` for a bounce made here. */
  protocol: string;
  client: { address: string; helo: string; user: string | null };
  /** `require_tls`: the client said REQUIRETLS (RFC 8689). */
  envelope: { sender: string; recipients: string[]; require_tls?: true };
  size_bytes: number;
  message_id: string | null;
  /** Envelope id of the sender, as it came (RFC 3461 §4.4: xtext). */
  envid?: string;
  /** When what is not settled by then is given up. */
  expires_at?: string;
  /** Name of the queue that it waits in or left from. */
  queue: string;
  /** The least settled of the recipients' actions. */
  action: Action;
  attempts: AttemptRecord[];
  /** Attempts beyond the kept ones (the first and the latest are kept). */
  attempts_dropped: number;
  recipients: RecipientRecord[];
  /** Queue id of the message that this one reports on, or null. */
  bounce_of: string | null;
  /** Header fields that were meant for a relay and were taken out unobeyed, at most 20 names. */
  removed_headers?: string[];
  /** The smarthost that the message named itself, as `host:port`. */
  own_smarthost?: string;
  /** What else it said about its own delivery. */
  settings?: RecordedSettings;
  /** Keys of the JSON that it came in with and that mean nothing here. */
  unknown_keys?: Record<string, unknown>;
}

/** By the names in which a message says it in JSON. */
export interface RecordedSettings {
  tags?: string[];
  maxattempts?: number;
  retries?: number[];
  security?: string;
}

/** A node that has, or should have, a hop of the path and could not be asked. */
export interface UnreachableNode {
  node: string;
  /** RFC 3886 §3.3.3: what became of the message there cannot be told. */
  action: 'opaque';
  reason: string;
}

/** A queue in which recipients of a message wait, as it is when somebody asks. */
export interface WaitingIn {
  queue: string;
  next_hop: string;
  /**
   * `active`: as its turn comes. `backoff`: after a fault of the hop, until `next_attempt_at`.
   * `probing`: one message finds out whether the hop is well again. `paused`: by an operator.
   * `sending`: an attempt for these recipients is under way. `held`: an operator holds them.
   */
  state: 'active' | 'backoff' | 'probing' | 'paused' | 'sending' | 'held';
  /** When the pause is over, or when a recipient is due; null where nothing but its turn is waited for. */
  next_attempt_at: string | null;
  /** The last fault of the hop, in its words; null when it had none. */
  last_fault: {
    stage: string;
    code: number | null;
    enhanced_code: string | null;
    description: string;
    at: string;
  } | null;
  /** Those who wait here, the first ones. */
  recipients: string[];
}

/** An attempt as it is shown. */
export interface ChainAttempt extends AttemptRecord {
  /** The node of the tier that made it, where that is not the one of the hop. */
  node?: string;
}

/** A recipient as it is shown. */
export interface ChainRecipient extends RecipientRecord {
  /** The node of the tier that says so, where that is not the one of the hop. */
  node?: string;
}

/** A queue in which recipients wait, as it is shown. */
export interface ChainWaiting extends WaitingIn {
  /** The node of the tier that holds them, where that is not the one of the hop. */
  node?: string;
}

/**
 * A hop as it is shown, with what is known only at the time of asking. What the nodes of a tier did
 * for a message is one hop, that of the node which accepted it.
 */
export interface ChainHop extends HopRecord {
  attempts: ChainAttempt[];
  recipients: ChainRecipient[];
  /** Where its recipients wait; absent once all of them are settled. */
  waiting?: ChainWaiting[];
  /**
   * How far the clock of this node is ahead of that of the hop before (negative: behind), at
   * least, in milliseconds; absent where the times fit. No duration of a record depends on it.
   */
  clock_offset_ms?: number;
}

/** Answer of `GET /trace/{id}`. */
export interface ChainTrace {
  trace_id: string;
  /** Every recipient of every hop is settled and every hop could be asked. */
  complete: boolean;
  /** Parents before their children. */
  hops: ChainHop[];
  unreachable: UnreachableNode[];
}
