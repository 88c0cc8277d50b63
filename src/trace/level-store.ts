import { rename, rm } from 'node:fs/promises';
import { ClassicLevel, type BatchOperation } from 'classic-level';
import NodeCache from 'node-cache';
import type { Clock, Timer } from '../base/clock.js';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { HopRecord } from './record.js';
import type { TraceSettings } from './settings.js';
import type { TracePage, TraceQuery, TraceStore } from './store.js';

type Store = ClassicLevel;
type Operation = BatchOperation<Store, string, string>;

const RECORD = 'r!';
const BY_TRACE = 't!';
const BY_MESSAGE_ID = 'm!';
const WRITE_BEHIND_MS = 500;
const RETRY_WRITE_MS = 5000;
/** Records that may wait to be written; one more writes at once. */
const MAX_UNWRITTEN = 2000;
/** A store that fails for good keeps so many in memory and drops the oldest. */
const MAX_KEPT_ON_FAILURE = 10_000;
const CACHE_RECORDS = 3000;
const CACHE_SECONDS = 300;
/** Records that one page of a list looks at. */
const MAX_SCANNED = 50_000;
const MAX_FOUND = 1000;
const PRUNE_EVERY_MS = 60_000;
const PRUNE_BATCH = 10_000;

/**
 * Hop records in LevelDB, with node-cache in front for those of recent mail. Keys: the record by
 * queue id (which sorts by time), and an index each by trace id and by Message-ID.
 */
