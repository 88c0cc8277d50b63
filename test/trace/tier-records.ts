import type { AttemptRecord, HopRecord } from '../../src/trace/record.js';
import { anAttempt, aRecipientRecord, START_MS } from './hop-records.js';
import { hop, span } from './sample-mesh.js';

/** Records of a message that the nodes core-1 to core-3 share, between a and d. */

export function at(ms: number): string {
  return new Date(START_MS + ms).toISOString();
}

/** What a node of the tier has recorded; core-1 is the one that accepted. */
export function tierRecord(node: string, changes: Partial<HopRecord> = {}): HopRecord {
  return hop(node, 'd', ['a'], {
    tier: 'core',
    ...(node === 'core-1' ? {} : { accepted_by: 'core-1' }),
    queue_id: 'QTIER',
    span_id: span('tier'),
    parent_span_id: span('a>core-1'),
    received_at: at(0),
    finished_at: null,
    queue_wait_ms: null,
    total_ms: null,
    queue: 'd',
    action: 'queued',
    attempts: [],
    recipients: [
      aRecipientRecord({
        action: 'queued',
        code: null,
        enhanced_code: null,
        description: null,
        attempts: 0,
      }),
    ],
    ...changes,
  });
}

export function tierAttempt(
  node: string,
  atMs: number,
  changes: Partial<AttemptRecord> = {},
): AttemptRecord {
  return anAttempt({
    span_id: span(`${node}>d`),
    started_at: at(atMs),
    next_hop: 'd',
    carrier: 'envelope',
    ...changes,
  });
}

/** What a node records that was told to come again. */
export function deferredAt(node: string, atMs: number): HopRecord {
  const reply = { code: 451, enhanced_code: '4.7.1', description: 'Try later' };
  return tierRecord(node, {
    action: 'delayed',
    attempts: [tierAttempt(node, atMs, { ...reply, result: 'error' })],
    recipients: [
      aRecipientRecord({ ...reply, action: 'delayed', next_attempt_at: at(atMs + 60_000) }),
    ],
  });
}

/** What a node records whose attempt the next hop has accepted. */
export function deliveredAt(node: string, atMs: number): HopRecord {
  return tierRecord(node, {
    action: 'transferred',
    finished_at: at(atMs + 12),
    total_ms: atMs + 12,
    attempts: [tierAttempt(node, atMs)],
    recipients: [aRecipientRecord({ action: 'transferred', attempts: 2 })],
  });
}

/** a → core-1, deferred at core-3, delivered at core-2 → d → mx. */
export function throughTier(): HopRecord[] {
  return [
    hop('a', 'core-1', []),
    tierRecord('core-1'),
    deferredAt('core-3', 1000),
    deliveredAt('core-2', 61_000),
    hop('d', 'mx:25', ['a', 'core-2'], {
      parent_span_id: span('core-2>d'),
      received_at: at(61_010),
    }),
  ];
}
