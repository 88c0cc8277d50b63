import { isoTime } from '../format/iso-time.js';
import type { Outcome } from '../send/outcome.js';
import type { Action, RecipientRecord } from '../trace/record.js';
import {
  moveRecipient,
  type HopAsked,
  type Item,
  type ItemRecipient,
  type QuarantineKind,
  type RecipientState,
} from './item.js';
import { nextAttemptAt } from './retry.js';

/** What follows from an attempt for the recipients of one entry. */
export interface Settlement {
  /** To be told to the sender. */
  failed: ItemRecipient[];
  /** Wait for their next attempt: all for the same one, so that they travel together again. */
  deferred: ItemRecipient[];
  /** A fault of the hop: they wait for the destination, and no attempt was spent. */
  unspent: ItemRecipient[];
  /** More than the hop takes at a time: they go with the next transaction, and no attempt was spent. */
  again: ItemRecipient[];
  /** Kept and shown: unreadable, or failed with nobody to tell. */
  quarantined: ItemRecipient[];
}

export interface SettleContext {
  retryIntervalsSeconds: readonly number[];
  /** Attempts after which a deferral is a failure; null: only time ends them. */
  maxAttempts: number | null;
  nowMs: number;
  /** Wall time, by the clock as it is now. */
  expiresAtMs: number;
  /** A number from 0 to 1. */
  chance: number;
  /** The queue and the host that were asked: a lost reply goes back to them only. */
  asked: HopAsked;
}

const MAX_FREE_LOSSES = 3;

/** Moves the recipients of an attempt to their next states. Pure but for the item it is given. */
export function settle(
  item: Item,
  recipients: readonly ItemRecipient[],
  outcomes: readonly Outcome[],
  context: SettleContext,
): Settlement {
  const settlement: Settlement = {
    failed: [],
    deferred: [],
    unspent: [],
    again: [],
    quarantined: [],
  };
  item.doubt ||= outcomes.some((outcome) => outcome.kind === 'in-doubt');
  item.lostSessions = outcomes.some(isStumble) ? item.lostSessions + 1 : 0;
  recipients.forEach((recipient, index) => {
    const outcome = givenUp(
      spentIfStumbling(item, outcomes[index] as Outcome),
      recipient.attempts + 1,
      context.maxAttempts,
    );
    noteDoubt(recipient, outcomes[index] as Outcome, context.asked);
    recipient.lastReply = { code: outcome.code, enhanced: outcome.enhanced, text: outcome.text };
    apply(item, recipient, outcome, context.nowMs, settlement);
  });
  if (settlement.deferred.length > 0) {
    setDue(settlement.deferred, outcomes, context);
  }
  return settlement;
}

function setDue(
  deferred: readonly ItemRecipient[],
  outcomes: readonly Outcome[],
  context: SettleContext,
): void {
  const attempts = Math.max(...deferred.map((recipient) => recipient.attempts));
  const dueMs = nextAttemptAt(
    context.retryIntervalsSeconds,
    attempts,
    context.nowMs,
    context.expiresAtMs,
    context.chance,
    askedRetryMs(outcomes),
  );
  for (const recipient of deferred) {
    recipient.deferredAtMs = context.nowMs;
    recipient.nextAttemptAtMs = dueMs;
  }
}

/** What an outcome does to a recipient, and where that puts it. */
function apply(
  item: Item,
  recipient: ItemRecipient,
  outcome: Outcome,
  nowMs: number,
  settlement: Settlement,
): void {
  switch (outcome.kind) {
    case 'delivered':
      recipient.attempts++;
      moveRecipient(recipient, 'delivered');
      break;
    case 'failed':
      recipient.attempts++;
      if (hasNobodyToTell(item, recipient)) {
        move(recipient, 'quarantined', settlement.quarantined);
        quarantine(item, 'undeliverable', nowMs);
      } else {
        move(recipient, 'failed', settlement.failed);
      }
      break;
    case 'deferred':
      if (outcome.nextTransaction === true) {
        move(recipient, 'ready', settlement.again);
      } else {
        recipient.attempts++;
        delete recipient.unfitQueues;
        move(recipient, 'deferred', settlement.deferred);
      }
      break;
    case 'unreadable':
      move(recipient, 'quarantined', settlement.quarantined);
      quarantine(item, 'unreadable', nowMs);
      break;
    case 'hop-fault':
    case 'in-doubt':
      move(recipient, 'ready', settlement.unspent);
      break;
  }
}

