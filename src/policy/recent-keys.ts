import { Generations } from './generations.js';

/** Keys that were seen within a time, no more than `maxKeys` of them: those seen last stay. */
export class RecentKeys {
  readonly #lifetimeMs: number;
  /** When each was seen. */
  readonly #seenMs: Generations<number>;

  constructor(maxKeys: number, lifetimeMs: number) {
    this.#lifetimeMs = lifetimeMs;
    this.#seenMs = new Generations(maxKeys);
  }

  /** @param nowMs monotonic */
  add(key: string, nowMs: number): void {
    this.#seenMs.set(key, nowMs);
  }

  /** @param nowMs monotonic */
  has(key: string, nowMs: number): boolean {
    const seenMs = this.#seenMs.get(key);
    return seenMs !== undefined && nowMs - seenMs < this.#lifetimeMs;
  }
}
