/** A binary min-heap by due time: one timer serves all that waits, whatever its number. */
export class DueHeap<T> {
  readonly #dueMs: (value: T) => number;
  #values: T[] = [];

  /** @param dueMs the same for as long as the value is in here */
  constructor(dueMs: (value: T) => number) {
    this.#dueMs = dueMs;
  }

  get size(): number {
    return this.#values.length;
  }

  /** Due time of the first value, or null when empty. */
  get nextDueMs(): number | null {
    return this.#values.length === 0 ? null : this.#due(0);
  }

  push(value: T): void {
    this.#rise(this.#values.push(value) - 1);
  }

  /** Takes the first value if it is due. */
  popDue(nowMs: number): T | undefined {
    const first = this.#values[0];
    if (first === undefined || this.#due(0) > nowMs) {
      return undefined;
    }
    this.#removeAt(0);
    return first;
  }

  /** Takes out one value; false where it is not in here. What came in last is found first. */
  delete(value: T): boolean {
    const index = this.#values.lastIndexOf(value);
    if (index !== -1) {
      this.#removeAt(index);
    }
    return index !== -1;
  }

  /** Takes out those that match, in no order, with a look at all for each of them. */
  remove(matches: (value: T) => boolean): T[] {
    const removed: T[] = [];
    for (;;) {
      const index = this.#values.findIndex(matches);
      if (index === -1) {
        return removed;
      }
      removed.push(this.#values[index] as T);
      this.#removeAt(index);
    }
  }

  #removeAt(index: number): void {
    const last = this.#values.pop() as T;
    if (index < this.#values.length) {
      this.#values[index] = last;
      this.#sink(index);
      this.#rise(index);
    }
  }

  /** Takes everything out, in no order. */
  drain(): T[] {
    const all = this.#values;
    this.#values = [];
    return all;
  }

  /** Every value, in no order. */
  values(): Iterable<T> {
    return this.#values.values();
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
      if (left < this.#values.length && this.#due(left) < this.#due(least)) {
        least = left;
      }
      if (right < this.#values.length && this.#due(right) < this.#due(least)) {
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
    return this.#dueMs(this.#values[index] as T);
  }

  #swap(a: number, b: number): void {
    const values = this.#values;
    [values[a], values[b]] = [values[b] as T, values[a] as T];
  }
}
