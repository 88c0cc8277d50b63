/**
 * A bounded map that forgets the oldest half of its keys at once: those that were set longest ago.
 * Each step costs the same; a `Map` whose first key is taken out again and again has to walk over
 * all that stood before it.
 */
export class Generations<Value> {
  readonly #maxKeys: number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();

  /** @param maxKeys that are remembered at most; at least half of them are */
  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): Value | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  set(key: string, value: Value): void {
    if (this.#young.size >= this.#maxKeys / 2 && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#old.delete(key);
    this.#young.set(key, value);
  }
}
