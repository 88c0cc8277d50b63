/** Of the mail that came last at least so many, and at most twice as many. */
const KEPT = 20_000;

/**
 * When messages were accepted, by queue id and in monotonic time. Of a long queue only those that
 * came last are known: what waits behind so many others waits long enough for the wall clock.
 */
export class AcceptanceTimes {
  readonly #kept: number;
  #latest = new Map<string, number>();
  #earlier = new Map<string, number>();

  constructor(kept = KEPT) {
    this.#kept = kept;
  }

  get size(): number {
    return this.#latest.size + this.#earlier.size;
  }

  add(queueId: string, atMs: number): void {
    if (this.#latest.size >= this.#kept) {
      this.#earlier = this.#latest;
      this.#latest = new Map();
    }
    this.#latest.set(queueId, atMs);
  }

  get(queueId: string): number | undefined {
    return this.#latest.get(queueId) ?? this.#earlier.get(queueId);
  }

  delete(queueId: string): void {
    if (!this.#latest.delete(queueId)) {
      this.#earlier.delete(queueId);
    }
  }
}
