const MAX_WAITING = 200;

/**
 * Work of one key after the other, so that a client with many sessions has one place in a line that
 * others wait in too. Keys do not wait for each other.
 */
export class Turns {
  readonly #lines = new Map<string, { last: Promise<unknown>; length: number }>();

  /** @returns 'busy', at once, when too much of this key waits already */
  async run<T>(key: string, work: () => Promise<T>): Promise<T | 'busy'> {
    const line = this.#lines.get(key) ?? { last: Promise.resolve(), length: 0 };
    if (line.length >= MAX_WAITING) {
      return 'busy';
    }
    this.#lines.set(key, line);
    line.length++;
    const turn = line.last.then(work);
    // What fails fails for who asked alone.
    line.last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      if (--line.length === 0) {
        this.#lines.delete(key);
      }
    }
  }
}
