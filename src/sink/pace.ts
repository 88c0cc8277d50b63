import type { Clock, Timer } from '../base/clock.js';

/** Longest part of a second for which bytes are handed on at once, and can be caught up with. */
const GRAIN_MS = 100;

/** An order to go slowly, from the moment that a rule acts until the rule is taken away. */
export class Pace {
  readonly bytesPerSecond: number;
  #lifted = false;
  readonly #listeners = new Set<() => void>();

  constructor(bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond;
  }

  get isLifted(): boolean {
    return this.#lifted;
  }

  lift(): void {
    if (this.#lifted) return;
    this.#lifted = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  /** Calls `listener` once it is lifted; the result takes the listener away. */
  onLift(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

interface Load {
  bytes: number;
  done: () => void;
}

/**
 * Slows down one direction of one connection. Of several paces the slowest counts. Loads leave in
 * the order in which they came; each leaves when its last byte is due, and what was missed by a
 * late timer is caught up with for at most 100 ms.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #paces = new Map<Pace, () => void>();
  readonly #waiting: Load[] = [];
  #timer: Timer | null = null;
  /** Monotonic time at which the last load was due. */
  #dueMs = 0;
  #ended = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True while a pace holds or something waits. */
  get isHolding(): boolean {
    return this.#paces.size > 0 || this.#waiting.length > 0;
  }

  /** True while something waits. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** How many bytes are worth a wait of their own: those of a tenth of a second. */
  get grainBytes(): number {
    const rate = this.#rate();
    return rate === null ? Number.MAX_SAFE_INTEGER : Math.max(1, Math.floor(rate / 10));
  }

  /** Holds the connection to a pace until that is lifted. */
  hold(pace: Pace): void {
    if (this.#ended || pace.isLifted || this.#paces.has(pace)) return;
    const forget = pace.onLift(() => {
      this.#paces.delete(pace);
      this.#hurry();
    });
    this.#paces.set(pace, forget);
  }

  /** Calls `done` when so many bytes may have passed: at once while nothing holds them. */
  charge(bytes: number, done: () => void): void {
    if (this.#ended) return;
    if (!this.isHolding) return done();
    this.#waiting.push({ bytes, done });
    if (this.#waiting.length === 1) this.#next();
  }

  /** Ends all waits; what waits is dropped. */
  end(): void {
    this.#ended = true;
    this.#timer?.cancel();
    this.#waiting.length = 0;
    for (const forget of this.#paces.values()) forget();
    this.#paces.clear();
  }

  #rate(): number | null {
    let least: number | null = null;
    for (const { bytesPerSecond } of this.#paces.keys()) {
      if (least === null || bytesPerSecond < least) least = bytesPerSecond;
    }
    return least;
  }

  #next(): void {
    const load = this.#waiting[0];
    if (load === undefined) return;
    const rate = this.#rate();
    const nowMs = this.#clock.monotonicMs();
    this.#dueMs = Math.max(this.#dueMs, nowMs - GRAIN_MS);
    if (rate !== null) this.#dueMs += (load.bytes / rate) * 1000;
    this.#timer = this.#clock.after(Math.max(0, this.#dueMs - nowMs), () => this.#release());
  }

  #release(): void {
    this.#timer = null;
    const load = this.#waiting[0];
    // The load stays in line meanwhile, so that what it sets off comes behind it.
    load?.done();
    if (this.#ended) return;
    this.#waiting.shift();
    this.#next();
  }

  /** A pace is gone: what waits for it goes now, the rest by what still holds. */
  #hurry(): void {
    if (this.#timer === null) return;
    this.#timer.cancel();
    this.#dueMs = this.#clock.monotonicMs();
    this.#timer = this.#clock.after(0, () => this.#release());
  }
}