function move(recipient: ItemRecipient, to: RecipientState, list: ItemRecipient[]): void {
  moveRecipient(recipient, to);
  list.push(recipient);
}

/** Of two reasons the first stands. */
export function quarantine(item: Item, kind: QuarantineKind, atMs: number): void {
  item.quarantine ??= { kind, atMs };
}

/**
 * Mail from the null sender is never reported on (RFC 5321 §4.5.5), and it was promised that nothing
 * vanishes; unless its sender said that nobody cares (RFC 3461 §4.1, NEVER or without FAILURE).
 */
function hasNobodyToTell(item: Item, { notify }: ItemRecipient): boolean {
  return item.sender === '' && (notify === null || notify.split(',').includes('FAILURE'));
}

/** The longest time after which the hop said to come back. */
function askedRetryMs(outcomes: readonly Outcome[]): number | undefined {
  const asked = outcomes.flatMap(({ kind, retryAfterMs, nextTransaction }) =>
    kind === 'deferred' && retryAfterMs !== undefined && nextTransaction !== true
      ? [retryAfterMs]
      : [],
  );
  return asked.length === 0 ? undefined : Math.max(...asked);
}

/** A message that has had all the attempts it wants is not tried again; the last words stand. */
function givenUp(outcome: Outcome, attempts: number, maxAttempts: number | null): Outcome {
  const counts = outcome.kind === 'deferred' && outcome.nextTransaction !== true;
  return counts && maxAttempts !== null && attempts >= maxAttempts
    ? { ...outcome, kind: 'failed' }
    : outcome;
}

/**
 * A hop that may have the message stays the only one that is asked, until it takes or refuses it:
 * "not now" does not say that it has it not.
 */
function noteDoubt(
  recipient: ItemRecipient,
  { kind }: Outcome,
  asked: SettleContext['asked'],
): void {
  if (kind === 'in-doubt') {
    // A repeat does not begin the time anew.
    const { doubtAt } = recipient;
    const isSame = doubtAt?.queue === asked.queue && doubtAt.host === asked.host;
    recipient.doubtAt = isSame ? doubtAt : asked;
  } else if (kind === 'delivered' || kind === 'failed') {
    recipient.doubtAt = null;
  }
}

/**
 * The session broke, without a reply or with the farewell 421 (RFC 5321 §3.8); or the hop is full,
 * perhaps only for this message.
 */
function isStumble({ kind, inTransaction, code, mayBeMessage }: Outcome): boolean {
  const broke = kind === 'in-doubt' || (kind === 'hop-fault' && (code === null || code === 421));
  return inTransaction && (broke || (kind === 'hop-fault' && mayBeMessage === true));
}

/**
 * A message over which the hop stumbles time and again must not hold up all the others: from the third time in a row on, that costs it an attempt and it waits on its own.
 */
function spentIfStumbling(item: Item, outcome: Outcome): Outcome {
  return isStumble(outcome) && item.lostSessions >= MAX_FREE_LOSSES
    ? { ...outcome, kind: 'deferred' }
    : outcome;
}

/** The trace's view of a recipient. `toNode`: the next hop is a mesh peer that reports in turn. */
export function recipientRecord(recipient: ItemRecipient, toNode: boolean): RecipientRecord {
  const record: RecipientRecord = {
    address: recipient.address,
    action: actionOf(recipient, toNode),
    code: recipient.lastReply?.code ?? null,
    enhanced_code: recipient.lastReply?.enhanced ?? null,
    description: recipient.lastReply?.text ?? null,
    attempts: recipient.attempts,
    next_attempt_at:
      recipient.nextAttemptAtMs === null || recipient.state !== 'deferred'
        ? null
        : isoTime(recipient.nextAttemptAtMs),
  };
  if (recipient.orcpt !== null) {
    record.orcpt = recipient.orcpt;
  }
  return record;
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
