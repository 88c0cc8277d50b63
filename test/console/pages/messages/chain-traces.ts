import type {
  Attempt,
  ChainHop,
  ChainTrace,
} from '../../../../src/console/pages/messages/timeline.js';

/** Traces as the API answers them, for what draws them. */

const START_MS = Date.parse('2026-03-01T12:00:00.000Z');

/** An instant so many milliseconds after the first hop took the message. */
export function at(ms: number): string {
  return new Date(START_MS + ms).toISOString();
}

export function instant(ms: number): number {
  return START_MS + ms;
}

export function attempt(
  spanId: string,
  startMs: number,
  durationMs: number,
  more: Partial<Attempt> = {},
): Attempt {
  return {
    span_id: spanId,
    started_at: at(startMs),
    duration_ms: durationMs,
    next_hop: 'core',
    remote: '127.0.0.1:2525',
    reused: false,
    tls: null,
    user: null,
    state: 'message',
    result: 'accepted',
    code: 250,
    enhanced_code: '2.0.0',
    description: '250 2.0.0 OK',
    remote_queue_id: null,
    phases_ms: {},
    recipients: ['bob@x.test'],
    ...more,
  };
}

export function hop(node: string, receivedMs: number, more: Partial<ChainHop> = {}): ChainHop {
  return {
    version: 1,
    trace_id: '0'.repeat(32),
    span_id: `span-${node}`,
    parent_span_id: null,
    node,
    queue_id: `Q-${node}`,
    path: [],
    received_at: at(receivedMs),
    finished_at: null,
    queue_wait_ms: null,
    total_ms: null,
    protocol: 'ESMTPS',
    client: { address: '127.0.0.1', helo: 'client', user: null },
    envelope: { sender: 'ann@x.test', recipients: ['bob@x.test'] },
    size_bytes: 1000,
    message_id: '<1@x.test>',
    queue: 'core',
    action: 'transferred',
    attempts: [],
    attempts_dropped: 0,
    recipients: [recipient('transferred')],
    bounce_of: null,
    ...more,
  };
}

export function recipient(
  action: ChainHop['action'],
  more: Partial<ChainHop['recipients'][number]> = {},
): ChainHop['recipients'][number] {
  return {
    address: 'bob@x.test',
    action,
    code: null,
    enhanced_code: null,
    description: null,
    attempts: 1,
    next_attempt_at: null,
    ...more,
  };
}

export function chain(...hops: ChainHop[]): ChainTrace {
  return { trace_id: '0'.repeat(32), complete: true, hops, unreachable: [] };
}
