import { ClassicLevel } from 'classic-level';

export type StoreOperation =
  | { type: 'put'; key: string; value: Buffer }
  | { type: 'del'; key: string };

/** Keys behind one, and before another if there is one; both left out, in ascending order. */
export interface KeyRange {
  gt: string;
  lt?: string;
}

/** What is read in slices; it sees the store as it was when it was made. Its owner closes it. */
export interface StoreIterator {
  /** At most `size` further records; none when the range is at its end. */
  nextv(size: number): Promise<Array<[string, Buffer]>>;
  close(): Promise<void>;
}

/**
 * The ordered key-value store under the embedded spool, as an argument, so that tests and the
 * simulation can make it fail and die.
 */
export interface Store {
  open(): Promise<void>;
  close(): Promise<void>;
  /** All or nothing. With `sync` it resolves when it, and all before it, are on the medium. */
  batch(operations: StoreOperation[], options: { sync: boolean }): Promise<void>;
  get(key: string): Promise<Buffer | undefined>;
  getSync(key: string): Buffer | undefined;
  iterator(range: KeyRange): StoreIterator;
  /** About how many bytes a range takes on the medium. */
  approximateSize(start: string, end: string): Promise<number>;
  /** Gives the room of what was deleted in a range back to the medium. */
  compactRange(start: string, end: string): Promise<void>;
}

/** LevelDB in a folder. Its lock refuses a second process. */
export function createLevelStore(folder: string): Store {
  return new ClassicLevel<string, Buffer>(folder, {
    keyEncoding: 'utf8',
    valueEncoding: 'buffer',
    // Mail is mostly base64 or short-lived: compressing it costs more than it saves.
    compression: false,
    writeBufferSize: 16 * 1024 * 1024,
  });
}
