import type { Readable } from 'node:stream';
import { ClassicLevel, type BatchOperation, type Iterator } from 'classic-level';
import type { Disk } from '../base/disk.js';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import { SpillingBodyWriter } from './body-writer.js';
import type { Item } from './item.js';
import { applyProgress, decodeItem, encodeItem, encodeProgress } from './record-format.js';
import type { AlsoDurable, BodyWriter, FinishedBody, Note, ScanEntry, Spool } from './spool.js';

type Store = ClassicLevel<string, Buffer>;
type Operation = BatchOperation<Store, string, Buffer>;

/** Records read ahead by a scan. */
const SCAN_BATCH = 64;
const MESSAGE_PREFIX = 'q!';
const NOTE_PREFIX = 'n!';
/** Sorts right behind the message's own key, so that one pass reads both. */
const PROGRESS_SUFFIX = '!p';

interface Write {
  operations: Operation[];
  sync: boolean;
  done: () => void;
  failed: (error: RelayError) => void;
}

/**
 * The embedded spool on LevelDB. Group commit without a timer: whatever waits while a write is
 * running goes into the next one together, so the running sync is the batching window. One process
 * per folder; LevelDB's lock refuses a second.
 */
export class LevelSpool implements Spool {
  readonly #folder: string;
  readonly #bodies: string;
  readonly #disk: Disk;
  readonly #inlineBytes: number;
  readonly #store: Store;
  #waiting: Write[] = [];
  #writing = false;
  /** Resolves when the writes that are under way have ended. */
  #idle: Promise<void> = Promise.resolve();
  #failure: RelayError | null = null;
  /** Body files that stood there at the start and that no record has named yet. */
  #unclaimed = new Set<string>();

