import type { AttemptReport, Outcome } from '../send/outcome.js';
import type { QueueEntry } from './destination.js';
import type { ItemRecipient } from './item.js';

/**
 * What is left of a report where a hop lacks what the message demands (RFC 8689 §4.2.1): while there is
 * another hop for a recipient, this one decides nothing, and the recipient goes there at once.
 *
 * @param queue that was asked
 * @param queueOf where a recipient would go now, whatever hops are at fault
 */
export function passOverUnfit<T extends AttemptReport>(
  report: T,
  recipients: readonly ItemRecipient[],
  queue: string,
  queueOf: (recipient: ItemRecipient) => string,
): T {
  if (report.outcomes.every(({ unfit }) => unfit !== true)) {
    return report;
  }
  const outcomes = report.outcomes.map((outcome, index): Outcome => {
    const recipient = recipients[index];
    if (recipient === undefined || outcome.unfit !== true) {
      return outcome;
    }
    const unfitQueues = [...new Set([...(recipient.unfitQueues ?? []), queue])];
    recipient.unfitQueues = unfitQueues;
    return unfitQueues.includes(queueOf(recipient))
      ? outcome
      : { ...outcome, kind: 'deferred', nextTransaction: true };
  });
  return { ...report, outcomes };
}

/** A hop that was unfit for a message may be another one now. */
export function forgetUnfit({ recipients }: QueueEntry): void {
  recipients.forEach((recipient) => delete recipient.unfitQueues);
}
