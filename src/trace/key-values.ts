/** The part of LevelDB that reading records needs. */
export interface KeyValues {
  /** Its owner closes it. */
  iterator(range: KeyRange): Slices<[string, string]>;
  getMany(keys: string[]): Promise<Array<string | undefined>>;
  /** The same for values that are not text. */
  getBuffers(keys: string[]): Promise<Array<Buffer | undefined>>;
}

/** Keys between these two, both left out. */
export interface KeyRange {
  gt: string;
  lt: string;
  reverse?: boolean;
  /** Whether what is read stays in LevelDB's cache. */
  fillCache?: boolean;
  /** Read ahead at a time. */
  highWaterMarkBytes?: number;
}

export interface Slices<T> {
  /** At most `size` further ones; none when the range is at its end. */
  nextv(size: number): Promise<T[]>;
  all(): Promise<T[]>;
  close(): Promise<void>;
}