  constructor(folder: string, disk: Disk, inlineBytes: number) {
    this.#folder = folder;
    this.#bodies = `${folder}/bodies`;
    this.#disk = disk;
    this.#inlineBytes = inlineBytes;
    this.#store = new ClassicLevel(`${folder}/store`, {
      keyEncoding: 'utf8',
      valueEncoding: 'buffer',
      // Mail is mostly base64 or short-lived: compressing it costs more than it saves.
      compression: false,
      writeBufferSize: 16 * 1024 * 1024,
    });
  }

  get healthy(): boolean {
    return this.#failure === null;
  }

  async open(): Promise<void> {
    await this.#disk.makeFolder(this.#bodies);
    await this.#disk.syncFolder(this.#folder);
    try {
      await this.#store.open();
    } catch (error) {
      throw this.#openError(error);
    }
    this.#failure = null;
    this.#unclaimed = new Set(await this.#disk.list(this.#bodies));
  }

  /** What was handed over before is written first, also where nobody waits for it. */
  async close(): Promise<void> {
    while (this.#writing) {
      await this.#idle;
    }
    await this.#store.close();
  }

  writeBody(id: string): BodyWriter {
    return new SpillingBodyWriter(this.#disk, this.#bodies, id, this.#inlineBytes);
  }

  accept(item: Item, body: FinishedBody, { settles, note }: AlsoDurable = {}): Promise<void> {
    const record = encodeItem(item, body.kind === 'inline' ? body.bytes : null);
    const operations: Operation[] = [{ type: 'put', key: messageKey(item.id), value: record }];
    if (settles !== undefined) {
      operations.push({
        type: 'put',
        key: progressKey(settles.id),
        value: encodeProgress(settles),
      });
    }
    if (note !== undefined) {
      const value = Buffer.from(JSON.stringify({ untilMs: note.untilMs, value: note.value }));
      operations.push({ type: 'put', key: NOTE_PREFIX + note.key, value });
    }
    return this.#write(operations, true);
  }

  async recall(key: string, nowMs: number): Promise<string | null> {
    const note = readNote(await this.#store.get(NOTE_PREFIX + key));
    return note === null || note.untilMs <= nowMs ? null : note.value;
  }

  async forgetNotes(nowMs: number): Promise<void> {
    const iterator = this.#store.iterator({ gt: NOTE_PREFIX, lt: `${NOTE_PREFIX}~` });
    try {
      for (;;) {
        const notes = await iterator.nextv(SCAN_BATCH);
        if (notes.length === 0) {
          return;
        }
        const over = notes.filter(([, value]) => (readNote(value)?.untilMs ?? 0) <= nowMs);
        if (over.length > 0) {
          await this.#write(
            over.map(([key]) => ({ type: 'del', key })),
            false,
          );
        }
      }
    } finally {
      await iterator.close();
    }
  }

  update(item: Item): Promise<void> {
    const value = encodeProgress(item);
    return this.#write([{ type: 'put', key: progressKey(item.id), value }], false);
  }

  async remove(item: Item): Promise<void> {
    await this.#write(
      [
        { type: 'del', key: messageKey(item.id) },
        { type: 'del', key: progressKey(item.id) },
      ],
      false,
    );
    if (item.body.kind === 'file') {
      // After the record: a file without a record is swept at the next start, the reverse is not.
      await this.#disk.remove(`${this.#bodies}/${item.id}`);
    }
  }

  scan(): AsyncGenerator<ScanEntry> {
    // An iterator sees the store as it is now, whatever is written while it runs.
    return this.#entries(this.#store.iterator({ gt: MESSAGE_PREFIX, lt: `${MESSAGE_PREFIX}~` }));
  }

  async *#entries(iterator: Iterator<Store, string, Buffer>): AsyncGenerator<ScanEntry> {
    let current: { id: string; entry: ScanEntry } | null = null;
    try {
      for (;;) {
        const records = await iterator.nextv(SCAN_BATCH);
        if (records.length === 0) {
          break;
        }
        for (const [key, value] of records) {
          if (key.endsWith(PROGRESS_SUFFIX)) {
            applyStoredProgress(current, key, value);
            continue;
          }
          if (current !== null) {
            yield current.entry;
          }
          const id = key.slice(MESSAGE_PREFIX.length);
          current = { id, entry: this.#readEntry(id, value) };
        }
      }
      if (current !== null) {
        yield current.entry;
      }
    } finally {
      await iterator.close();
    }
    await this.#sweep();
  }

  async openBody(item: Item): Promise<Buffer | Readable | null> {
    if (item.body.kind === 'file') {
      const path = `${this.#bodies}/${item.id}`;
      const size = await this.#disk.sizeBytes(path);
      return size === item.body.sizeBytes ? this.#disk.read(path) : null;
    }
    const record = await this.#store.get(messageKey(item.id));
    if (record === undefined) {
      return null;
    }
    const decoded = decodeItem(record);
    return 'body' in decoded ? decoded.body : null;
  }

  #readEntry(id: string, value: Buffer): ScanEntry {
    const decoded = decodeItem(value);
    // Also the file of a damaged record is kept: it may be all that is left of a message.
    this.#unclaimed.delete(id);
    if ('reason' in decoded) {
      return { kind: 'corrupt', corrupt: { id, reason: decoded.reason } };
    }
    return { kind: 'item', item: decoded.item };
  }

  /** Removes body files of messages that never got their 250. */
  async #sweep(): Promise<void> {
    for (const name of this.#unclaimed) {
      await this.#disk.remove(`${this.#bodies}/${name}`);
    }
    this.#unclaimed.clear();
  }

  #write(operations: Operation[], sync: boolean): Promise<void> {
    if (this.#failure !== null) {
      return Promise.reject(this.#failure);
    }
    return new Promise((done, failed) => {
      this.#waiting.push({ operations, sync, done, failed });
      if (!this.#writing) {
        this.#writing = true;
        // One turn later, so that what arrives in the same turn shares the first write too.
        this.#idle = new Promise((resolve) => {
          setImmediate(() => void this.#writeAll().finally(resolve));
        });
      }
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const writes = this.#waiting;
      this.#waiting = [];
      const operations = writes.flatMap((write) => write.operations);
      try {
        await this.#store.batch(operations, { sync: writes.some((write) => write.sync) });
      } catch (error) {
        this.#fail(error, writes);
        break;
      }
      for (const write of writes) {
        write.done();
      }
    }
    this.#writing = false;
  }

  #fail(error: unknown, writes: Write[]): void {
    const failure = new RelayError(
      'SPOOL_FAILED',
      `the spool refused a write: ${messageOf(error)}`,
      {
        fault: 'system',
        where: this.#folder,
        hint: 'Check the disk (space, errors), then restart the node. Nothing unwritten was acknowledged.',
        cause: error,
      },
    );
    this.#failure = failure;
    for (const write of [...writes, ...this.#waiting]) {
      write.failed(failure);
    }
    this.#waiting = [];
  }

  #openError(error: unknown): RelayError {
    const cause = error instanceof Error ? error.cause : undefined;
    if (codeOf(cause) === 'LEVEL_LOCKED') {
      return new RelayError('SPOOL_IN_USE', 'another process uses this spool', {
        fault: 'operator',
        where: this.#folder,
        hint: 'A spool belongs to one process. Stop the other node, or give this one its own --data.',
        cause: error,
      });
    }
    const detail = cause instanceof Error ? cause.message : messageOf(error);
    return new RelayError('SPOOL_UNREADABLE', `the spool cannot be opened: ${detail}`, {
      fault: 'system',
      where: this.#folder,
      hint: 'Check the folder, its permissions and the disk.',
      cause: error,
    });
  }
}

/** Null for what is missing or damaged: then the answer is not known any more. */
function readNote(bytes: Buffer | undefined): Omit<Note, 'key'> | null {
  try {
    return bytes === undefined ? null : (JSON.parse(bytes.toString('utf8')) as Omit<Note, 'key'>);
  } catch {
    return null;
  }
}

function messageKey(id: string): string {
  return MESSAGE_PREFIX + id;
}

function progressKey(id: string): string {
  return MESSAGE_PREFIX + id + PROGRESS_SUFFIX;
}

/** Damaged progress makes the whole message corrupt: sending on a guess could double mail. */
function applyStoredProgress(
  current: { id: string; entry: ScanEntry } | null,
  key: string,
  value: Buffer,
): void {
  if (current === null || current.entry.kind !== 'item' || key !== progressKey(current.id)) {
    return;
  }
  if (!applyProgress(current.entry.item, value)) {
    current.entry = {
      kind: 'corrupt',
      corrupt: { id: current.id, reason: 'stored progress cannot be read' },
    };
  }
}
