import type { Clock, Timer } from '../base/clock.js';
import type { Destination, QueueEntry } from './destination.js';
import { DueHeap } from './due-heap.js';
import type { Item } from './item.js';
import { Parked } from './parked.js';
import type { ParkedRows } from './parked-rows.js';

/** The machine may have slept meanwhile: no timer is trusted for longer. */
export const MAX_SLEEP_MS = 60_000;
/** Of those whose time has come at once, so many are read from the spool before something else may run. */
const PARKED_A_TURN = 100;

/** An entry in memory that waits for its time, counted at a destination meanwhile. */
export interface Deferred {
  entry: QueueEntry;
  destination: Destination;
  /** Monotonic: a wall clock that is set holds up nothing, and hurries nothing. */
  dueAtMs: number;
}

/** What has waited for its time, and where it was counted. */
export interface Woken {
  entry: QueueEntry | Parked;
  destination: Destination;
}

/** Everything that waits for a time, with one timer for all of it. */
export class DeferredEntries {
  readonly #clock: Clock;
  readonly #rows: ParkedRows<Destination>;
  readonly #wake: (woken: Woken) => void;
  readonly #resident = new DueHeap<Deferred>(({ dueAtMs }) => dueAtMs);
  /** The rows of those that only the spool holds. */
  readonly #parked: DueHeap<number>;
  #timer: Timer | null = null;
  #running = false;
  /** The entries in memory; of an item with several the last one. */
  readonly #byItem = new Map<Item, Deferred>();

  /**
   * @param rows those of what is parked here
   * @param wake takes an entry whose time has come; it is not in here any more
   */
  constructor(clock: Clock, rows: ParkedRows<Destination>, wake: (woken: Woken) => void) {
    this.#clock = clock;
    this.#rows = rows;
    this.#wake = wake;
    this.#parked = new DueHeap((row) => rows.dueAtMs(row));
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
    return this.#resident.size;
  }

  /** Of them, those that only the spool holds. */
  get parked(): number {
    return this.#parked.size;
  }

  /** The timer follows with `arm`, so that many may be added at once. */
  add(deferred: Deferred): void {
    deferred.destination.deferred++;
    this.#enter(deferred);
  }

  #enter(deferred: Deferred): void {
    this.#byItem.set(deferred.entry.item, deferred);
    this.#resident.push(deferred);
  }

  /** The same for what only the spool holds. */
  addParked({ row }: Parked, destination: Destination, dueAtMs: number): void {
    destination.deferred++;
    this.#enterRow(row, destination, dueAtMs);
  }

  #enterRow(row: number, destination: Destination, dueAtMs: number): void {
    this.#rows.enter(row, destination);
    this.#rows.setDueAtMs(row, dueAtMs);
    this.#parked.push(row);
  }

  arm(): void {
    this.#timer?.cancel();
    const nextMs = Math.min(
      this.#resident.nextDueMs ?? Infinity,
      this.#parked.nextDueMs ?? Infinity,
    );
    this.#timer =
      nextMs === Infinity || !this.#running
        ? null
        : this.#clock.after(Math.min(MAX_SLEEP_MS, nextMs - this.#clock.monotonicMs()), () =>
            this.wakeDue(),
          );
  }

  /** Takes out everything that is in memory, in no order. */
  drainResident(): Deferred[] {
    const all = this.#resident.drain();
    for (const { destination } of all) {
      destination.deferred--;
    }
    this.#byItem.clear();
    return all;
  }

  /** An entry of an item that is in memory. */
  of(item: Item): Deferred | undefined {
    return this.#byItem.get(item);
  }

  /** What is in memory of what waits here is only in the spool from now on. */
  park(deferred: Deferred, item: Item, { row }: Parked): void {
    this.#byItem.delete(item);
    this.#resident.delete(deferred);
    this.#enterRow(row, deferred.destination, deferred.dueAtMs);
  }

  /** What was parked here is in memory now. */
  replace({ row }: Parked, entry: QueueEntry): void {
    const destination = this.#rows.deferredAt(row);
    if (destination !== undefined && this.#parked.delete(row)) {
      this.#enter({ entry, destination, dueAtMs: this.#rows.dueAtMs(row) });
      this.#rows.letGo(row);
    }
  }

  /** What was parked here is lost. */
  drop({ row }: Parked): void {
    const destination = this.#rows.deferredAt(row);
    if (destination !== undefined && this.#parked.delete(row)) {
      destination.deferred--;
      this.#rows.letGo(row);
    }
  }

  /** The rows of those that only the spool holds now, in no order. */
  get parkedRows(): number[] {
    return [...this.#parked.values()];
  }

  /** What is parked here is counted at another destination from now on. */
  move(row: number, from: Destination, to: Destination): void {
    this.#rows.enter(row, to);
    to.deferred++;
    from.deferred--;
  }

  /** Takes out what belongs to an item that is in memory. */
  withdraw(item: Item): QueueEntry[] {
    if (!this.#byItem.delete(item)) {
      return [];
    }
    return this.#resident
      .remove(({ entry }) => entry.item === item)
      .map(({ entry, destination }) => {
        destination.deferred--;
        return entry;
      });
  }

  /** In no order. */
  *at(destination: Destination): Generator<QueueEntry | Parked> {
    for (const { entry, destination: place } of this.#resident.values()) {
      if (place === destination) {
        yield entry;
      }
    }
    for (const row of this.#parked.values()) {
      if (this.#rows.deferredAt(row) === destination) {
        yield this.#rows.look(row);
      }
    }
  }

  /** Makes every entry due now that the destination deferred; what wants to wait itself does. */
  retry(destination: Destination): void {
    const rows = this.#rows;
    for (const row of this.#parked.drain()) {
      if (rows.wasTried(row) && rows.deferredAt(row) === destination) {
        rows.setDueAtMs(row, this.#clock.monotonicMs());
      }
      this.#parked.push(row);
    }
    for (const waiting of this.drainResident()) {
      const tried = waiting.entry.recipients.some(({ lastReply }) => lastReply !== null);
      if (waiting.destination === destination && tried) {
        this.#wake(waiting);
      } else {
        this.add(waiting);
      }
    }
    this.wakeDue();
  }

  /** Of what is parked some now, and the others in turns that follow. */
  wakeDue(): void {
    const nowMs = this.#clock.monotonicMs();
    for (let read = 0; read < PARKED_A_TURN;) {
      const woken = this.#takeDue(nowMs);
      if (woken === undefined) {
        break;
      }
      if (woken.entry instanceof Parked) {
        read++;
      }
      woken.destination.deferred--;
      this.#wake(woken);
    }
    this.arm();
  }

  /** The one that is due first, in memory or not, if it is due. */
  #takeDue(nowMs: number): Woken | undefined {
    const { nextDueMs: parkedMs } = this.#parked;
    if (parkedMs !== null && parkedMs < (this.#resident.nextDueMs ?? Infinity)) {
      const row = this.#parked.popDue(nowMs);
      return row === undefined ? undefined : this.#wokenRow(row);
    }
    const due = this.#resident.popDue(nowMs);
    if (due !== undefined) {
      this.#byItem.delete(due.entry.item);
    }
    return due;
  }

  #wokenRow(row: number): Woken {
    const entry = this.#rows.look(row);
    const destination = this.#rows.deferredAt(row) as Destination;
    this.#rows.letGo(row);
    return { entry, destination };
  }
}