export class LevelTraceStore implements TraceStore {
  readonly #settings: TraceSettings;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #store: Store;
  readonly #cache = new NodeCache({
    stdTTL: CACHE_SECONDS,
    checkperiod: 60,
    useClones: false,
    maxKeys: CACHE_RECORDS,
  });
  /** Ids in the cache, in the order in which they came. */
  readonly #cached = new Set<string>();
  /** Changed since the last write. */
  #unwritten = new Map<string, HopRecord>();
  /** Handed to the store, not yet confirmed: still the latest version for readers. */
  #beingWritten = new Map<string, HopRecord>();
  #writing: Promise<void> | null = null;
  #timer: Timer | null = null;
  #pruneTimer: Timer | null = null;
  #closed = false;
  /** The last write failed. */
  #failing = false;
  /** Records in the store, once they were counted. */
  #count = 0;
  #counted = false;

  /** While the store is opened again, readers wait. Never rejects. */
  #readable: Promise<void> = Promise.resolve();

  constructor(settings: TraceSettings, clock: Clock, log: Logger) {
    this.#settings = settings;
    this.#clock = clock;
    this.#log = log;
    this.#cache.on('del', (queueId: string) => this.#cached.delete(queueId));
    this.#store = new ClassicLevel(settings.directory, {
      keyEncoding: 'utf8',
      valueEncoding: 'utf8',
    });
  }

  /**
   * Rejects with `SPOOL_IN_USE` when another process has the data, and with `TRACE_STORE_FAILED`
   * when nothing can be opened there. A damaged store is put aside and a new one begun: traces must
   * not keep mail from flowing.
   */
  async open(): Promise<void> {
    const { directory } = this.#settings;
    try {
      await this.#store.open();
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      if (!/corrupt/i.test(messageOf(cause ?? error))) {
        throw openError(cause ?? error, directory);
      }
      const aside = `${directory}.damaged`;
      this.#log.error(
        { code: 'TRACE_STORE_FAILED', put_aside: aside },
        `the trace store is damaged: ${messageOf(cause ?? error)}`,
      );
      await rm(aside, { recursive: true, force: true });
      await rename(directory, aside);
      await this.#store.open();
    }
    this.#armPrune();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#pruneTimer?.cancel();
    await this.#writing;
    await this.#write();
    this.#cache.close();
    await this.#store.close();
  }

  put(record: HopRecord): void {
    this.#count++;
    this.#keep(record);
  }

  #keep(record: HopRecord): void {
    this.#unwritten.set(record.queue_id, record);
    if (this.#unwritten.size >= MAX_UNWRITTEN && !this.#failing) {
      void this.#flush();
    } else {
      this.#timer ??= this.#clock.after(WRITE_BEHIND_MS, () => void this.#flush());
    }
  }

  async has(queueId: string): Promise<boolean> {
    return (await this.#get(queueId)) !== undefined;
  }

  change(queueId: string, change: (record: HopRecord) => void): Promise<void> | undefined {
    const record = this.#inMemory(queueId);
    if (record !== undefined) {
      change(record);
      this.#keep(record);
      return undefined;
    }
    return this.#read(queueId).then((stored) => {
      if (stored !== undefined) {
        change(stored);
        this.#keep(stored);
      }
    });
  }

  async find(id: string): Promise<HopRecord[]> {
    const bare = id.replace(/^<(.*)>$/, '$1');
    const ids = new Set<string>();
    const direct = await this.#get(bare);
    if (direct !== undefined) {
      return [direct];
    }
    for (const record of this.#memory()) {
      if (record.trace_id === bare || messageIdKey(record) === bare) {
        ids.add(record.queue_id);
      }
    }
    await this.#readable;
    for (const prefix of [`${BY_TRACE}${bare}!`, `${BY_MESSAGE_ID}${encodeURIComponent(bare)}!`]) {
      for await (const key of this.#store.keys({
        gt: prefix,
        lt: `${prefix}~`,
        limit: MAX_FOUND,
      })) {
        ids.add(key.slice(prefix.length));
      }
    }
    const found = await Promise.all([...ids].sort().map((queueId) => this.#get(queueId)));
    return found.filter((record) => record !== undefined);
  }

  async list(query: TraceQuery): Promise<TracePage> {
    await this.#flush();
    await this.#readable;
    const records: HopRecord[] = [];
    let scanned = 0;
    const lt = query.cursor === undefined ? `${RECORD}~` : RECORD + query.cursor;
    for await (const [key, value] of this.#store.iterator({ gt: RECORD, lt, reverse: true })) {
      const record = this.#inMemory(key.slice(RECORD.length)) ?? parseRecord(value);
      if (record === undefined) {
        continue;
      }
      if (query.sinceMs !== undefined && Date.parse(record.received_at) < query.sinceMs) {
        return { records, nextCursor: null };
      }
      if (matches(record, query)) {
        records.push(record);
      }
      if (records.length >= query.limit || ++scanned >= MAX_SCANNED) {
        return { records, nextCursor: record.queue_id };
      }
    }
    return { records, nextCursor: null };
  }

  *#memory(): Generator<HopRecord> {
    yield* this.#unwritten.values();
    yield* this.#beingWritten.values();
  }

  #inMemory(queueId: string): HopRecord | undefined {
    return (
      this.#unwritten.get(queueId) ??
      this.#beingWritten.get(queueId) ??
      this.#cache.get<HopRecord>(queueId)
    );
  }

  async #get(queueId: string): Promise<HopRecord | undefined> {
    return this.#inMemory(queueId) ?? this.#read(queueId);
  }

  async #read(queueId: string): Promise<HopRecord | undefined> {
    await this.#readable;
    const text = await this.#store.get(RECORD + queueId);
    // Somebody else may have read and changed it meanwhile: theirs is the one to go on with.
    const known = this.#inMemory(queueId);
    if (known !== undefined || text === undefined) {
      return known;
    }
    const record = parseRecord(text);
    if (record !== undefined) {
      this.#remember(record);
    }
    return record;
  }

  /**
   * node-cache throws on every `set` while it is full, also for a key that it holds: the record's
   * earlier version makes room, else the record that came first.
   */
  #remember(record: HopRecord): void {
    if (this.#cached.size >= CACHE_RECORDS) {
      const [oldest] = this.#cached;
      this.#cache.del(this.#cached.has(record.queue_id) ? record.queue_id : (oldest as string));
    }
    this.#cached.add(record.queue_id);
    this.#cache.set(record.queue_id, record);
  }

  async #flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    await this.#writing;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
    await this.#writing;
  }

  async #write(): Promise<void> {
    if (this.#unwritten.size === 0) {
      return;
    }
    const records = this.#unwritten;
    this.#unwritten = new Map();
    this.#beingWritten = records;
    const operations: Operation[] = [];
    for (const record of records.values()) {
      operations.push(...writesOf(record));
    }
    try {
      await this.#batch(operations);
      for (const record of records.values()) {
        this.#remember(record);
      }
    } catch (error) {
      this.#keepAfterFailure(records);
      this.#log.error({ code: 'TRACE_STORE_FAILED' }, messageOf(error));
    }
    this.#beingWritten = new Map();
  }

  /**
   * After a refused write the store's log ends in the middle of a record: whatever followed it would
   * be gone at the next start. So the store is opened again before the next write.
   */
  async #batch(operations: Operation[]): Promise<void> {
    if (this.#failing) {
      const reopened = this.#store.close().then(() => this.#store.open());
      this.#readable = reopened.catch(() => undefined);
      await reopened;
      this.#failing = false;
    }
    try {
      await this.#store.batch(operations);
    } catch (error) {
      this.#failing = true;
      throw error;
    }
  }

  #keepAfterFailure(records: Map<string, HopRecord>): void {
    const merged = new Map([...records, ...this.#unwritten]);
    for (const queueId of merged.keys()) {
      if (merged.size <= MAX_KEPT_ON_FAILURE) {
        break;
      }
      merged.delete(queueId);
    }
    this.#unwritten = merged;
    // From here on by the timer alone: trying again with each record would cost more with each.
    if (!this.#closed) {
      this.#timer ??= this.#clock.after(RETRY_WRITE_MS, () => void this.#flush());
    }
  }

  #armPrune(): void {
    this.#pruneTimer = this.#clock.after(PRUNE_EVERY_MS, () => {
      void this.#prune()
        .catch((error: unknown) => this.#log.warn({ code: 'TRACE_PRUNE_FAILED' }, messageOf(error)))
        .finally(() => {
          if (!this.#closed) {
            this.#armPrune();
          }
        });
    });
  }

  /** Forgets the oldest finished records: by age, and beyond the number that is kept. */
  async #prune(): Promise<void> {
    if (!this.#counted) {
      // Once: from here on the count is kept up to date.
      this.#count = (await this.#store.keys({ gt: RECORD, lt: `${RECORD}~` }).all()).length;
      this.#counted = true;
    }
    const oldestMs = this.#clock.nowMs() - this.#settings.maxAgeSeconds * 1000;
    let operations: Operation[] = [];
    for await (const [key, value] of this.#store.iterator({ gt: RECORD, lt: `${RECORD}~` })) {
      const record = parseRecord(value);
      const tooMany = this.#count > this.#settings.maxRecords;
      if (record !== undefined && !tooMany && Date.parse(record.received_at) >= oldestMs) {
        break;
      }
      if (record === undefined || record.finished_at !== null) {
        this.#count--;
        const keys = record === undefined ? [key] : keysOf(record);
        operations.push(...keys.map((old): Operation => ({ type: 'del', key: old })));
        this.#cache.del(key.slice(RECORD.length));
      }
      if (operations.length >= PRUNE_BATCH) {
        await this.#batch(operations);
        operations = [];
      }
    }
    await this.#batch(operations);
  }
}

