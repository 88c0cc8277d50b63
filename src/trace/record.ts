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

/** Where an attempt ended (the `state` names of MailerQ's results). */
export type AttemptState =
  | 'connect'
  | 'starttls'
  | 'authplain'
  | 'authlogin'
  | 'authcrammd5'
  | 'authxoauth2'
  | 'mailfrom'
  | 'rcptto'
  | 'data'
  | 'message'
  | 'process';

export type AttemptResult = 'accepted' | 'timeout' | 'lost' | 'invalid' | 'error';

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
}

export interface HopRecord {
  version: 1;
  trace_id: string;
  /** Span of this hop; parent of its attempts' spans. */
  span_id: string;
  /** Span of the attempt of the previous hop, or null at the first one. */
  parent_span_id: string | null;
  node: string;
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
  envelope: { sender: string; recipients: string[] };
  size_bytes: number;
  message_id: string | null;
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
  reason: string;
}

/** Answer of `GET /trace/{id}`. */
export interface ChainTrace {
  trace_id: string;
  /** Every recipient of every hop is settled and every hop could be asked. */
  complete: boolean;
  hops: HopRecord[];
  unreachable: UnreachableNode[];
}
