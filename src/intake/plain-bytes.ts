const CR = 0x0d;
/** Fewer bytes than this are read one by one: a view of them would cost more than it saves. */
const MIN_VIEW_BYTES = 64;
const WORDS_A_STEP = 4;
/** In each byte of a word: one more than CR, and the highest bit. */
const ABOVE_CR = 0x0e0e0e0e;
const HIGH_BITS = 0x80808080;
const NO_WORDS = new Int32Array(0);

/**
 * The bytes of a chunk that say nothing about its lines: all above CR, so neither CR, LF nor NUL.
 * Nearly all content is of them, so they are passed over sixteen at a time.
 */
export class PlainBytes {
  readonly #chunk: Buffer;
  /** The whole words of the chunk, as they lie in memory. */
  readonly #words: Int32Array;
  /** Offset in the chunk at which the first word begins. */
  readonly #firstWordAt: number;
  /** Of all bytes that were passed over, combined by or. */
  #passed = 0;

  constructor(chunk: Buffer) {
    this.#chunk = chunk;
    const { buffer, byteOffset, length } = chunk;
    this.#firstWordAt = -byteOffset & 3;
    this.#words =
      length < MIN_VIEW_BYTES
        ? NO_WORDS
        : new Int32Array(buffer, byteOffset + this.#firstWordAt, (length - this.#firstWordAt) >> 2);
  }

  /** A byte above 127 was passed over. */
  get eightBit(): boolean {
    return (this.#passed & HIGH_BITS) !== 0;
  }

  /** The offset of the first byte from `from` on that is not plain; that of the end without one. */
  end(from: number): number {
    const chunk = this.#chunk;
    const words = this.#words;
    const firstWordAt = this.#firstWordAt;
    let passed = this.#passed;
    let at = from;
    let byte = 0;
    while (
      ((at - firstWordAt) & 3) !== 0 &&
      at < chunk.length &&
      (byte = chunk[at] as number) > CR
    ) {
      passed |= byte;
      at++;
    }
    if (((at - firstWordAt) & 3) === 0) {
      let word = (at - firstWordAt) >> 2;
      for (; word + WORDS_A_STEP <= words.length; word += WORDS_A_STEP) {
        const a = words[word] as number;
        const b = words[word + 1] as number;
        const c = words[word + 2] as number;
        const d = words[word + 3] as number;
        // A byte below 0x0e borrows into its highest bit, where it has none itself. A borrow may
        // pass for another such byte, but there is none without a real one below it.
        const low =
          ((a - ABOVE_CR) & ~a) |
          ((b - ABOVE_CR) & ~b) |
          ((c - ABOVE_CR) & ~c) |
          ((d - ABOVE_CR) & ~d);
        if ((low & HIGH_BITS) !== 0) {
          break;
        }
        passed |= a | b | c | d;
      }
      at = Math.max(at, firstWordAt + (word << 2));
    }
    while (at < chunk.length && (byte = chunk[at] as number) > CR) {
      passed |= byte;
      at++;
    }
    this.#passed = passed;
    return at;
  }
}
