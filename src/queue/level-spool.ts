import type { Readable } from 'node:stream';
import type { Disk } from '../base/disk.js';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import { isNumber, isText, objectOf } from '../base/form.js';
import { isQueueId } from '../base/identifiers.js';
import { verified } from './body-file.js';
import type { BodyMemory } from './body-memory.js';
import { SpillingBodyWriter } from './body-writer.js';
import { GroupCommit, type Write } from './group-commit.js';
import type { Item } from './item.js';
import { applyProgress, decodeItem, encodeItem, encodeProgress } from './record-format.js';
import { findKeys, forgetKeys, keyOperations } from './key-records.js';
import type { QueueSettings } from './settings.js';
import {
  type AlsoDurable,
  type BodyWriter,
  type Corrupt,
  type DeliveryKey,
  type FinishedBody,
  type Note,
  type ScanEntry,
  type Spool,
  type StoredMessage,
  UNREADABLE_PART,
} from './spool.js';
import type { StoreDamage } from './store-check.js';
import { MESSAGE_PREFIX, messageKey, PROGRESS_SUFFIX, progressKey } from './store-keys.js';
import { LevelStore, type Store, type StoreIterator, type StoreOperation } from './store.js';

/** Records read ahead by a scan. */
const SCAN_BATCH = 64;
const NOTE_PREFIX = 'n!';

/**
 * The embedded spool on LevelDB, with bodies that are too large for it in files beside it. One
 * process per folder; LevelDB's lock refuses a second.
 */
export class LevelSpool implements Spool {
  readonly #folder: string;
  readonly #bodies: string;
  readonly #disk: Disk;
  readonly #inlineBytes: number;
  readonly #memory: BodyMemory;
  readonly #store: Store;
  readonly #commit: GroupCommit;
  /** What the store lost before it was opened. */
  #damages: StoreDamage[] = [];
  /** While the store is opened again, readers wait at it: as long as one try takes. */
  #gate: Gate | null = null;
  /** Body files whose messages were to be removed, or were refused, when the spool failed. */
  readonly #filesOwed: string[] = [];
  /** Messages of this process that have nothing but their own record in the store. */
  readonly #unchanged = new WeakSet<Item>();
  /** Body files that stood there at the start and that no record has named yet. */
  #unclaimed = new Set<string>();

  constructor(
    { directory: folder, inlineBodyBytes }: Pick<QueueSettings, 'directory' | 'inlineBodyBytes'>,
    disk: Disk,
    memory: BodyMemory,
    store: Store = new LevelStore(folder),
  ) {
    this.#folder = folder;
    this.#bodies = `${folder}/bodies`;
    this.#disk = disk;
    this.#inlineBytes = inlineBodyBytes;
    this.#memory = memory;
    this.#store = store;
    this.#commit = new GroupCommit(store, folder);
  }

  get healthy(): boolean {
    return this.#commit.failure === null;
  }

  get failurePasses(): boolean {
    return this.#commit.passing;
  }

  onFailure(listener: (error: RelayError) => void): void {
    this.#commit.onFailure = listener;
  }

  async open(): Promise<void> {
    await this.#disk.makeFolder(this.#bodies);
    await this.#disk.syncFolder(this.#folder);
    this.#damages = await this.#check();
    try {
      await this.#store.open();
    } catch (error) {
      throw this.#openError(error);
    }
    await this.#commit.resume();
    this.#unclaimed = new Set(await this.#disk.list(this.#bodies));
  }

  /** What cannot be read at all is for the opening to say. */
  async #check(): Promise<StoreDamage[]> {
    try {
      return (await this.#store.check?.()) ?? [];
    } catch (error) {
      if (error instanceof RelayError) {
        throw error;
      }
      return [];
    }
  }

  async reopen(): Promise<void> {
    const gate = new Gate();
    this.#gate = gate;
    try {
      await this.#commit.settled();
      await this.#openAgain();
    } catch (error) {
      // Until the next try, readers hear it at once.
      gate.refuse(this.#commit.failure ?? new Error(messageOf(error)));
      throw error;
    }
    gate.open();
    this.#gate = null;
  }

  /** And makes good what was refused. */
  async #openAgain(): Promise<void> {
    await this.#store.close();
    try {
      await this.#store.open();
    } catch (error) {
      throw this.#openError(error);
    }
    await this.#commit.resume();
    for (const id of this.#filesOwed.splice(0)) {
      await this.#disk.remove(`${this.#bodies}/${id}`);
    }
  }

  /** What was handed over before is written first, also where nobody waits for it. */
  async close(): Promise<void> {
    await this.#commit.settled();
    if (!this.healthy) {
      // The next process must not find what was refused. If the medium refuses this, too, it may.
      await this.#openAgain().catch(() => undefined);
    }
    await this.#store.close();
  }

