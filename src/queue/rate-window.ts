const WINDOW_MS = 60_000;

/**
 * At most so many events in any 60 seconds, wherever the 60 seconds begin. Memory is bounded by the
 * limit: only the events of the last minute are remembered, as many as the limit counts.
 */
export class RateWindow {
  /** Times of the latest events, oldest first from `#head` on. */
  #times: number[] = [];
  #head = 0;

  /** Notes an event. */
  add(nowMs: number): void {
    this.#forget(nowMs);
    this.#times.push(nowMs);
  }

  /** How long the next event has to wait; 0 when it may happen now. */
  waitMs(limit: number | null, nowMs: number): number {
    if (limit === null) {
      return 0;
    }
    this.#forget(nowMs);
    const blocking = this.#times[this.#times.length - limit];
    return this.#times.length - this.#head < limit || blocking === undefined
      ? 0
      : Math.max(0, blocking + WINDOW_MS - nowMs);
  }

  /** How long the latest event still counts; 0 when none does. */
  restMs(nowMs: number): number {
    const latestMs = this.#times.at(-1);
    return latestMs === undefined ? 0 : Math.max(0, latestMs + WINDOW_MS - nowMs);
  }

  #forget(nowMs: number): void {
    while (
      this.#head < this.#times.length &&
      (this.#times[this.#head] as number) <= nowMs - WINDOW_MS
    ) {
      this.#head++;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#times.length) {
      this.#times = this.#times.slice(this.#head);
      this.#head = 0;
    }
  }
}
