import type { Clock, Timer } from '../base/clock.js';
import type { Destination, QueueEntry } from './destination.js';
import { DueHeap } from './due-heap.js';
import type { Item } from './item.js';
import { Parked } from './parked.js';

/** The machine may have slept meanwhile: no timer is trusted for longer. */
export const MAX_SLEEP_MS = 60_000;
/** Of those whose time has come at once, so many are read from the spool before something else may run. */
const PARKED_A_TURN = 100;

/** An entry that waits for its time, counted at a destination meanwhile. */
export interface Deferred {
  entry: QueueEntry | Parked;
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
  #parked = 0;
  /** The entries in memory; of an item with several the last one. */
  readonly #byItem = new Map<Item, Deferred>();

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

  /** Of them, those that are in memory. */
  get resident(): number {
    return this.#heap.size - this.#parked;
  }

  get size(): number {
    return this.#heap.size;
  }

  /** The timer follows with `arm`, so that many may be added at once. */
  add(deferred: Deferred): void {
    deferred.destination.deferred++;
    if (deferred.entry instanceof Parked) {
      deferred.entry.place = this;
      this.#parked++;
    } else {
      this.#byItem.set(deferred.entry.item, deferred);
    }
    this.#heap.push(deferred.dueAtMs, deferred);
  }

  arm(): void {
    this.#timer?.cancel();
    const nextMs = this.#heap.nextDueMs;
    this.#timer =
      nextMs === null || !this.#running
        ? null
        : this.#clock.after(Math.min(MAX_SLEEP_MS, nextMs - this.#clock.monotonicMs()), () =>
            this.wakeDue(),
          );
  }

  /** Takes everything out, in no order. */
  drain(): Deferred[] {
    const all = this.#heap.drain();
    for (const { destination } of all) {
      destination.deferred--;
    }
    this.#parked = 0;
    this.#byItem.clear();
    return all;
  }

  /** An entry of an item that is in memory. */
  of(item: Item): Deferred | undefined {
    return this.#byItem.get(item);
  }

  /** What is in memory of what waits here is only in the spool from now on. */
  park(deferred: Deferred, item: Item, parked: Parked): void {
    this.#byItem.delete(item);
    deferred.entry = parked;
    parked.place = this;
    this.#parked++;
  }

  /** What was parked here is in memory now. */
  replace(parked: Parked, entry: QueueEntry): void {
    for (const deferred of this.#heap.values()) {
      if (deferred.entry === parked) {
        deferred.entry = entry;
        this.#byItem.set(entry.item, deferred);
        parked.place = null;
        this.#parked--;
        return;
      }
    }
  }

  /** What was parked here is lost. */
  drop(parked: Parked): void {
    for (const { destination } of this.#heap.remove(({ entry }) => entry === parked)) {
      destination.deferred--;
      parked.place = null;
      this.#parked--;
    }
  }

  /** Those that only the spool holds. */
  *parked(): Generator<Deferred> {
    for (const deferred of this.#heap.values()) {
      if (deferred.entry instanceof Parked) {
        yield deferred;
      }
    }
  }

  /** Takes out what belongs to an item that is in memory. */
  withdraw(item: Item): QueueEntry[] {
    if (!this.#byItem.delete(item)) {
      return [];
    }
    const taken: QueueEntry[] = [];
    this.#heap.remove(({ entry, destination }) => {
      const isOfItem = !(entry instanceof Parked) && entry.item === item;
      if (isOfItem) {
        destination.deferred--;
        taken.push(entry);
      }
      return isOfItem;
    });
    return taken;
  }

  /** In no order. */
  *at(destination: Destination): Generator<QueueEntry | Parked> {
    for (const { entry, destination: place } of this.#heap.values()) {
      if (place === destination) {
        yield entry;
      }
    }
  }

  /** Makes every entry due now that the destination deferred; what wants to wait itself does. */
  retry(destination: Destination): void {
    for (const waiting of this.drain()) {
      const { entry } = waiting;
      const tried =
        entry instanceof Parked
          ? entry.tried
          : entry.recipients.some(({ lastReply }) => lastReply !== null);
      if (waiting.destination !== destination || !tried) {
        this.add(waiting);
      } else if (entry instanceof Parked) {
        this.add({ ...waiting, dueAtMs: this.#clock.monotonicMs() });
      } else {
        this.#wake(waiting);
      }
    }
    this.wakeDue();
  }

  /** Of what is parked some now, and the others in turns that follow. */
  wakeDue(): void {
    const nowMs = this.#clock.monotonicMs();
    for (let read = 0; read < PARKED_A_TURN;) {
      const due = this.#heap.popDue(nowMs);
      if (due === undefined) {
        break;
      }
      due.destination.deferred--;
      if (due.entry instanceof Parked) {
        due.entry.place = null;
        this.#parked--;
        read++;
      } else {
        this.#byItem.delete(due.entry.item);
      }
      this.#wake(due);
    }
    this.arm();
  }
}
