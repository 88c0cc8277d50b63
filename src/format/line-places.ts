/**
 * Where the characters of a text stand. The line counter of the YAML library forgets the line ends
 * within what it cannot parse, so that every place behind them would be wrong.
 */
export class LinePlaces {
  /** Offset of the first character of each line. */
  readonly #starts: number[] = [0];
  readonly #length: number;

  constructor(text: string) {
    this.#length = text.length;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', end + 1)) {
      this.#starts.push(end + 1);
    }
  }

  /** Both from 1; columns count UTF-16 units. An offset outside of the text has its nearest place. */
  at(offset: number): { line: number; column: number } {
    const within = Math.min(Math.max(offset, 0), this.#length);
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] as number) <= within) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return { line: low + 1, column: within - (this.#starts[low] as number) + 1 };
  }
}
