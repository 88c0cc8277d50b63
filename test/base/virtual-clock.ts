import type { Clock, Timer } from '../../src/base/clock.js';

interface Waiting {
  dueMs: number;
  /** Timers of the same due time fire in the order in which they were made. */
  order: number;
  task: () => void;
}

/** Time that moves only when a test says so. Timers fire in the order of their due times. */
export class VirtualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #made = 0;
  /** What each look at the monotonic time takes. */
  perLookMs = 0;
  readonly #timers = new Set<Waiting>();

  constructor(startMs = Date.UTC(2026, 0, 5, 12)) {
    this.#wallMs = startMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    this.#move(this.perLookMs);
    return this.#monotonicMs;
  }

  after(delayMs: number, task: () => void): Timer {
    const dueMs = this.#monotonicMs + Math.max(0, delayMs);
    const timer: Waiting = { dueMs, order: this.#made++, task };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Timers that have not fired and were not cancelled. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Delays from now until each timer, shortest first. */
  get delaysMs(): number[] {
    return this.#inOrder().map(({ dueMs }) => dueMs - this.#monotonicMs);
  }

  /** Lets time pass; each timer that comes due sees the time at which it is due. */
  advance(ms: number): void {
    const endMs = this.#monotonicMs + ms;
    for (;;) {
      const next = this.#inOrder()[0];
      if (next === undefined || next.dueMs > endMs) break;
      this.#timers.delete(next);
      this.#move(Math.max(0, next.dueMs - this.#monotonicMs));
      next.task();
    }
    this.#move(Math.max(0, endMs - this.#monotonicMs));
  }

  /** Somebody sets the clock: wall time jumps, durations do not. */
  setWall(nowMs: number): void {
    this.#wallMs = nowMs;
  }

  #move(ms: number): void {
    this.#monotonicMs += ms;
    this.#wallMs += ms;
  }

  #inOrder(): Waiting[] {
    return [...this.#timers].sort((a, b) => a.dueMs - b.dueMs || a.order - b.order);
  }
}
