import { ClassicLevel } from 'classic-level';
import { checkStore, type StoreDamage } from './store-check.js';

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
  /** Looks for damage while it is not open; rejects where opening it would do harm. */
  check?(): Promise<StoreDamage[]>;
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

/** The least that the library takes. */
const MAX_OPEN_FILES = 74;
const FILE_BYTES = 1024 * 1024;
/** Smaller ones are merged more often, which costs a twelfth of all that a small message takes. */
const WRITE_BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * The public `batch` copies, checks and encodes each operation: more than half of what a batch costs
 * the event loop. Ours are already as the binding takes them: keys as strings, values as buffers.
 */
class Level extends ClassicLevel<string, Buffer> {
  /** What `batch` ends in; it looks at nothing, so that the store has to be open. */
  declare readonly _batch: (
    operations: readonly StoreOperation[],
    options: { sync: boolean },
  ) => Promise<void>;

  write(operations: readonly StoreOperation[], options: { sync: boolean }): Promise<void> {
    return this.status === 'open'
      ? this._batch(operations, options)
      : Promise.reject(new Error(`the store is ${this.status}`));
  }
}

/** LevelDB in `folder/store`. Its lock refuses a second process. */
export class LevelStore implements Store {
  readonly #folder: string;
  #level: Level | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  check(): Promise<StoreDamage[]> {
    return checkStore(`${this.#folder}/store`, `${this.#folder}/damaged`);
  }

  async open(): Promise<void> {
    // Not before: the library opens what it makes by itself.
    this.#level ??= new Level(`${this.#folder}/store`, {
      keyEncoding: 'utf8',
      valueEncoding: 'buffer',
      // Mail is mostly base64 or short-lived: compressing it costs more than it saves.
      compression: false,
      // Each open file is mapped into memory: of a long queue not all of it, and no large pieces.
      maxOpenFiles: MAX_OPEN_FILES,
      maxFileSize: FILE_BYTES,
      // What is not merged stays in the files that it was written to in one go, each as large as this.
      writeBufferSize: WRITE_BUFFER_BYTES,
    });
    await this.#level.open();
  }

  async close(): Promise<void> {
    await this.#level?.close();
  }

  batch(operations: StoreOperation[], options: { sync: boolean }): Promise<void> {
    return this.#opened.write(operations, options);
  }

  get(key: string): Promise<Buffer | undefined> {
    return this.#opened.get(key);
  }

  getSync(key: string): Buffer | undefined {
    return this.#opened.getSync(key);
  }

  iterator(range: KeyRange): StoreIterator {
    return this.#opened.iterator(range);
  }

  approximateSize(start: string, end: string): Promise<number> {
    return this.#opened.approximateSize(start, end);
  }

  compactRange(start: string, end: string): Promise<void> {
    return this.#opened.compactRange(start, end);
  }

  get #opened(): Level {
    if (this.#level === null) {
      throw new Error('the store is not open');
    }
    return this.#level;
  }
}
