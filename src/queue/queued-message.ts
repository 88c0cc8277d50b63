import type { QueueEntry } from './destination.js';
import { isFinal, type Item, type ItemRecipient } from './item.js';
import { Parked } from './parked.js';

/** Recipients of a message that are shown; all are counted. */
const MAX_SHOWN_RECIPIENTS = 20;

/** What the API shows of a message that waits or is being sent. */
export interface QueuedMessage {
  queue_id: string;
  trace_id: string;
  received_at: string;
  /** When what is not settled by then is given up; what is held is not. */
  expires_at: string;
  /** Since when an operator holds it, or null. */
  held_since: string | null;
  sender: string;
  size_bytes: number;
  message_id: string | null;
  /** Queue id of the message that it reports on. */
  bounce_of: string | null;
  /** Those that are not settled, the first ones. */
  recipients: QueuedRecipient[];
  /** How many there are. */
  recipient_count: number;
}

export interface QueuedRecipient {
  address: string;
  state: ItemRecipient['state'];
  /** Attempts that counted: faults of the hop do not. */
  attempts: number;
  next_attempt_at: string | null;
  /** What the hop said last. */
  code: number | null;
  enhanced_code: string | null;
  description: string | null;
}

/** @param recipients those of the item that are meant; settled ones are left out */
export function describeQueued(item: Item, recipients: readonly ItemRecipient[]): QueuedMessage {
  const open = recipients.filter(({ state }) => !isFinal(state));
  return {
    queue_id: item.id,
    trace_id: item.trace.traceId,
    received_at: new Date(item.receivedAtMs).toISOString(),
    expires_at: new Date(item.expiresAtMs).toISOString(),
    held_since: item.heldAtMs === undefined ? null : new Date(item.heldAtMs).toISOString(),
    sender: item.sender,
    size_bytes: item.body.sizeBytes,
    message_id: item.messageId,
    bounce_of: item.bounceOf,
    recipients: open.slice(0, MAX_SHOWN_RECIPIENTS).map(describeRecipient),
    recipient_count: open.length,
  };
}

function describeRecipient({
  address,
  state,
  attempts,
  nextAttemptAtMs: dueMs,
  lastReply,
}: ItemRecipient): QueuedRecipient {
  return {
    address,
    state,
    attempts,
    next_attempt_at: state === 'deferred' && dueMs !== null ? new Date(dueMs).toISOString() : null,
    code: lastReply?.code ?? null,
    enhanced_code: lastReply?.enhanced ?? null,
    description: lastReply?.text ?? null,
  };
}

/** A page of what waits in a queue. */
export interface QueuedPage {
  messages: QueuedMessage[];
  /** The id that the page ended with; null: there are no more. */
  nextCursor: string | null;
}

/**
 * The first of what comes after a place in the order of ids, in one pass, whatever its order.
 *
 * @param read of what is not in memory only what is on the page; null: it is not shown
 */
export function pageOf(
  entries: Iterable<QueueEntry | Parked>,
  limit: number,
  after: string,
  read: (parked: Parked) => QueueEntry | null,
): QueuedPage {
  const first = new Map<string, QueueEntry | Parked>();
  /** The ids of the page and the one behind it, in order. */
  const ids: string[] = [];
  for (const entry of entries) {
    const id = entry instanceof Parked ? entry.id : entry.item.id;
    const known = first.get(id);
    if (known !== undefined) {
      // Of an item that waits in several places none is parked.
      if (!(known instanceof Parked) && !(entry instanceof Parked)) {
        known.recipients.push(...entry.recipients);
      }
    } else if (id > after && (ids.length <= limit || id < (ids[limit] as string))) {
      ids.splice(placeOf(id, ids), 0, id);
      first.set(
        id,
        entry instanceof Parked ? entry : { item: entry.item, recipients: [...entry.recipients] },
      );
      if (ids.length > limit + 1) {
        first.delete(ids.pop() as string);
      }
    }
  }
  const page = ids.slice(0, limit).flatMap((id) => {
    const entry = first.get(id);
    return (entry instanceof Parked ? read(entry) : entry) ?? [];
  });
  return {
    messages: page.map(({ item, recipients }) => describeQueued(item, recipients)),
    nextCursor: ids.length > limit ? (ids[limit - 1] ?? null) : null,
  };
}

/** Where an id stands, or would stand, among sorted ones. */
function placeOf(id: string, sorted: readonly string[]): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as string) < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
