import type { Clock, Timer } from '../../src/base/clock.js';

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  readonly #due = new Set<{ atMs: number; task: () => void }>();

  constructor(nowMs = Date.UTC(2026, 0, 2, 3, 4, 5)) {
    this.#nowMs = nowMs;
    this.#startMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  after(delayMs: number, task: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, task };
    this.#due.add(timer);
    return { cancel: () => void this.#due.delete(timer) };
  }

  /** Runs what becomes due, in order. */
  advance(ms: number): void {
    this.#nowMs += ms;
    const due = [...this.#due].filter(({ atMs }) => atMs <= this.#nowMs);
    for (const timer of due.sort((a, b) => a.atMs - b.atMs)) {
      if (this.#due.delete(timer)) {
        timer.task();
      }
    }
  }
}
