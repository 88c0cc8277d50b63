/** Something that waits, and about how much memory it holds. */
export interface Sized {
  bytes: number;
}

/** Beyond this many places that were left, the others move up. */
const MAX_EMPTY_PLACES = 1024;

/** First in, first out, bounded in number and bytes: beyond either, the oldest go. */
export class SpanQueue<T extends Sized> {
  readonly #most: { spans: number; bytes: number };
  #entries: T[] = [];
  /** Index of the oldest; what lies before it has left. */
  #first = 0;
  #bytes = 0;

  constructor(most: { spans: number; bytes: number }) {
    this.#most = most;
  }

  get size(): number {
    return this.#entries.length - this.#first;
  }

  /** @returns how many older ones had to go; the new one itself where it alone is too large. */
  push(entry: T): number {
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    let dropped = 0;
    while (this.size > this.#most.spans || this.#bytes > this.#most.bytes) {
      this.#shift();
      dropped++;
    }
    return dropped;
  }

  /** The oldest ones, at least one where there is one. */
  take(most: { spans: number; bytes: number }): T[] {
    const taken: T[] = [];
    let bytes = 0;
    while (taken.length < most.spans) {
      const next = this.#entries[this.#first];
      if (next === undefined || (taken.length > 0 && bytes + next.bytes > most.bytes)) break;
      bytes += next.bytes;
      this.#shift();
      taken.push(next);
    }
    return taken;
  }

  /** @returns how many there were. */
  clear(): number {
    const { size } = this;
    this.#entries = [];
    this.#first = 0;
    this.#bytes = 0;
    return size;
  }

  #shift(): void {
    this.#bytes -= (this.#entries[this.#first] as T).bytes;
    this.#entries[this.#first] = undefined as unknown as T;
    this.#first++;
    if (this.#first > MAX_EMPTY_PLACES && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }
}
