/** The chunk of a row is its number without so many of the lowest bits. */
export const CHUNK_SHIFT = 10;
export const CHUNK_ROWS = 1 << CHUNK_SHIFT;
/** Of a queue id as `newQueueId` makes it. */
export const ID_BYTES = 18;

/** Columns of so many rows, in one piece of memory outside of the heap. All of them begin with 0. */
export class RowChunk {
  readonly bornMs: Float64Array;
  readonly sizeBytes: Float64Array;
  readonly dueAtMs: Float64Array;
  /** The row that follows in the same list, plus one; 0: none. */
  readonly next: Uint32Array;
  readonly place: Uint32Array;
  readonly flags: Uint8Array;
  /** Latin-1. */
  readonly ids: Buffer;
  /** Rows that are in use. */
  used = 0;
  /** The first row that is not, plus one; 0: none. The others follow by `next`. */
  free = 1;

  constructor() {
    const columns = new ArrayBuffer(CHUNK_ROWS * (3 * 8 + 2 * 4 + 1 + ID_BYTES));
    let at = 0;
    const next = (bytes: number): number => {
      at += bytes * CHUNK_ROWS;
      return at - bytes * CHUNK_ROWS;
    };
    this.bornMs = new Float64Array(columns, next(8), CHUNK_ROWS);
    this.sizeBytes = new Float64Array(columns, next(8), CHUNK_ROWS);
    this.dueAtMs = new Float64Array(columns, next(8), CHUNK_ROWS);
    this.next = new Uint32Array(columns, next(4), CHUNK_ROWS);
    this.place = new Uint32Array(columns, next(4), CHUNK_ROWS);
    this.flags = new Uint8Array(columns, next(1), CHUNK_ROWS);
    this.ids = Buffer.from(columns, next(ID_BYTES), CHUNK_ROWS * ID_BYTES);
    for (let index = 0; index < CHUNK_ROWS - 1; index++) {
      this.next[index] = index + 2;
    }
  }

  /** A row that was free; there is one. */
  take(): number {
    const index = this.free - 1;
    this.free = this.next[index] as number;
    this.used++;
    return index;
  }

  giveBack(index: number): void {
    this.next[index] = this.free;
    this.free = index + 1;
    this.used--;
  }
}
