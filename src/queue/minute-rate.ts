const SLOT_MS = 5000;
const SLOTS = 12;

/** How many events there were in the last minute, to five seconds; costs the same for any number. */
export class MinuteRate {
  readonly #counts = Array.from({ length: SLOTS }, () => 0);
  /** Number of the slot that was counted in last, since the clock began. */
  #last = 0;

  /** @param nowMs monotonic */
  add(nowMs: number, count: number): void {
    const slot = this.#advance(nowMs);
    this.#counts[slot % SLOTS] = (this.#counts[slot % SLOTS] ?? 0) + count;
  }

  /** @param nowMs monotonic */
  perMinute(nowMs: number): number {
    this.#advance(nowMs);
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** Empties the slots that have become too old. */
  #advance(nowMs: number): number {
    const slot = Math.floor(nowMs / SLOT_MS);
    const passed = Math.min(SLOTS, slot - this.#last);
    for (let step = 0; step < passed; step++) {
      this.#counts[(slot - step) % SLOTS] = 0;
    }
    this.#last = Math.max(this.#last, slot);
    return slot;
  }
}
