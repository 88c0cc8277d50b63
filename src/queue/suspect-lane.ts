import type { QueueEntry } from './destination.js';
import type { Item } from './item.js';

/**
 * Messages over which the process may have died are attempted one at a time, node-wide, so that
 * when it dies again it is known over which. The others wait outside of their destinations and take
 * nobody's connection.
 */
export class SuspectLane<E extends QueueEntry> {
  #running: E | null = null;
  #waiting: E[] = [];

  /** @returns false when the entry has to wait; it comes back from `left` */
  enters(entry: E): boolean {
    if (entry.recipients.every(({ unfinished = 0 }) => unfinished === 0)) {
      return true;
    }
    if (this.#running !== null) {
      this.#waiting.push(entry);
      return false;
    }
    this.#running = entry;
    return true;
  }

  /** An attempt has ended. @returns who may be attempted in its place, of those who wait here */
  left(entry: E): E | undefined {
    if (this.#running !== entry) {
      return undefined;
    }
    this.#running = null;
    return this.#waiting.shift();
  }

  /** Takes out those of an item that wait here. */
  withdraw(item: Item): E[] {
    const taken = this.#waiting.filter((entry) => entry.item === item);
    if (taken.length > 0) {
      this.#waiting = this.#waiting.filter((entry) => entry.item !== item);
    }
    return taken;
  }
}
