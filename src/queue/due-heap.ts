/** A binary min-heap by due time: one timer serves all that waits, whatever its number. */
export class DueHeap<T> {
  readonly #entries: Array<{ dueMs: number; value: T }> = [];

  get size(): number {
    return this.#entries.length;
  }

  /** Due time of the first entry, or null when empty. */
  get nextDueMs(): number | null {
    return this.#entries[0]?.dueMs ?? null;
  }

  push(dueMs: number, value: T): void {
    const entries = this.#entries;
    this.#rise(entries.push({ dueMs, value }) - 1);
  }

  /** Takes the first entry if it is due. */
  popDue(nowMs: number): T | undefined {
    const first = this.#entries[0];
    if (first === undefined || first.dueMs > nowMs) {
      return undefined;
    }
    this.#removeAt(0);
    return first.value;
  }

  /** Takes out those that match, in no order, with a look at all for each of them. */
  remove(matches: (value: T) => boolean): T[] {
    const removed: T[] = [];
    for (;;) {
      const index = this.#entries.findIndex(({ value }) => matches(value));
      const found = this.#entries[index];
      if (found === undefined) {
        return removed;
      }
      removed.push(found.value);
      this.#removeAt(index);
    }
  }

  #removeAt(index: number): void {
    const last = this.#entries.pop() as { dueMs: number; value: T };
    if (index < this.#entries.length) {
      this.#entries[index] = last;
      this.#sink(index);
      this.#rise(index);
    }
  }

  /** Takes everything out, in no order. */
  drain(): T[] {
    return this.#entries.splice(0).map((entry) => entry.value);
  }

  /** Every value, in no order. */
  *values(): Generator<T> {
    for (const entry of this.#entries) {
      yield entry.value;
    }
  }

  #rise(from: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#due(parent) <= this.#due(index)) {
        break;
      }
      this.#swap(index, parent);
      index = parent;
    }
  }

  #sink(from: number): void {
    let index = from;
    for (;;) {
      const left = index * 2 + 1;
      const right = left + 1;
      let least = index;
      if (left < this.#entries.length && this.#due(left) < this.#due(least)) {
        least = left;
      }
      if (right < this.#entries.length && this.#due(right) < this.#due(least)) {
        least = right;
      }
      if (least === index) {
        return;
      }
      this.#swap(index, least);
      index = least;
    }
  }

  #due(index: number): number {
    return this.#entries[index]?.dueMs ?? Infinity;
  }

  #swap(a: number, b: number): void {
    const entries = this.#entries;
    [entries[a], entries[b]] = [
      entries[b] as (typeof entries)[number],
      entries[a] as (typeof entries)[number],
    ];
  }
}
