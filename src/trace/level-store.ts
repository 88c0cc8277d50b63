import { ClassicLevel, type ChainedBatch } from 'classic-level';
import type { Clock, Timer } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { AS_BYTES, STORE_OPTIONS, type KeyValues } from './key-values.js';
import { RecordCache } from './record-cache.js';
import { encodeRecord } from './record-encoding.js';
import { RecordIndex, type IndexChange } from './record-index.js';
import { formerPrefixes, LAST, RECORD, recordKeyBytes, TOTALS } from './record-keys.js';
import { ForgottenRoom, pruneRecords, type Removal } from './record-pruning.js';
import { searchRecords } from './record-search.js';
import { messageIdTerm, termsOf, traceTerm, withoutBrackets } from './record-terms.js';
import { parseRecord } from './record-text.js';
import { RecordUpgrade } from './record-upgrade.js';
import type { HopRecord } from './record.js';
import type { TraceSettings } from './settings.js';
import { openStore } from './store-fault.js';
import { newTotals, parseTotals, type StoreTotals } from './store-totals.js';
import type { TracePage, TraceQuery, TraceStore } from './store.js';
import { traceFigures, type TraceFigures } from './trace-figures.js';
import { UnwrittenRecords, type HeldRecord } from './unwritten-records.js';

type Batch = ChainedBatch<ClassicLevel, string, string>;

const WRITE_BEHIND_MS = 100;
/** What is not finished is held back for so many writes, once: it is written after 0.6 s at the latest. */
const WRITES_HELD_BACK = 3;
const RETRY_WRITE_MS = 5000;
/** Records that may wait to be written; one more writes at once. */
const MAX_UNWRITTEN = 2000;
/** Records written in one batch: making it must not hold up mail. */
const BATCH_RECORDS = 128;
const MAX_FOUND = 1000;
const PRUNE_EVERY_MS = 60_000;

/**
 * Hop records in LevelDB, with node-cache in front for those of mail that is under way and those that
 * were read lately. Its keys are described in `record-keys`.
 */
export class LevelTraceStore implements TraceStore {
  #settings: TraceSettings;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #store: ClassicLevel;
  readonly #level: KeyValues;
  readonly #index: RecordIndex;
  /** Until it is done, addresses are found by reading the records. */
  readonly #upgrade: RecordUpgrade;
  readonly #cache = new RecordCache();
  readonly #unwritten = new UnwrittenRecords();
  #totals: StoreTotals = newTotals(true);
  /** The end of the last of the writes, which go one after the other. Never rejects. */
  #writing: Promise<void> = Promise.resolve();
  #flushing = false;
  #writes = 0;
  #timer: Timer | null = null;
  #pruneTimer: Timer | null = null;
  #upgraded: Promise<void> = Promise.resolve();
  #closed = false;
  /** The last write failed. */
  #failing = false;
  /** Queue id behind which the next pruning begins. */
  #pruneBehind = '';
  readonly #forgotten: ForgottenRoom;
  /** While the store is opened again, readers wait. Never rejects. */
  #readable: Promise<void> = Promise.resolve();

  constructor(settings: TraceSettings, clock: Clock, log: Logger) {
    this.#settings = settings;
    this.#clock = clock;
    this.#log = log;
    this.#store = new ClassicLevel(settings.directory, STORE_OPTIONS);
    const store = this.#store;
    this.#level = {
      iterator: (range) => store.iterator(range),
      getMany: (keys) => store.getMany(keys),
      getBuffers: (keys) => store.getMany<string, Buffer>(keys, { valueEncoding: 'buffer' }),
    };
    this.#index = new RecordIndex(this.#level);
    this.#forgotten = new ForgottenRoom(async () => {
      await store.compactRange(RECORD, RECORD + ((await this.#oldest()) ?? LAST));
    });
    const upgraded = {
      level: this.#level,
      index: this.#index,
      totals: () => this.#totals,
      inTurn: <T>(task: () => Promise<T>) => this.#inTurn(() => this.#reopened().then(task)),
      write: (totals: StoreTotals, change: IndexChange | null) =>
        this.#writeWith(store.batch(), totals, change),
      seal: () => this.#seal(),
      clear: (range: { gt: string; lt: string }) => store.clear(range),
    };
    this.#upgrade = new RecordUpgrade(upgraded, clock, log);
  }

