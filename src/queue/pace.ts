/** Replies that ask for less and come within this time are one signal: they left together. */
const SIGNAL_MS = 1000;
const SLOWEST = 1 / 64;

/**
 * How much of its capacity a queue uses, by what the hop says. Each request for less halves what was
 * in use, down to one message in 64 seconds; each message that is taken speeds up again: doubling
 * below one connection, about one connection more for each round of messages above.
 */
export class Pace {
  /** Connections in use at most; below 1 it is one, with pauses between its messages. */
  #window = Infinity;
  #slowedAtMs = -Infinity;
  #startedAtMs = -Infinity;

  /** True while the queue is slower than its capacity allows. */
  get slowed(): boolean {
    return this.#window !== Infinity;
  }

  /** Connections that may be used at once. */
  connections(maxConnections: number): number {
    return Math.max(1, Math.floor(Math.min(maxConnections, this.#window)));
  }

  /** How long the next message has to wait; 0 when it may start now. */
  waitMs(nowMs: number): number {
    return this.#window >= 1 ? 0 : Math.max(0, this.#startedAtMs + 1000 / this.#window - nowMs);
  }

  started(nowMs: number): void {
    this.#startedAtMs = nowMs;
  }

  /** @param inUse messages under way when the hop asked for less, at least 1 */
  slowDown(inUse: number, nowMs: number): void {
    if (nowMs - this.#slowedAtMs >= SIGNAL_MS) {
      this.#slowedAtMs = nowMs;
      this.#window = Math.max(SLOWEST, Math.min(this.#window, Math.max(1, inUse)) / 2);
    }
  }

  /** The hop took a message. */
  speedUp(maxConnections: number): void {
    this.#window = this.#window < 1 ? this.#window * 2 : this.#window + 1 / this.#window;
    if (this.#window >= maxConnections) {
      this.#window = Infinity;
    }
  }
}
