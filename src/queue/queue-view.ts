import type { Destination } from './destination.js';

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
  capacity: { max_connections: number };
}

export function describeQueue(
  destination: Destination,
  nowMs: number,
  nowMonotonicMs: number,
): QueueView {
  const fault = destination.lastFault;
  const oldestMs = destination.oldestReceivedAtMs;
  const resumesAtMs = nowMs + Math.max(0, destination.resumeAtMs - nowMonotonicMs);
  return {
    name: destination.name,
    next_hop: `${destination.nextHop.name} (${destination.nextHop.host}:${destination.nextHop.port})`,
    ready: destination.ready,
    sending: destination.sending,
    deferred: destination.deferred,
    held: 0,
    oldest_age_seconds:
      oldestMs === null ? null : Math.max(0, Math.round((nowMs - oldestMs) / 1000)),
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
    capacity: { max_connections: destination.nextHop.maxConnections },
  };
}