  /**
   * Rejects with `SPOOL_IN_USE` when another process has the data, and with `TRACE_STORE_FAILED`
   * when nothing can be opened there. A damaged store is put aside and a new one begun: traces must
   * not keep mail from flowing.
   */
  async open(): Promise<void> {
    await openStore(this.#store, this.#settings.directory, this.#log);
    this.#totals =
      parseTotals(await this.#store.get(TOTALS)) ?? newTotals((await this.#oldest()) === null);
    await this.#index.open();
    this.#upgraded = this.#upgrade.run();
    this.#armPrune();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#pruneTimer?.cancel();
    this.#upgrade.stop();
    await this.#upgraded;
    await this.#flush('all');
    this.#cache.close();
    await this.#store.close();
  }

  get figures(): TraceFigures {
    return traceFigures(this.#totals, this.#unwritten);
  }

  /** Takes other limits; the folder stays. */
  reload(settings: TraceSettings): void {
    this.#settings = { ...settings, directory: this.#settings.directory };
  }

  put(record: HopRecord): void {
    this.#keep({ record, stored: { bytes: null } });
  }

  #keep(held: HeldRecord): void {
    this.#unwritten.add(held);
    if (this.#unwritten.size >= MAX_UNWRITTEN && !this.#failing) {
      if (!this.#flushing) {
        void this.#flush('all');
      }
    } else {
      this.#armWrite(WRITE_BEHIND_MS);
    }
  }

  async has(queueId: string): Promise<boolean> {
    // Unread: of a long queue each is asked for at a start.
    return (
      this.#inMemory(queueId) !== undefined ||
      this.#reading(() => this.#store.has(RECORD + queueId))
    );
  }

  change(queueId: string, change: (record: HopRecord) => void): Promise<void> | undefined {
    const held = this.#inMemory(queueId);
    if (held !== undefined) {
      change(held.record);
      this.#keep(held);
      return undefined;
    }
    return this.#read(queueId).then((stored) => {
      if (stored !== undefined) {
        change(stored.record);
        this.#keep(stored);
      }
    });
  }

  async find(id: string): Promise<HopRecord[]> {
    const bare = withoutBrackets(id);
    const direct = await this.#get(bare);
    if (direct !== undefined) {
      return [direct.record];
    }
    const isMeant = ({ trace_id: traceId, message_id: messageId }: HopRecord): boolean =>
      traceId === bare || (messageId !== null && withoutBrackets(messageId) === bare);
    const ids = await this.#reading(() => this.#lookUp(bare));
    for (const record of this.#unwritten) {
      if (isMeant(record)) {
        ids.add(record.queue_id);
      }
    }
    const found = await Promise.all([...ids].sort().map((queueId) => this.#get(queueId)));
    return found.flatMap((held) =>
      held !== undefined && isMeant(held.record) ? [held.record] : [],
    );
  }

  /** Queue ids of stored records that may have this trace id or Message-ID. */
  async #lookUp(id: string): Promise<Set<string>> {
    const ids = new Set<string>();
    for (const term of [traceTerm(id), messageIdTerm(id)]) {
      for await (const slice of this.#index.queueIdsOf(term)) {
        slice.forEach((queueId) => ids.add(queueId));
        if (ids.size >= MAX_FOUND) {
          break;
        }
      }
    }
    if (!this.#totals.complete) {
      for (const gt of formerPrefixes(id)) {
        const keys = await this.#store.keys({ gt, lt: gt + LAST, limit: MAX_FOUND }).all();
        keys.forEach((key) => ids.add(key.slice(gt.length)));
      }
    }
    return ids;
  }

  async list(query: TraceQuery): Promise<TracePage> {
    await this.#flush('all');
    const latest = (queueId: string): HopRecord | undefined => this.#unwritten.get(queueId)?.record;
    return this.#reading(() => {
      const index = this.#totals.complete ? this.#index : null;
      return searchRecords({ level: this.#level, index, latest }, query);
    });
  }

  /** Reads again when the store was opened again meanwhile. */
  async #reading<T>(read: () => Promise<T>): Promise<T> {
    for (;;) {
      const before = this.#readable;
      await before;
      try {
        return await read();
      } catch (error) {
        if (before === this.#readable) {
          throw error;
        }
      }
    }
  }

