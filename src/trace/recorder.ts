import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { messageOf } from '../base/errors.js';
import { isoTime } from '../format/iso-time.js';
import { AcceptanceTimes } from './acceptance-times.js';
import { leastSettled } from './actions.js';
import type { AttemptRecord, HopRecord, RecipientRecord, RecordedSettings } from './record.js';
import type { ParentSpan } from './propagate.js';
import type { TraceStore } from './store.js';

/** How a message came in. */
export interface Arrival {
  /** RFC 3848 name, or `local`. */
  protocol: string;
  client: { address: string; helo: string; user: string | null };
  /** Header fields that were meant for a relay and were taken out unobeyed. */
  removedHeaders?: string[];
}

/** What the recorder has to know of a message. */
export interface ArrivedMessage {
  queueId: string;
  sender: string;
  recipients: string[];
  receivedAtMs: number;
  sizeBytes: number;
  messageId: string | null;
  bounceOf: string | null;
  traceId: string;
  spanId: string;
  parentSpanId: string | null;
  path: string[];
  /** A span of somebody whose word is not taken for more. */
  link?: ParentSpan;
  arrival: Arrival;
  /** Wall time at which what is not settled is given up. */
  expiresAtMs: number;
  /** As they came (RFC 3461); `orcpts` in the order of the recipients. */
  envid?: string;
  orcpts?: Array<string | null>;
  requireTls?: true;
  /** The smarthost that the message names itself, as `host:port`. */
  ownSmarthost?: string;
  /** What else it says about its own delivery. */
  settings?: RecordedSettings;
  /** Keys of the JSON that it came in with and that mean nothing here. */
  unknownKeys?: Record<string, unknown>;
  /** Wall time before which it is not attempted. */
  firstAttemptAtMs?: number;
  /** The node of the tier that answered 250 for it; absent: this one. */
  acceptedBy?: string;
}

/** Whose records they are. */
export interface RecorderPlace {
  node: string;
  /** Name of the tier with which the node shares its mail; null: with nobody. */
  tier: string | null;
}

/** Hears of what has come, and of what has ended. Its methods return at once and never throw. */
export interface TraceListener {
  /** The message is durable. */
  accepted?: (hop: HopRecord) => void;
  /** Recipients of a message were settled or left waiting; `before`: as they were, in the same order. */
  settled?: (hop: HopRecord, before: readonly RecipientRecord[]) => void;
  /** The record is that of the hop, which goes on changing. */
  attempt: (hop: HopRecord, attempt: AttemptRecord) => void;
  /** The record does not change any more. */
  finished: (hop: HopRecord) => void;
}

/** The first attempts and the latest are kept; what lies between is counted. */
const KEPT_FIRST_ATTEMPTS = 5;
const KEPT_LATEST_ATTEMPTS = 20;
const MAX_REMOVED_HEADERS = 20;

/**
 * Builds the hop records. Its methods return at once and never throw: tracing cannot hold up mail.
 */
export class TraceRecorder {
  readonly #place: RecorderPlace;
  readonly #store: TraceStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #listeners: readonly TraceListener[];
  readonly #acceptedAtMs = new AcceptanceTimes();
  /** Wall time: what was accepted before it is of an earlier run. */
  readonly #startedAtMs: number;

  constructor(
    place: RecorderPlace,
    store: TraceStore,
    clock: Clock,
    log: Logger,
    ...listeners: TraceListener[]
  ) {
    this.#place = place;
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#listeners = listeners;
    this.#startedAtMs = clock.nowMs();
  }

  arrived(message: ArrivedMessage, queue: string): void {
    this.#acceptedAtMs.add(message.queueId, this.#clock.monotonicMs());
    const record = this.#newRecord(message, queue);
    this.#store.put(record);
    for (const listener of this.#listeners) {
      listener.accepted?.(record);
    }
  }

