import { newSpanId } from '../base/identifiers.js';
import type { AttemptReport, Outcome } from '../send/outcome.js';
import type { RoutedEntry } from './destination.js';
import type { LastReply } from './item.js';

/** The end of recipients whose time is over, as an attempt that asked nobody. */
export function expiryReport(
  { recipients, nextHop }: RoutedEntry,
  lastFault: LastReply | null,
  nowMs: number,
): AttemptReport {
  const outcomes = recipients.map(({ lastReply, attempts }): Outcome => {
    const last = lastReply ?? lastFault;
    const words =
      last === null
        ? ''
        : `; last: ${[last.code, last.enhanced, last.text].filter(Boolean).join(' ')}`;
    const text = `delivery time expired after ${attempts} attempts${words}`;
    return { kind: 'failed', inTransaction: false, code: null, enhanced: '5.4.7', text };
  });
  const record: AttemptReport['record'] = {
    span_id: newSpanId(),
    started_at: new Date(nowMs).toISOString(),
    duration_ms: 0,
    next_hop: nextHop.name,
    remote: null,
    reused: false,
    tls: null,
    user: null,
    state: 'process',
    result: 'timeout',
    code: null,
    enhanced_code: '5.4.7',
    description: outcomes[0]?.text ?? '',
    remote_queue_id: null,
    phases_ms: {},
    recipients: recipients.map(({ address }) => address),
  };
  return { outcomes, record };
}