  #inMemory(queueId: string): HeldRecord | undefined {
    return this.#unwritten.get(queueId) ?? this.#cache.get(queueId);
  }

  async #get(queueId: string): Promise<HeldRecord | undefined> {
    return this.#inMemory(queueId) ?? this.#read(queueId);
  }

  async #read(queueId: string): Promise<HeldRecord | undefined> {
    const text = await this.#reading(() => this.#store.get(RECORD + queueId));
    // Somebody else may have read and changed it meanwhile: theirs is the one to go on with.
    const known = this.#inMemory(queueId);
    if (known !== undefined || text === undefined) {
      return known;
    }
    const record = parseRecord(text);
    if (record === undefined) {
      return undefined;
    }
    const held = { record, stored: { bytes: Buffer.byteLength(text) } };
    this.#cache.remember(held);
    return held;
  }

  #armWrite(delayMs: number): void {
    if (!this.#closed) {
      this.#timer ??= this.#clock.after(delayMs, () => {
        const isTurn = ++this.#writes % WRITES_HELD_BACK === 0;
        void this.#flush(isTurn ? 'old' : 'finished');
      });
    }
  }

  /** One after the other, so that the totals fit what is written. */
  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#writing.then(task);
    this.#writing = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  /** Never rejects. */
  #flush(what: 'finished' | 'old' | 'all'): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    this.#flushing = true;
    return this.#inTurn(() => this.#writeRecords(what));
  }

  async #writeRecords(what: 'finished' | 'old' | 'all'): Promise<void> {
    this.#flushing = false;
    const records = this.#unwritten.take(what);
    try {
      for (let start = 0; start < records.length; start += BATCH_RECORDS) {
        await this.#writeSlice(records.slice(start, start + BATCH_RECORDS));
      }
    } catch (error) {
      this.#unwritten.giveBack();
      this.#log.error({ code: 'TRACE_STORE_FAILED' }, messageOf(error));
      // From here on by the timer alone: trying again with each record would cost more with each.
      this.#armWrite(RETRY_WRITE_MS);
      return;
    }
    if (this.#unwritten.size > 0) {
      this.#armWrite(WRITE_BEHIND_MS);
    }
  }

  async #writeSlice(records: readonly HeldRecord[]): Promise<void> {
    await this.#reopened();
    const batch = this.#store.batch();
    const totals = { ...this.#totals };
    const added: Array<{ queueId: string; terms: readonly number[] }> = [];
    const sizes: number[] = [];
    for (const { record, stored } of records) {
      const { queue_id: queueId } = record;
      const bytes = encodeRecord(record);
      batch.put<string, Buffer>(RECORD + queueId, bytes, AS_BYTES);
      sizes.push(bytes.length);
      totals.bytes += bytes.length - (stored.bytes ?? 0);
      if (stored.bytes === null) {
        totals.records++;
        totals.bytes += recordKeyBytes(queueId);
        added.push({ queueId, terms: termsOf(record) });
      }
    }
    await this.#writeWith(batch, totals, added.length > 0 ? this.#index.adding(added) : null);
    this.#upgrade.added(added.map(({ queueId }) => queueId));
    for (const [index, held] of records.entries()) {
      const { queue_id: queueId } = held.record;
      held.stored.bytes = sizes[index] as number;
      this.#unwritten.written(queueId);
      if (held.record.finished_at === null) {
        this.#cache.remember(held);
      } else {
        // It is seldom asked for; what is remembered may be another version.
        this.#cache.forget(queueId);
      }
    }
    await this.#seal();
  }

  async #seal(): Promise<void> {
    const sealing = this.#index.sealing();
    if (sealing !== null) {
      await this.#writeWith(this.#store.batch(), { ...this.#totals }, sealing);
    }
  }

  /** @param totals without what the change of the index takes */
  async #writeWith(batch: Batch, totals: StoreTotals, change: IndexChange | null): Promise<void> {
    for (const [key, value] of change?.puts ?? []) {
      const valueEncoding = typeof value === 'string' ? 'utf8' : 'buffer';
      batch.put<string, string | Buffer>(key, value, { valueEncoding });
    }
    change?.deletions.forEach((key) => batch.del(key));
    totals.bytes += change?.bytes ?? 0;
    await this.#write(batch, totals);
    change?.done();
  }

  async #write(batch: Batch, totals: StoreTotals): Promise<void> {
    batch.put(TOTALS, JSON.stringify(totals));
    try {
      await batch.write({});
    } catch (error) {
      this.#failing = true;
      throw error;
    }
    this.#totals = totals;
  }

  /**
   * After a refused write the store's log ends in the middle of a record: whatever followed it would
   * be gone at the next start. So the store is opened again before the next write.
   */
  async #reopened(): Promise<void> {
    if (this.#failing) {
      const reopened = this.#store.close().then(() => this.#store.open());
      this.#readable = reopened.catch(() => undefined);
      await reopened;
      this.#failing = false;
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

  async #prune(): Promise<void> {
    if (!this.#totals.complete) {
      return;
    }
    await this.#inTurn(() => this.#reopened());
    const store = {
      level: this.#level,
      totals: () => this.#totals,
      isChanging: (queueId: string) => this.#unwritten.get(queueId) !== undefined,
      remove: (removal: Removal) => this.#inTurn(() => this.#remove(removal)),
    };
    const behind = this.#pruneBehind;
    this.#pruneBehind = '';
    this.#pruneBehind = await pruneRecords(store, this.#settings, this.#clock.nowMs(), behind);
    await this.#inTurn(() => this.#forgetSegments());
    await this.#forgotten.giveBack();
  }

  /** In turn: what is about to be written is in none of them. */
  async #forgetSegments(): Promise<void> {
    await this.#reopened();
    const forgetting = this.#index.forgetting(await this.#oldest());
    if (forgetting !== null) {
      await this.#writeWith(this.#store.batch(), { ...this.#totals }, forgetting);
    }
  }

  async #remove({ keys, queueIds, bytes }: Removal): Promise<void> {
    if (keys.length === 0) {
      return;
    }
    await this.#reopened();
    const batch = this.#store.batch();
    for (const key of keys) {
      batch.del(key);
    }
    const totals = { ...this.#totals };
    totals.records -= queueIds.length;
    totals.bytes -= bytes;
    await this.#write(batch, totals);
    this.#forgotten.add(bytes);
    for (const queueId of queueIds) {
      this.#cache.forget(queueId);
      // One that was changed meanwhile comes back whole.
      const changed = this.#unwritten.get(queueId);
      if (changed !== undefined) {
        changed.stored.bytes = null;
      }
    }
  }

  /** Queue id of the oldest record, or null. */
  async #oldest(): Promise<string | null> {
    const [oldest] = await this.#store.keys({ gt: RECORD, lt: RECORD + LAST, limit: 1 }).all();
    return oldest?.slice(RECORD.length) ?? null;
  }
}
