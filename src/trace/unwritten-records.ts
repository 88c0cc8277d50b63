import { indexKeysOf, parseRecord } from './record-keys.js';
import type { HopRecord } from './record.js';

/** A store that fails for good keeps so many in memory and drops the oldest. */
const MAX_KEPT_ON_FAILURE = 10_000;

/** A record in memory, and what its JSON takes in the store; null: neither it nor its indexes are there. */
export interface HeldRecord {
  record: HopRecord;
  stored: { bytes: number | null };
}

/** A record as it is written. */
export interface EncodedRecord {
  queueId: string;
  text: string;
  /** Null where they were in the store when it was encoded. */
  indexKeys: string[] | null;
  stored: { bytes: number | null };
  /** Where the mail is still under way and the record will change again. */
  held: HeldRecord | null;
}

/**
 * The records that have changed since they were written, each in its latest version.
 *
 * What is finished is kept as text alone, since many small objects that live for a while cost the
 * garbage collector more than one, and is taken by the next write. What is not finished is held back
 * once, from one taking of all that is old to the next: most mail has left by then, and its record is
 * written a single time.
 */
export class UnwrittenRecords {
  readonly #finished = new Map<string, EncodedRecord>();
  /** Not finished, changed since the last write. */
  #young = new Map<string, HeldRecord>();
  /** Not finished, held back by the last write or refused by the store. */
  #old = new Map<string, HeldRecord>();
  /** Handed to the store, not yet confirmed: still the latest version for readers. */
  #taken = new Map<string, EncodedRecord>();

  /** How many wait to be written. */
  get size(): number {
    return this.#finished.size + this.#young.size + this.#old.size;
  }

  get(queueId: string): HeldRecord | undefined {
    const held = this.#young.get(queueId) ?? this.#old.get(queueId);
    const encoded = this.#finished.get(queueId) ?? this.#taken.get(queueId);
    // Of a record that is being written the object itself: it is what is remembered afterwards.
    return held ?? encoded?.held ?? decode(encoded);
  }

  /** A record that is being written has to be written again if it changes once more. */
  add(held: HeldRecord): void {
    const { queue_id: queueId, finished_at: finishedAt } = held.record;
    if (finishedAt !== null) {
      this.#young.delete(queueId);
      this.#old.delete(queueId);
      this.#finished.set(queueId, { ...encode(held), held: null });
      return;
    }
    this.#finished.delete(queueId);
    (this.#old.has(queueId) ? this.#old : this.#young).set(queueId, held);
  }

  /**
   * What is to be written now: with `finished` that alone, with `old` also what was held back, which
   * the rest is from then on, and with `all` everything. The caller says how it went.
   */
  take(what: 'finished' | 'old' | 'all'): EncodedRecord[] {
    const open: HeldRecord[] = [];
    if (what !== 'finished') {
      open.push(...this.#old.values());
      this.#old = this.#young;
      this.#young = new Map();
    }
    if (what === 'all') {
      open.push(...this.#old.values());
      this.#old = new Map();
    }
    const taken = [...this.#finished.values(), ...open.map(encode)];
    this.#taken = new Map(taken.map((encoded) => [encoded.queueId, encoded]));
    this.#finished.clear();
    return taken;
  }

  written({ queueId }: EncodedRecord): void {
    this.#taken.delete(queueId);
  }

  /** The write failed: what was not confirmed waits again, but for what has changed meanwhile. */
  giveBack(): void {
    for (const encoded of this.#taken.values()) {
      const { queueId, held } = encoded;
      if (this.#finished.has(queueId) || this.#old.has(queueId) || this.#young.has(queueId)) {
        continue;
      }
      if (held === null) {
        this.#finished.set(queueId, encoded);
      } else {
        this.#old.set(queueId, held);
      }
    }
    this.#taken = new Map();
    const queueIds = [...this.#finished.keys(), ...this.#old.keys(), ...this.#young.keys()].sort();
    for (const queueId of queueIds.slice(0, -MAX_KEPT_ON_FAILURE)) {
      this.#finished.delete(queueId);
      this.#old.delete(queueId);
      this.#young.delete(queueId);
    }
  }

  *[Symbol.iterator](): Generator<HopRecord> {
    for (const encoded of [...this.#taken.values(), ...this.#finished.values()]) {
      const record = parseRecord(encoded.text);
      if (record !== undefined) {
        yield record;
      }
    }
    for (const { record } of [...this.#old.values(), ...this.#young.values()]) {
      yield record;
    }
  }
}

function encode(held: HeldRecord): EncodedRecord {
  const { record, stored } = held;
  return {
    queueId: record.queue_id,
    text: JSON.stringify(record),
    indexKeys: stored.bytes === null ? indexKeysOf(record) : null,
    stored,
    held,
  };
}

function decode(encoded: EncodedRecord | undefined): HeldRecord | undefined {
  if (encoded === undefined) {
    return undefined;
  }
  const record = parseRecord(encoded.text);
  return record === undefined ? undefined : { record, stored: encoded.stored };
}
