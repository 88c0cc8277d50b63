import { newQueueId } from '../base/identifiers.js';
import type { Clock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import { messageOf, RelayError } from '../base/errors.js';
import { LevelStore, type Store, type StoreOperation } from './store.js';

/** What is to be published, and where: at each of the queues. */
export interface PendingResult {
  queues: string[];
  /** Of the message, shown by the broker's tools. */
  messageId: string;
  body: Buffer;
}

export interface StoredResult extends PendingResult {
  key: string;
  /** What it takes. */
  sizeBytes: number;
}

const PREFIX = 'r!';
const END = 'r!~';
const HEAD_LENGTH_BYTES = 4;
/** What a record takes in the store beside its value. */
const RECORD_BYTES = 64;
const REOPEN_AFTER_MS = 5000;

/**
 * What the broker has not got yet, on disk, oldest first. What was put has reached the operating
 * system: it survives the end of the process, and with `sync` that of the machine.
 */
export class ResultStore {
  readonly #folder: string;
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #maxBytes: number;
  #bytes = 0;
  #count = 0;
  /** Writes under way. */
  #putting = 0;
  /** Monotonic time of a write that failed, or of the last try to mend that. */
  #failedAtMs: number | null = null;

  constructor(
    { folder, maxBytes }: { folder: string; maxBytes: number },
    disk: Disk,
    clock: Clock,
    store: Store = new LevelStore(folder),
  ) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
    this.#disk = disk;
    this.#clock = clock;
    this.#store = store;
  }

  /** What it holds; about, after a start. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What was put since the start and has not been taken. */
  get count(): number {
    return this.#count;
  }

  /** Rejects with RESULTS_UNREADABLE. */
  async open(): Promise<void> {
    try {
      await this.#disk.makeFolder(this.#folder);
      await this.#store.check?.();
      await this.#store.open();
      this.#bytes = await this.#store.approximateSize(PREFIX, END);
    } catch (cause) {
      const reason = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
      const text = `the results that wait cannot be opened: ${messageOf(reason)}`;
      throw new RelayError('RESULTS_UNREADABLE', text, {
        fault: 'system',
        where: this.#folder,
        hint: 'Check the folder, its permissions and the disk, and that no other process uses it.',
        cause,
      });
    }
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  hasRoom(sizeBytes: number): boolean {
    return this.#bytes + sizeBytes <= this.#maxBytes;
  }

  /** @returns false when there is no room; rejects when the disk refuses */
  async put(result: PendingResult, { sync }: { sync: boolean }): Promise<boolean> {
    const value = encode(result);
    const sizeBytes = value.length + RECORD_BYTES;
    if (!this.hasRoom(sizeBytes)) {
      return false;
    }
    this.#bytes += sizeBytes;
    this.#count++;
    this.#putting++;
    const key = PREFIX + newQueueId(this.#clock.nowMs());
    try {
      await this.#write([{ type: 'put', key, value }], { sync });
    } catch (error) {
      this.#bytes -= sizeBytes;
      this.#count--;
      throw error;
    } finally {
      this.#putting--;
    }
    return true;
  }

  /** The oldest ones: at most so many, and no more than so many bytes beyond the first. */
  async oldest(most: number, maxBytes: number): Promise<StoredResult[]> {
    const iterator = this.#store.iterator({ gt: PREFIX, lt: END });
    const found: StoredResult[] = [];
    let bytes = 0;
    try {
      while (found.length < most && bytes < maxBytes) {
        const [record] = await iterator.nextv(1);
        if (record === undefined) {
          break;
        }
        const [key, value] = record;
        bytes += value.length;
        const result = decode(value);
        if (result === null) {
          await this.#write([{ type: 'del', key }], { sync: false });
        } else {
          found.push({ key, sizeBytes: value.length + RECORD_BYTES, ...result });
        }
      }
    } finally {
      await iterator.close();
    }
    if (found.length === 0 && this.#putting === 0) {
      this.#bytes = 0;
      this.#count = 0;
    }
    return found;
  }

  async remove(results: readonly StoredResult[]): Promise<void> {
    const operations = results.map(({ key }): StoreOperation => ({ type: 'del', key }));
    await this.#write(operations, { sync: false });
    for (const { sizeBytes } of results) {
      this.#bytes = Math.max(0, this.#bytes - sizeBytes);
      this.#count = Math.max(0, this.#count - 1);
    }
  }

  /** After a write that failed the store takes no other before it is opened again. */
  async #write(operations: StoreOperation[], options: { sync: boolean }): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#failedAtMs !== null) {
      if (nowMs - this.#failedAtMs < REOPEN_AFTER_MS) {
        throw new RelayError('RESULTS_UNREADABLE', 'the results that wait cannot be written', {
          fault: 'system',
          where: this.#folder,
          hint: 'Make room on the disk; it is tried again every few seconds.',
        });
      }
      this.#failedAtMs = nowMs;
      await this.#store.close();
      await this.#store.open();
      this.#failedAtMs = null;
    }
    try {
      await this.#store.batch(operations, options);
    } catch (error) {
      this.#failedAtMs = nowMs;
      throw error;
    }
  }
}

/** The length of the head, the head as JSON, the body. */
function encode({ queues, messageId, body }: PendingResult): Buffer {
  const head = Buffer.from(JSON.stringify({ queues, messageId }), 'utf8');
  const length = Buffer.alloc(HEAD_LENGTH_BYTES);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, body]);
}

/** Null for what is no result. */
function decode(value: Buffer): PendingResult | null {
  try {
    const end = HEAD_LENGTH_BYTES + value.readUInt32BE(0);
    const head = value.toString('utf8', HEAD_LENGTH_BYTES, end);
    const { queues, messageId } = JSON.parse(head) as Omit<PendingResult, 'body'>;
    return { queues, messageId, body: value.subarray(end) };
  } catch {
    return null;
  }
}
