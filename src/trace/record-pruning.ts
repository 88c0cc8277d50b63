import type { KeyValues } from './key-values.js';
import { LAST, RECORD } from './record-keys.js';
import { parseRecord } from './record-text.js';
import type { TraceSettings } from './settings.js';
import type { StoreTotals } from './store-totals.js';

/** Looked at in one pass; the next one goes on behind. */
const MAX_LOOKED_AT = 100_000;
const SLICE_RECORDS = 128;
const SLICE_BYTES = 256 * 1024;
const BATCH_KEYS = 2000;
/** Forgotten records that may wait on the disk for their tables to be merged. */
const MAX_FORGOTTEN_BYTES = 4 * 1024 * 1024;

/** Keys to delete, and what goes with them. */
export interface Removal {
  keys: string[];
  queueIds: string[];
  bytes: number;
}

export interface PrunedStore {
  level: KeyValues;
  totals: () => Readonly<StoreTotals>;
  /** A newer version is about to be written: the mail is not done with. */
  isChanging: (queueId: string) => boolean;
  remove: (removal: Removal) => Promise<void>;
}

/**
 * Forgets the oldest finished records: by age, and beyond the number and the bytes that are kept. A
 * record of mail that is still queued stays, however many there are.
 *
 * @param behind Queue id to begin behind, or ''
 * @returns where the next pass goes on, or '' where it begins anew
 */
export async function pruneRecords(
  store: PrunedStore,
  limits: TraceSettings,
  nowMs: number,
  behind: string,
): Promise<string> {
  const oldestMs = nowMs - limits.maxAgeSeconds * 1000;
  let removal = newRemoval();
  let lookedAt = 0;
  const iterator = store.level.iterator({
    gt: RECORD + behind,
    lt: RECORD + LAST,
    fillCache: false,
    highWaterMarkBytes: SLICE_BYTES,
  });
  const isTooMuch = (): boolean => {
    const { records, bytes } = store.totals();
    return (
      records - removal.queueIds.length > limits.maxRecords ||
      bytes - removal.bytes > limits.maxBytes
    );
  };
  try {
    for (;;) {
      const slice = await iterator.nextv(SLICE_RECORDS);
      for (const [key, text] of slice) {
        const queueId = key.slice(RECORD.length);
        const record = parseRecord(text);
        if (record !== undefined && !isTooMuch() && Date.parse(record.received_at) >= oldestMs) {
          await store.remove(removal);
          return '';
        }
        const isFinished = record === undefined || record.finished_at !== null;
        if (isFinished && !store.isChanging(queueId)) {
          removal.keys.push(key);
          removal.queueIds.push(queueId);
          removal.bytes += Buffer.byteLength(key) + Buffer.byteLength(text);
        }
        if (removal.keys.length >= BATCH_KEYS) {
          await store.remove(removal);
          removal = newRemoval();
        }
      }
      lookedAt += slice.length;
      const last = slice.at(-1)?.[0];
      if (last === undefined || lookedAt >= MAX_LOOKED_AT) {
        await store.remove(removal);
        return last?.slice(RECORD.length) ?? '';
      }
    }
  } finally {
    await iterator.close();
  }
}

/**
 * LevelDB merges tables by their size, not by how much of them was deleted: left alone, forgotten
 * records take several times the room of those that are kept (37 MB for a bound of 8.5 MB, where they
 * do not compress). Merging the tables that hold nothing else writes next to nothing.
 */
export class ForgottenRoom {
  /** Of records whose tables were not merged since. */
  #bytes = 0;
  readonly #merge: () => Promise<void>;

  /** @param merge of all tables with records older than the oldest one that is left */
  constructor(merge: () => Promise<void>) {
    this.#merge = merge;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  async giveBack(): Promise<void> {
    if (this.#bytes >= MAX_FORGOTTEN_BYTES) {
      await this.#merge();
      this.#bytes = 0;
    }
  }
}

function newRemoval(): Removal {
  return { keys: [], queueIds: [], bytes: 0 };
}
