import type { Clock, Timer } from '../base/clock.js';
import type { Destination, QueueEntry } from './destination.js';
import { DueHeap } from './due-heap.js';
import type { Item } from './item.js';

/** The machine may have slept meanwhile: no timer is trusted for longer. */
export const MAX_SLEEP_MS = 60_000;

/** An entry that waits for its time, counted at a destination meanwhile. */
export interface Deferred {
  entry: QueueEntry;
  destination: Destination;
  /** Monotonic: a wall clock that is set holds up nothing, and hurries nothing. */
  dueAtMs: number;
}

/** Everything that waits for a time, with one timer for all of it. */
export class DeferredEntries {
  readonly #clock: Clock;
  readonly #wake: (deferred: Deferred) => void;
  readonly #heap = new DueHeap<Deferred>();
  #timer: Timer | null = null;
  #running = false;

  /** @param wake takes an entry whose time has come; it is not in here any more */
  constructor(clock: Clock, wake: (deferred: Deferred) => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  start(): void {
    this.#running = true;
    this.arm();
  }

  /** Nothing wakes until it is started again; what is due by then wakes at once. */
  suspend(): void {
    this.#running = false;
  }

  stop(): void {
    this.suspend();
    this.#timer?.cancel();
  }

  /** The timer follows with `arm`, so that many may be added at once. */
  add(deferred: Deferred): void {
    deferred.destination.deferred++;
    this.#heap.push(deferred.dueAtMs, deferred);
  }

  arm(): void {
    this.#timer?.cancel();
    const nextMs = this.#heap.nextDueMs;
    this.#timer =
      nextMs === null || !this.#running
        ? null
        : this.#clock.after(Math.min(MAX_SLEEP_MS, nextMs - this.#clock.monotonicMs()), () =>
            this.#wakeDue(),
          );
  }

  /** Takes everything out, in no order. */
  drain(): Deferred[] {
    const all = this.#heap.drain();
    for (const { destination } of all) {
      destination.deferred--;
    }
    return all;
  }

  /** Takes out what belongs to an item. */
  withdraw(item: Item): Deferred[] {
    const taken = this.#heap.remove(({ entry }) => entry.item === item);
    for (const { destination } of taken) {
      destination.deferred--;
    }
    return taken;
  }

  /** In no order. */
  *at(destination: Destination): Generator<QueueEntry> {
    for (const { entry, destination: place } of this.#heap.values()) {
      if (place === destination) {
        yield entry;
      }
    }
  }

  #wakeDue(): void {
    const nowMs = this.#clock.monotonicMs();
    for (;;) {
      const due = this.#heap.popDue(nowMs);
      if (due === undefined) {
        break;
      }
      due.destination.deferred--;
      this.#wake(due);
    }
    this.arm();
  }
}
