/** A body in memory, in the pieces in which it came. They are joined once, at its place in the record. */
export class InlineBody {
  readonly kind = 'inline';
  readonly sizeBytes: number;
  #pieces: readonly Buffer[];

  constructor(pieces: readonly Buffer[]) {
    this.#pieces = pieces;
    this.sizeBytes = pieces.reduce((sum, { length }) => sum + length, 0);
  }

  /** All of it: in the record, once it stands there. */
  get bytes(): Buffer {
    const [first = Buffer.alloc(0), ...others] = this.#pieces;
    if (others.length === 0) {
      return first;
    }
    const joined = Buffer.concat(this.#pieces, this.sizeBytes);
    this.#pieces = [joined];
    return joined;
  }

  /** Copies it into a record that nobody writes to afterwards, and lets the pieces go. */
  moveTo(record: Buffer, offset: number): void {
    let end = offset;
    for (const piece of this.#pieces) {
      piece.copy(record, end);
      end += piece.length;
    }
    this.#pieces = [record.subarray(offset, end)];
  }
}
