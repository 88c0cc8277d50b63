import type { Logger } from '../base/log.js';
import type { AttemptReport } from '../send/outcome.js';
import type { RoutedEntry } from './destination.js';

/** One line a recipient and attempt, with stable keys: what people grep. */
export function logOutcomes(
  log: Logger,
  { item, recipients, nextHop }: RoutedEntry,
  queue: string,
  { outcomes, record }: AttemptReport,
): void {
  if (!log.isLevelEnabled('info')) {
    return;
  }
  outcomes.forEach((outcome, index) => {
    log[outcome.kind === 'delivered' || outcome.kind === 'deferred' ? 'info' : 'warn'](
      {
        event: 'outcome',
        trace_id: item.trace.traceId,
        queue_id: item.id,
        recipient: recipients[index]?.address,
        outcome: outcome.kind,
        queue,
        next_hop: nextHop.name,
        remote: record.remote,
        state: record.state,
        code: outcome.code,
        enhanced_code: outcome.enhanced,
        duration_ms: record.duration_ms,
      },
      outcome.text,
    );
  });
}
