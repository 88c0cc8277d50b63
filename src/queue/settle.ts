import type { Outcome } from '../send/outcome.js';
import type { Action, RecipientRecord } from '../trace/record.js';
import { moveRecipient, type Item, type ItemRecipient } from './item.js';
import { nextAttemptAt } from './retry.js';

/** What follows from an attempt for the recipients of one entry. */
export interface Settlement {
  /** To be told to the sender. */
  failed: ItemRecipient[];
  /** Wait for their next attempt: all for the same one, so that they travel together again. */
  deferred: ItemRecipient[];
  /** A fault of the hop: they wait for the destination, and no attempt was spent. */
  unspent: ItemRecipient[];
}

export interface SettleContext {
  retryIntervalsSeconds: readonly number[];
  nowMs: number;
  /** A number from 0 to 1. */
  chance: number;
}

const MAX_FREE_LOSSES = 3;

/** Moves the recipients of an attempt to their next states. Pure but for the item it is given. */
export function settle(
  item: Item,
  recipients: readonly ItemRecipient[],
  outcomes: readonly Outcome[],
  context: SettleContext,
): Settlement {
  const settlement: Settlement = { failed: [], deferred: [], unspent: [] };
  item.doubt ||= outcomes.some((outcome) => outcome.kind === 'in-doubt');
  item.lostSessions = outcomes.some(isLostInTransaction) ? item.lostSessions + 1 : 0;
  recipients.forEach((recipient, index) => {
    const outcome = spentIfStumbling(item, outcomes[index] as Outcome);
    recipient.lastReply = { code: outcome.code, enhanced: outcome.enhanced, text: outcome.text };
    switch (outcome.kind) {
      case 'delivered':
        recipient.attempts++;
        moveRecipient(recipient, 'delivered');
        break;
      case 'failed':
        recipient.attempts++;
        moveRecipient(recipient, 'failed');
        settlement.failed.push(recipient);
        break;
      case 'deferred':
        recipient.attempts++;
        moveRecipient(recipient, 'deferred');
        settlement.deferred.push(recipient);
        break;
      case 'unreadable':
        moveRecipient(recipient, 'quarantined');
        break;
      case 'hop-fault':
      case 'in-doubt':
        moveRecipient(recipient, 'ready');
        settlement.unspent.push(recipient);
        break;
    }
  });
  const attempts = Math.max(0, ...settlement.deferred.map((recipient) => recipient.attempts));
  const dueMs = nextAttemptAt(
    context.retryIntervalsSeconds,
    attempts,
    context.nowMs,
    item.expiresAtMs,
    context.chance,
  );
  for (const recipient of settlement.deferred) {
    recipient.nextAttemptAtMs = dueMs;
  }
  return settlement;
}

function isLostInTransaction(outcome: Outcome): boolean {
  return outcome.inTransaction && (outcome.kind === 'hop-fault' || outcome.kind === 'in-doubt');
}

/**
 * A message over which the hop's sessions break time and again must not hold up all the others:
 * from the third time in a row on, that costs it an attempt and it waits on its own.
 */
function spentIfStumbling(item: Item, outcome: Outcome): Outcome {
  return isLostInTransaction(outcome) && item.lostSessions >= MAX_FREE_LOSSES
    ? { ...outcome, kind: 'deferred' }
    : outcome;
}

/** The trace's view of a recipient. `toNode`: the next hop is a mesh peer that reports in turn. */
export function recipientRecord(recipient: ItemRecipient, toNode: boolean): RecipientRecord {
  return {
    address: recipient.address,
    action: actionOf(recipient, toNode),
    code: recipient.lastReply?.code ?? null,
    enhanced_code: recipient.lastReply?.enhanced ?? null,
    description: recipient.lastReply?.text ?? null,
    attempts: recipient.attempts,
    next_attempt_at:
      recipient.nextAttemptAtMs === null || recipient.state !== 'deferred'
        ? null
        : new Date(recipient.nextAttemptAtMs).toISOString(),
  };
}

function actionOf(recipient: ItemRecipient, toNode: boolean): Action {
  switch (recipient.state) {
    case 'delivered':
      return toNode ? 'transferred' : 'relayed';
    case 'failed':
    case 'quarantined':
      return 'failed';
    case 'ready':
    case 'sending':
    case 'deferred':
    case 'held':
      return recipient.lastReply === null ? 'queued' : 'delayed';
  }
}
