import type { NextHop } from '../send/next-hop.js';
import type { WaitingIn } from '../trace/record.js';
import type { Destination } from './destination.js';
import type { ItemRecipient } from './item.js';

/** What the API and its readers see of one queue. */
export interface QueueView {
  name: string;
  next_hop: string;
  ready: number;
  sending: number;
  deferred: number;
  held: number;
  oldest_age_seconds: number | null;
  state: Destination['state'];
  last_fault: {
    stage: string;
    code: number | null;
    enhanced_code: string | null;
    description: string;
    at: string;
  } | null;
  next_attempt_at: string | null;
  capacity: {
    max_connections: number;
    max_messages_per_connection: number;
    max_messages_per_minute: number | null;
    max_connects_per_minute: number | null;
    idle_timeout_seconds: number;
    /** Connections that the hop's own words leave at the moment. */
    allowed_connections: number;
  };
  /** Where the mail is shared: what is for any node of the tier, beside what this one holds. */
  tier?: {
    name: string;
    /** Messages at the broker that no node has taken up; null: it cannot be asked. */
    waiting: number | null;
  };
}

/** What one message waits for in a queue. @param recipients the first of those who wait in it */
export function describeWaiting(
  destination: Destination,
  recipients: readonly ItemRecipient[],
  nowMs: number,
  nowMonotonicMs: number,
): WaitingIn {
  const view = describeQueue(destination, nowMs, nowMonotonicMs);
  const due = recipients.flatMap(({ state, nextAttemptAtMs: atMs }) =>
    state === 'deferred' && atMs !== null ? [atMs] : [],
  );
  const dueAt = due.length > 0 ? new Date(Math.min(...due)).toISOString() : null;
  return {
    queue: view.name,
    next_hop: destination.nextHop.name,
    state: view.state,
    next_attempt_at: view.next_attempt_at ?? dueAt,
    last_fault: view.last_fault,
    recipients: recipients.map(({ address }) => address),
  };
}

export function describeQueue(
  destination: Destination,
  nowMs: number,
  nowMonotonicMs: number,
): QueueView {
  const { lastFault: fault, capacity } = destination;
  const oldestMs = destination.oldestBornMs;
  const resumesAtMs = nowMs + Math.max(0, destination.resumeAtMs - nowMonotonicMs);
  return {
    name: destination.name,
    next_hop: describeHop(destination.nextHop),
    ready: destination.ready,
    sending: destination.sending,
    deferred: destination.deferred,
    held: destination.held,
    oldest_age_seconds:
      oldestMs === null ? null : Math.max(0, Math.round((nowMonotonicMs - oldestMs) / 1000)),
    state: destination.state,
    last_fault:
      fault === null
        ? null
        : {
            stage: fault.stage,
            code: fault.code,
            enhanced_code: fault.enhanced,
            description: fault.text,
            at: new Date(fault.atMs).toISOString(),
          },
    next_attempt_at: destination.state === 'backoff' ? new Date(resumesAtMs).toISOString() : null,
    capacity: {
      max_connections: capacity.maxConnections,
      max_messages_per_connection: capacity.maxMessagesPerConnection,
      max_messages_per_minute: capacity.maxMessagesPerMinute,
      max_connects_per_minute: capacity.maxConnectsPerMinute,
      idle_timeout_seconds: capacity.idleTimeoutMs / 1000,
      allowed_connections: destination.allowedConnections,
    },
  };
}

function describeHop({ kind, name, host, port }: NextHop): string {
  return kind === 'mx' ? `mail servers of ${name}` : `${name} (${host}:${port})`;
}

/** A queue of which this node has nothing: what it waits for is known where it is taken up. */
export function describeWaitingElsewhere(
  name: string,
  tier: NonNullable<QueueView['tier']>,
): QueueView {
  return {
    ...describeQuarantine(0, null, 0),
    name,
    next_hop: 'known where it is taken up',
    state: 'active',
    tier,
  };
}

/** The name under which quarantine stands among the queues. */
export const QUARANTINE_QUEUE = '(quarantine)';

/** Messages that wait for an operator, in the form of a queue that goes nowhere. */
export function describeQuarantine(
  size: number,
  oldestAtMs: number | null,
  nowMs: number,
): QueueView {
  return {
    name: QUARANTINE_QUEUE,
    next_hop: 'nobody: kept for an operator',
    ready: 0,
    sending: 0,
    deferred: 0,
    held: size,
    oldest_age_seconds:
      oldestAtMs === null ? null : Math.max(0, Math.round((nowMs - oldestAtMs) / 1000)),
    state: 'paused',
    last_fault: null,
    next_attempt_at: null,
    capacity: {
      max_connections: 0,
      max_messages_per_connection: 0,
      max_messages_per_minute: null,
      max_connects_per_minute: null,
      idle_timeout_seconds: 0,
      allowed_connections: 0,
    },
  };
}
