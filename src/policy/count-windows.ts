import { Generations } from './generations.js';

/**
 * Counts by key, each in windows of a fixed length that begin with the first event. A step costs
 * the same for any number of keys, and no more of them are remembered than `maxKeys`: beyond it
 * those whose windows began first are forgotten.
 */
export class CountWindows {
  readonly #windows: Generations<{ endsMs: number; count: number }>;

  constructor(maxKeys: number) {
    this.#windows = new Generations(maxKeys);
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#windows.size;
  }

  /**
   * Counts an event.
   *
   * @param lengthMs of a window that begins with it
   * @param nowMs monotonic
   * @returns how many there were in the window, with this one
   */
  add(key: string, lengthMs: number, nowMs: number): number {
    const window = this.#windows.get(key);
    if (window !== undefined && window.endsMs > nowMs) {
      return ++window.count;
    }
    this.#windows.set(key, { endsMs: nowMs + lengthMs, count: 1 });
    return 1;
  }

  /** @param nowMs monotonic */
  count(key: string, nowMs: number): number {
    const window = this.#windows.get(key);
    return window !== undefined && window.endsMs > nowMs ? window.count : 0;
  }
}
