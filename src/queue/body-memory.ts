/**
 * One budget for the bodies of messages that are in memory: on their way in, and kept for their
 * first attempt. It refuses no mail: a body that gets nothing goes to its file, or is not kept.
 */
export class BodyMemory {
  readonly #limitBytes: () => number;
  readonly #held = new Map<string, number>();
  #usedBytes = 0;

  constructor(limitBytes: () => number) {
    this.#limitBytes = limitBytes;
  }

  get limitBytes(): number {
    return this.#limitBytes();
  }

  /** What all bodies hold; more than the limit only after that was lowered. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /**
   * From now on the body of a message holds `bytes` in all; less than before is always possible.
   *
   * @returns false when that is not to be had; it then holds what it held
   */
  hold(id: string, bytes: number): boolean {
    const more = bytes - (this.#held.get(id) ?? 0);
    if (more > 0 && this.#usedBytes + more > this.#limitBytes()) {
      return false;
    }
    this.#held.set(id, bytes);
    this.#usedBytes += more;
    return true;
  }

  release(id: string): void {
    this.#usedBytes -= this.#held.get(id) ?? 0;
    this.#held.delete(id);
  }
}
