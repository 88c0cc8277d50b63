import type { Clock } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { KeyValues } from './key-values.js';
import type { IndexChange, RecordIndex } from './record-index.js';
import { indexRecords, type Indexed } from './record-indexing.js';
import { FORMER_INDEXES } from './record-keys.js';
import type { StoreTotals } from './store-totals.js';

/** Rest between two slices of records. */
const REST_MS = 20;
const AGAIN_MS = 60_000;

export interface UpgradedStore {
  level: KeyValues;
  index: RecordIndex;
  totals: () => Readonly<StoreTotals>;
  /** Runs the task while nobody else writes, with the store open. */
  inTurn: <T>(task: () => Promise<T>) => Promise<T>;
  write: (totals: StoreTotals, change: IndexChange | null) => Promise<void>;
  /** Seals what is full. */
  seal: () => Promise<void>;
  clear: (range: { gt: string; lt: string }) => Promise<void>;
}

/** Brings the records of an earlier version into the index, beside all other work. */
export class RecordUpgrade {
  readonly #store: UpgradedStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** First written since it began: in the index, and counted. */
  readonly #fresh = new Set<string>();
  #stopped = false;
  /** Ends what rests. */
  #wake: () => void = () => undefined;

  constructor(store: UpgradedStore, clock: Clock, log: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** These records were written for the first time. */
  added(queueIds: readonly string[]): void {
    if (!this.#store.totals().complete) {
      queueIds.forEach((queueId) => this.#fresh.add(queueId));
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  /** Resolves when all is done, or after `stop`. A refused write is tried again later. Never rejects. */
  async run(): Promise<void> {
    while (!this.#stopped && !this.#store.totals().complete) {
      try {
        await this.#runOnce();
      } catch (error) {
        this.#log.warn({ code: 'TRACE_INDEX_FAILED' }, messageOf(error));
        await this.#rest(AGAIN_MS);
      }
    }
  }

  async #runOnce(): Promise<void> {
    const { level, index, totals, inTurn, write, clear } = this.#store;
    await inTurn(() => Promise.resolve());
    const behind = totals().completeTo;
    const before = await index.queueIdsAbove(behind);
    const isKnown = (queueId: string): boolean => before.has(queueId) || this.#fresh.has(queueId);
    for await (const indexed of indexRecords(level, behind, isKnown)) {
      await inTurn(() => this.#add(indexed, isKnown));
      await this.#rest(REST_MS);
      if (this.#stopped) {
        return;
      }
    }
    for (const range of FORMER_INDEXES) {
      await inTurn(() => clear(range));
    }
    await inTurn(() => write({ ...totals(), complete: true }, null));
    this.#fresh.clear();
  }

  async #add(indexed: Indexed, isKnown: (queueId: string) => boolean): Promise<void> {
    const { index, totals, write, seal } = this.#store;
    // What was written between the reading and its turn is counted.
    const records = indexed.records.filter(({ queueId }) => !isKnown(queueId));
    const changed = { ...totals(), completeTo: indexed.completeTo };
    changed.records += records.length;
    changed.bytes += records.reduce((sum, { bytes }) => sum + bytes, 0);
    await write(changed, records.length > 0 ? index.adding(records) : null);
    await seal();
  }

  /** Ends at once when it is stopped. */
  #rest(ms: number): Promise<void> {
    if (this.#stopped) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = this.#clock.after(ms, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