function openError(cause: unknown, directory: string): RelayError {
  return codeOf(cause) === 'LEVEL_LOCKED'
    ? new RelayError('SPOOL_IN_USE', 'another process uses this data', {
        fault: 'operator',
        where: directory,
        hint: 'Data belong to one process. Stop the other node, or give this one its own --data.',
        cause,
      })
    : new RelayError('TRACE_STORE_FAILED', `the traces cannot be opened: ${messageOf(cause)}`, {
        fault: 'system',
        where: directory,
        hint: 'Check the folder, its permissions and the disk.',
        cause,
      });
}

/** Undefined for a damaged record: it must not hide the others. */
function parseRecord(text: string): HopRecord | undefined {
  try {
    return JSON.parse(text) as HopRecord;
  } catch {
    return undefined;
  }
}

function messageIdKey(record: HopRecord): string | null {
  return record.message_id === null ? null : record.message_id.replace(/^<(.*)>$/, '$1');
}

function keysOf(record: HopRecord): string[] {
  const keys = [RECORD + record.queue_id, `${BY_TRACE}${record.trace_id}!${record.queue_id}`];
  const messageId = messageIdKey(record);
  if (messageId !== null) {
    keys.push(`${BY_MESSAGE_ID}${encodeURIComponent(messageId)}!${record.queue_id}`);
  }
  return keys;
}

function writesOf(record: HopRecord): Operation[] {
  const [recordKey, ...indexKeys] = keysOf(record);
  return [
    { type: 'put', key: recordKey as string, value: JSON.stringify(record) },
    ...indexKeys.map((key): Operation => ({ type: 'put', key, value: '' })),
  ];
}

function matches(record: HopRecord, query: TraceQuery): boolean {
  const { sender, recipient, state, untilMs } = query;
  return (
    (sender === undefined || record.envelope.sender === sender) &&
    (recipient === undefined || record.envelope.recipients.includes(recipient)) &&
    (state === undefined || record.action === state) &&
    (untilMs === undefined || Date.parse(record.received_at) <= untilMs)
  );
}