  /**
   * A message that an earlier run had accepted, or another node of the tier: its record is made where
   * there is none here.
   */
  async recovered(message: ArrivedMessage, queue: string): Promise<void> {
    try {
      if (!(await this.#store.has(message.queueId))) {
        this.#store.put(this.#newRecord(message, queue));
      }
    } catch (error) {
      this.#log.warn({ code: 'TRACE_READ_FAILED', queue_id: message.queueId }, messageOf(error));
    }
  }

  /** `attempts`: one for each host that was asked. `finished`: the message has left the queue. */
  attempted(
    queueId: string,
    attempts: readonly AttemptRecord[],
    recipients: RecipientRecord[],
    finished: boolean,
  ): void {
    const acceptedAtMs = this.#acceptedAtMs.get(queueId);
    const timedMs = acceptedAtMs === undefined ? null : this.#clock.monotonicMs() - acceptedAtMs;
    if (finished) {
      this.#acceptedAtMs.delete(queueId);
    }
    const nowMs = this.#clock.nowMs();
    const written = this.#store.change(queueId, (record) => {
      const sinceMs = timedMs ?? this.#sinceByWallMs(record, nowMs);
      let spentMs = 0;
      for (const attempt of attempts) {
        spentMs += attempt.duration_ms;
        addAttempt(record, attempt);
        for (const listener of this.#listeners) {
          listener.attempt(record, attempt);
        }
      }
      const before = record.recipients;
      record.recipients = recipients;
      for (const listener of this.#listeners) {
        listener.settled?.(record, before);
      }
      record.action = leastSettled(recipients);
      record.queue_wait_ms ??= sinceMs === null ? null : rounded(Math.max(0, sinceMs - spentMs));
      record.finished_at = finished ? isoTime(nowMs) : null;
      record.total_ms = finished ? totalMs(record, sinceMs, nowMs) : null;
      if (finished) {
        for (const listener of this.#listeners) {
          listener.finished(record);
        }
      }
    });
    written?.catch((error: unknown) => {
      this.#log.warn({ code: 'TRACE_WRITE_FAILED', queue_id: queueId }, messageOf(error));
    });
  }

  /**
   * How long ago this run accepted what waits behind many others; null for mail of an earlier run, or
   * of another node, whose clock is not ours.
   */
  #sinceByWallMs(record: HopRecord, nowMs: number): number | null {
    if (record.accepted_by !== undefined) return null;
    const acceptedAtMs = Date.parse(record.received_at);
    return acceptedAtMs >= this.#startedAtMs ? Math.max(0, nowMs - acceptedAtMs) : null;
  }

  #newRecord(message: ArrivedMessage, queue: string): HopRecord {
    const record: HopRecord = {
      version: 1,
      trace_id: message.traceId,
      span_id: message.spanId,
      parent_span_id: message.parentSpanId,
      node: this.#place.node,
      queue_id: message.queueId,
      path: message.path,
      received_at: isoTime(message.receivedAtMs),
      finished_at: null,
      queue_wait_ms: null,
      total_ms: null,
      protocol: message.arrival.protocol,
      client: message.arrival.client,
      envelope: { sender: message.sender, recipients: message.recipients },
      size_bytes: message.sizeBytes,
      message_id: message.messageId,
      expires_at: isoTime(message.expiresAtMs),
      queue,
      action: 'queued',
      attempts: [],
      attempts_dropped: 0,
      recipients: message.recipients.map((address, index) =>
        newRecipientRecord(address, message.orcpts?.[index], message.firstAttemptAtMs),
      ),
      bounce_of: message.bounceOf,
    };
    addOptionalParts(record, message);
    const { node, tier } = this.#place;
    if (tier !== null) {
      record.tier = tier;
      const { acceptedBy = node } = message;
      if (acceptedBy !== node) record.accepted_by = acceptedBy;
    }
    return record;
  }
}

/** Conditions rather than spreads: nearly all mail has none of them. */
function addOptionalParts(record: HopRecord, message: ArrivedMessage): void {
  const { arrival, ownSmarthost, settings, unknownKeys, link, envid, requireTls } = message;
  if (requireTls === true) {
    record.envelope.require_tls = true;
  }
  const { removedHeaders } = arrival;
  if (link !== undefined) record.links = [{ trace_id: link.traceId, span_id: link.spanId }];
  if (envid !== undefined) record.envid = envid;
  if (removedHeaders !== undefined) {
    record.removed_headers = removedHeaders.slice(0, MAX_REMOVED_HEADERS);
  }
  if (ownSmarthost !== undefined) record.own_smarthost = ownSmarthost;
  if (settings !== undefined) record.settings = settings;
  if (unknownKeys !== undefined) record.unknown_keys = unknownKeys;
}

function newRecipientRecord(
  address: string,
  orcpt: string | null | undefined,
  firstAttemptAtMs?: number,
): RecipientRecord {
  const record: RecipientRecord = {
    address,
    action: 'queued',
    code: null,
    enhanced_code: null,
    description: null,
    attempts: 0,
    next_attempt_at: firstAttemptAtMs === undefined ? null : isoTime(firstAttemptAtMs),
  };
  if (orcpt != null) record.orcpt = orcpt;
  return record;
}

function addAttempt(record: HopRecord, attempt: AttemptRecord): void {
  record.attempts.push(attempt);
  if (record.attempts.length > KEPT_FIRST_ATTEMPTS + KEPT_LATEST_ATTEMPTS) {
    record.attempts.splice(KEPT_FIRST_ATTEMPTS, 1);
    record.attempts_dropped++;
  }
}

/** After a restart, and at another node of the tier, the acceptance is only known by wall time. */
function totalMs(record: HopRecord, sinceMs: number | null, nowMs: number): number {
  return rounded(sinceMs ?? Math.max(0, nowMs - Date.parse(record.received_at)));
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
