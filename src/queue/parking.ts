import type { Clock } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { BodyCache } from './body-cache.js';
import { wantsReport } from './bounce.js';
import type { Destination, QueueEntry } from './destination.js';
import { isFinal, moveRecipient, type Item, type ItemRecipient } from './item.js';
import type { Parked, ParkedTraits } from './parked.js';
import type { ParkedRows } from './parked-rows.js';
import type { QueueItems } from './queue-items.js';
import { followClock } from './recovery.js';
import type { Corrupt, Spool } from './spool.js';

export interface ParkingOptions {
  spool: Pick<Spool, 'peek'>;
  items: QueueItems;
  bodies: Pick<BodyCache, 'keep' | 'forget'>;
  clock: Clock;
  log: Logger;
  /** Messages that wait in one queue, or for a time, and stay in memory; beyond it they are parked. */
  maxResident: number;
  /** An earlier process left it, and this one has not attempted it. */
  isFound: (item: Item) => boolean;
  found: (item: Item) => void;
  /** Its record cannot be read, though it was written: the message is shown, and not in the queue. */
  lost: (parked: Parked, corrupt: Corrupt) => void;
}

/**
 * Of a long queue only the first messages are in memory. The others wait in the spool, where each of
 * them is anyway, and are read when their turn comes, in place of their bodies: so memory does not
 * grow with what waits but by some 70 bytes a message, outside of the heap (`ParkedRows`).
 *
 * Parked is only what the spool holds exactly as it is in memory: what has just come in, what was
 * found at the start, and what was deferred once that is written; never what an operator or a report
 * has changed meanwhile. Nor what wants to hear of its delay: the watch for that looks at items.
 */
export class Parking {
  readonly #options: ParkingOptions;

  constructor(options: ParkingOptions) {
    this.#options = options;
  }

  /** Of everything that is parked. */
  get rows(): ParkedRows<Destination> {
    return this.#options.items.rows;
  }

  get maxResident(): number {
    return this.#options.maxResident;
  }

  /** True for an entry that holds all that is left to do of its message, and that the spool knows. */
  takes({ item, recipients }: QueueEntry): boolean {
    if (
      item.quarantine !== undefined ||
      item.heldAtMs !== undefined ||
      item.lostSessions > 0 ||
      this.#options.items.get(item.id) !== item
    ) {
      return false;
    }
    let open = 0;
    for (const recipient of item.recipients) {
      const { state, unreported, unfitQueues } = recipient;
      if (
        unreported === true ||
        unfitQueues !== undefined ||
        (recipient.notify !== null && wantsReport(item, recipient, 'delayed'))
      ) {
        return false;
      }
      if (!isFinal(state)) {
        open++;
      }
    }
    return open === recipients.length;
  }

  /** From here on the item is not in memory any more. It is one that `takes` takes. */
  park(item: Item, { deferred, movable }: Pick<ParkedTraits, 'deferred' | 'movable'>): Parked {
    const { items, bodies, clock, isFound } = this.#options;
    const { id, bornMs = clock.monotonicMs() } = item;
    bodies.forget(id);
    return items.park(item, bornMs, {
      found: isFound(item),
      tried: item.recipients.some(({ lastReply }) => lastReply !== null),
      deferred,
      movable,
    });
  }

  /**
   * The item as it waits, for those who look; nothing of it is changed by what is done to it. Null
   * where it cannot be read, now or at all.
   */
  peek(parked: Parked): Item | null {
    const read = this.#read(parked);
    return 'item' in read ? read.item : null;
  }

  /**
   * Takes the item back into memory.
   *
   * @param toBeSent its body is kept for the attempt that follows
   * @returns null where it is lost, undefined where nothing can be read now
   */
  load(parked: Parked, toBeSent = false): Item | null | undefined {
    const { items, bodies, found, lost, log } = this.#options;
    const read = this.#read(parked);
    if ('error' in read) {
      log.warn(
        { code: codeOf(read.error), queue_id: parked.id },
        `a message cannot be read now: ${messageOf(read.error)}`,
      );
      return undefined;
    }
    if ('reason' in read) {
      items.drop(parked);
      lost(parked, { id: parked.id, reason: read.reason });
      return null;
    }
    items.unpark(parked, read.item);
    if (parked.found) {
      found(read.item);
    }
    if (toBeSent && read.item.body.kind === 'inline') {
      bodies.keep(parked.id, read.body);
    }
    return read.item;
  }

  #read(parked: Parked): { item: Item; body: Buffer } | { reason: string } | { error: unknown } {
    const { spool, clock } = this.#options;
    try {
      const stored = spool.peek(parked.id);
      if (stored === null) {
        return { reason: 'its record is gone' };
      }
      if ('item' in stored) {
        asItWaits(stored.item, parked, clock.nowMs());
      }
      return stored;
    } catch (error) {
      return { error };
    }
  }
}

/** Its recipients that are not settled: those that wait. */
export function openRecipients(item: Item): ItemRecipient[] {
  return item.recipients.every(({ state }) => !isFinal(state))
    ? item.recipients
    : item.recipients.filter(({ state }) => !isFinal(state));
}

/** What is known of an item in memory only. */
function asItWaits(item: Item, parked: Parked, nowMs: number): void {
  item.doubt ||= parked.found;
  item.bornMs = parked.bornMs;
  item.deadlineMs = parked.bornMs + (item.expiresAtMs - item.receivedAtMs);
  followClock(item, nowMs);
  for (const recipient of item.recipients) {
    // Its time has come since that was written.
    if (recipient.state === 'deferred' && !parked.deferred) {
      moveRecipient(recipient, 'ready');
      recipient.nextAttemptAtMs = null;
    }
  }
}
