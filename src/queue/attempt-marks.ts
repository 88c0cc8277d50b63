import type { RoutedEntry } from './destination.js';
import type { HopAsked, ItemRecipient } from './item.js';

/**
 * What is stored before an attempt begins, so that the next process knows of it if this one dies:
 *
 * - where it asks, for mail that could also go to another hop: what may have been taken goes
 *   nowhere else;
 * - that an attempt has begun, for recipients that an earlier process left: a message that takes
 *   the process down each time is found out.
 *
 * Fresh mail with one way to go is spared the write.
 */
export class AttemptMarks {
  /** Each attempt of these is counted before it begins, until one has come to its end. */
  readonly #counted = new WeakSet<ItemRecipient>();

  /** The recipient was found in the spool. */
  found(recipient: ItemRecipient): void {
    this.#counted.add(recipient);
  }

  /** It was, and no attempt of it has come to its end since. */
  isFound(recipient: ItemRecipient): boolean {
    return this.#counted.has(recipient);
  }

  /** An attempt begins. @returns true when the item has to be stored first */
  begin({ recipients, movable }: RoutedEntry, asked: HopAsked): boolean {
    let marked = movable;
    for (const recipient of recipients) {
      if (movable) {
        recipient.asked = asked;
      }
      if (this.#counted.has(recipient)) {
        recipient.unfinished = (recipient.unfinished ?? 0) + 1;
        marked = true;
      }
    }
    return marked;
  }

  /** The attempt has come to its end. @returns true when what was stored of it no longer holds */
  concluded({ recipients }: RoutedEntry): boolean {
    let marked = false;
    for (const recipient of recipients) {
      // Most have none: a `delete` that finds nothing costs more than the question.
      if (recipient.asked !== undefined || recipient.unfinished !== undefined) {
        marked = true;
        delete recipient.asked;
        delete recipient.unfinished;
      }
      this.#counted.delete(recipient);
    }
    return marked;
  }

  /** An error of ours broke it off. @returns how many in a row were, of any of the recipients */
  broke({ recipients }: RoutedEntry): number {
    for (const recipient of recipients) {
      delete recipient.asked;
      if (!this.#counted.has(recipient)) {
        recipient.unfinished = (recipient.unfinished ?? 0) + 1;
        this.#counted.add(recipient);
      }
    }
    return Math.max(0, ...recipients.map(({ unfinished = 0 }) => unfinished));
  }

  /** It did not begin after all, for want of a disk: nothing is counted. */
  withdrawn({ recipients }: RoutedEntry): void {
    for (const recipient of recipients) {
      delete recipient.asked;
      if (this.#counted.has(recipient) && recipient.unfinished !== undefined) {
        recipient.unfinished--;
      }
    }
  }
}