  writeBody(id: string): BodyWriter {
    return new SpillingBodyWriter(this.#disk, this.#bodies, id, this.#inlineBytes, this.#memory);
  }

  accept(item: Item, body: FinishedBody, also: AlsoDurable = {}): Promise<void> {
    return this.#commit.write(this.#acceptance(item, body, also)).catch((error: unknown) => {
      this.#memory.release(item.id);
      if (body.kind === 'file') {
        // It goes with the record, which may be there all the same.
        this.#filesOwed.push(item.id);
      }
      throw error;
    });
  }

  #acceptance(item: Item, body: FinishedBody, { settles, note, keys = [] }: AlsoDurable): Write {
    const record = encodeItem(item, body.kind === 'inline' ? body : null);
    const own: StoreOperation = { type: 'put', key: messageKey(item.id), value: record };
    this.#unchanged.add(item);
    if (settles === undefined && note === undefined && keys.length === 0) {
      return {
        operations: [own],
        sync: true,
        // Nobody was promised anything.
        ifRefused: () => [{ type: 'del', key: own.key }],
      };
    }
    const operations = [own, ...keyOperations(keys, item.id)];
    if (note !== undefined) {
      const value = Buffer.from(JSON.stringify({ untilMs: note.untilMs, value: note.value }));
      operations.push({ type: 'put', key: NOTE_PREFIX + note.key, value });
    }
    // Without the values: what was refused is not kept in memory.
    const undo = operations.map(({ key }): StoreOperation => ({ type: 'del', key }));
    if (settles !== undefined) {
      operations.push(this.#progress(settles));
    }
    return {
      operations,
      sync: true,
      // The item that it would have settled is as it is by then.
      ifRefused: () => (settles === undefined ? undo : [...undo, this.#progress(settles)]),
    };
  }

  async recall(key: string, nowMs: number): Promise<string | null> {
    await this.#gate?.passed;
    const note = readNote(await this.#store.get(NOTE_PREFIX + key));
    return note === null || note.untilMs <= nowMs ? null : note.value;
  }

  eraseNotes(keys: readonly string[]): Promise<void> {
    return this.#write(keys.map((key) => ({ type: 'del', key: NOTE_PREFIX + key })));
  }

  async findKeys(keys: readonly DeliveryKey[]): Promise<Array<string | null>> {
    await this.#gate?.passed;
    return findKeys(this.#store, keys);
  }

  async forgetKeys(bornBeforeMs: number, nowMs: number, maxBytes: number): Promise<number | null> {
    await this.#gate?.passed;
    const write = (operations: StoreOperation[]): Promise<void> => this.#write(operations);
    return forgetKeys(this.#store, write, bornBeforeMs, nowMs, maxBytes);
  }

  async forgetNotes(nowMs: number): Promise<void> {
    await this.#gate?.passed;
    const iterator = this.#store.iterator({ gt: NOTE_PREFIX, lt: `${NOTE_PREFIX}~` });
    try {
      for (;;) {
        const notes = await iterator.nextv(SCAN_BATCH);
        if (notes.length === 0) {
          return;
        }
        const over = notes.filter(([, value]) => (readNote(value)?.untilMs ?? 0) <= nowMs);
        if (over.length > 0) {
          await this.#write(over.map(([key]) => ({ type: 'del', key })));
        }
      }
    } finally {
      await iterator.close();
    }
  }

  update(item: Item, { sync } = { sync: false }): Promise<void> {
    const operations = [this.#progress(item)];
    return this.#commit.write({ operations, sync, ifRefused: () => operations });
  }

  remove(item: Item, { sync } = { sync: false }): Promise<void> {
    const { id } = item;
    const own: StoreOperation = { type: 'del', key: messageKey(id) };
    const operations = this.#unchanged.has(item) ? [own] : [own, removalOfProgress(id)];
    return item.body.kind === 'file'
      ? this.#removeWithFile(id, operations)
      : this.#commit.write({ operations, sync, ifRefused: () => operations });
  }

  removeCorrupt(id: string): Promise<void> {
    const operations: StoreOperation[] = [
      { type: 'del', key: messageKey(id) },
      removalOfProgress(id),
    ];
    // The name comes from a record's key, which may be damaged as well.
    return isQueueId(id)
      ? this.#removeWithFile(id, operations)
      : this.#commit.write({ operations, sync: true, ifRefused: () => operations });
  }

  async #removeWithFile(id: string, operations: readonly StoreOperation[]): Promise<void> {
    try {
      // A file must not be gone while a power cut could still bring its record back.
      await this.#commit.write({ operations, sync: true, ifRefused: () => operations });
    } catch (error) {
      this.#filesOwed.push(id);
      throw error;
    }
    await this.#disk.remove(`${this.#bodies}/${id}`);
  }

  /** The stored states of an item, as they are now. */
  #progress(item: Item): StoreOperation {
    this.#unchanged.delete(item);
    return { type: 'put', key: progressKey(item.id), value: encodeProgress(item) };
  }

  async compact(): Promise<void> {
    await this.#gate?.passed;
    // LevelDB chooses what to compact before it writes out what is in memory: the second time it
    // has all of it, and costs next to nothing if the first did.
    for (let time = 0; time < 2; time++) {
      await this.#store.compactRange(MESSAGE_PREFIX, `${MESSAGE_PREFIX}~`);
    }
  }

  scan(): AsyncGenerator<ScanEntry> {
    // An iterator sees the store as it is now, whatever is written while it runs.
    // Without an end: nothing sorts behind messages but what damage has made of their keys.
    return this.#entries(this.#store.iterator({ gt: MESSAGE_PREFIX }));
  }

  async *#entries(iterator: StoreIterator): AsyncGenerator<ScanEntry> {
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
    for (const corrupt of this.#damages.flatMap(lostRecords)) {
      // A body file may be all that is left of it.
      this.#unclaimed.delete(corrupt.id);
      yield { kind: 'corrupt', corrupt };
    }
    await this.#sweep();
  }

  peek(id: string): StoredMessage | { reason: string } | null {
    if (this.#gate !== null) {
      throw this.#commit.failure ?? new Error('the store is being opened again');
    }
    // Its progress first: a removal, which takes both, may come in between, and the record alone would
    // say that nothing of it was delivered.
    const progress = this.#store.getSync(progressKey(id));
    const record = this.#store.getSync(messageKey(id));
    if (record === undefined) {
      return null;
    }
    const decoded = decodeRecord(id, record);
    return 'reason' in decoded || progress === undefined || applyProgress(decoded.item, progress)
      ? decoded
      : { reason: UNREADABLE_PROGRESS };
  }

  async openBody(item: Item): Promise<Buffer | Readable | null> {
    const path = `${this.#bodies}/${item.id}`;
    try {
      if (item.body.kind === 'file') {
        const size = await this.#disk.sizeBytes(path);
        return size === item.body.sizeBytes
          ? verified(await this.#disk.read(path), item.body.crc32)
          : null;
      }
      await this.#gate?.passed;
      const record = await this.#store.get(messageKey(item.id));
      const decoded = record === undefined ? null : decodeItem(record);
      return decoded !== null && 'body' in decoded ? decoded.body : null;
    } catch (error) {
      throw new RelayError('BODY_NOT_READABLE', `a body cannot be read now: ${messageOf(error)}`, {
        fault: 'system',
        where: item.body.kind === 'file' ? path : this.#folder,
        hint: 'Check the disk and the limit of open files; the message waits.',
        cause: error,
      });
    }
  }

  #readEntry(id: string, value: Buffer): ScanEntry {
    const decoded = decodeRecord(id, value);
    // Also the file of a damaged record is kept: it may be all that is left of a message.
    this.#unclaimed.delete(id);
    return 'reason' in decoded
      ? { kind: 'corrupt', corrupt: { id, reason: decoded.reason } }
      : { kind: 'item', item: decoded.item };
  }

  /** Removes body files of messages that never got their 250; what stays is tried at the next start. */
  async #sweep(): Promise<void> {
    for (const name of this.#unclaimed) {
      await this.#disk.remove(`${this.#bodies}/${name}`).catch(() => undefined);
    }
    this.#unclaimed.clear();
  }

  /** What need not be on the medium when it resolves; if it is refused, it is written later. */
  #write(operations: StoreOperation[]): Promise<void> {
    return this.#commit.write({ operations, sync: false, ifRefused: () => operations });
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

/** One entry for each message that was in a damaged part of the store, or one for the part. */
function lostRecords({ file, copy, offset, bytes, queueIds }: StoreDamage): Corrupt[] {
  const kept = copy === null ? 'it could not be copied' : `it is kept as ${copy}`;
  const reason = `${file} is damaged from byte ${offset} on, ${bytes} bytes were lost; ${kept}`;
  const ids = queueIds.length === 0 ? [UNREADABLE_PART] : queueIds;
  return ids.map((id) => ({ id, reason }));
}

/** Lets those who wait pass all at once. */
class Gate {
  open: () => void = () => undefined;
  refuse: (error: Error) => void = () => undefined;
  readonly passed = new Promise<void>((resolve, reject) => {
    this.open = resolve;
    this.refuse = reject;
  });

  constructor() {
    // Perhaps nobody waits.
    this.passed.catch(() => undefined);
  }
}

const isNote = objectOf({ untilMs: isNumber, value: isText });

/** Null for what is missing or damaged: then the answer is not known any more. */
function readNote(bytes: Buffer | undefined): Omit<Note, 'key'> | null {
  try {
    const note: unknown = bytes === undefined ? null : JSON.parse(bytes.toString('utf8'));
    return isNote(note) ? (note as Omit<Note, 'key'>) : null;
  } catch {
    return null;
  }
}

function removalOfProgress(id: string): StoreOperation {
  return { type: 'del', key: progressKey(id) };
}

/** Under the id of another it would be sent, and never removed. */
function decodeRecord(id: string, record: Buffer): ReturnType<typeof decodeItem> {
  const decoded = decodeItem(record);
  return 'reason' in decoded || decoded.item.id === id
    ? decoded
    : { reason: 'item is stored in the place of another' };
}

const UNREADABLE_PROGRESS = 'stored progress cannot be read';

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
      corrupt: { id: current.id, reason: UNREADABLE_PROGRESS },
    };
  }
}
