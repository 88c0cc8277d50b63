import type { AttemptRecord, HopRecord, RecipientRecord } from '../../src/trace/record.js';

export const START_MS = Date.UTC(2026, 0, 5, 12);

export function anAttempt(changes: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    span_id: 'b'.repeat(16),
    started_at: new Date(START_MS).toISOString(),
    duration_ms: 12,
    next_hop: 'core',
    remote: '192.0.2.2:2525',
    reused: false,
    tls: null,
    user: null,
    state: 'message',
    result: 'accepted',
    code: 250,
    enhanced_code: '2.0.0',
    description: 'Ok',
    remote_queue_id: null,
    phases_ms: {},
    recipients: ['one@b.example'],
    ...changes,
  };
}

export function aRecipientRecord(changes: Partial<RecipientRecord> = {}): RecipientRecord {
  return {
    address: 'one@b.example',
    action: 'relayed',
    code: 250,
    enhanced_code: '2.0.0',
    description: 'Ok',
    attempts: 1,
    next_attempt_at: null,
    ...changes,
  };
}

/** A finished hop at the end of the mesh, unless told otherwise. */
export function aHopRecord(queueId: string, changes: Partial<HopRecord> = {}): HopRecord {
  return {
    version: 1,
    trace_id: 'c'.repeat(32),
    span_id: 'a'.repeat(16),
    parent_span_id: null,
    node: 'edge',
    queue_id: queueId,
    path: [],
    received_at: new Date(START_MS).toISOString(),
    finished_at: new Date(START_MS + 20).toISOString(),
    queue_wait_ms: 1,
    total_ms: 20,
    protocol: 'ESMTP',
    client: { address: '192.0.2.1', helo: 'client.example', user: null },
    envelope: { sender: 'a@a.example', recipients: ['one@b.example'] },
    size_bytes: 1000,
    message_id: null,
    queue: '(smarthost)',
    action: 'relayed',
    attempts: [],
    attempts_dropped: 0,
    recipients: [aRecipientRecord()],
    bounce_of: null,
    ...changes,
  };
}

/** Ids sort as the numbers do. */
export function queueId(number: number): string {
  return `01KE6Q1XB5${String(number).padStart(8, '0')}`;
}
