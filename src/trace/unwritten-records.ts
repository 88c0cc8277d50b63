import type { HopRecord } from './record.js';

/** A store that fails for good keeps so many in memory and drops the oldest. */
const MAX_KEPT_ON_FAILURE = 10_000;

/** A record in memory, and the bytes that it takes in the store; null: it is not there, nor in the index. */
export interface HeldRecord {
  record: HopRecord;
  stored: { bytes: number | null };
}

/**
 * The records that have changed since they were written, each in its latest version.
 *
 * What is finished is taken by the next write. What is not finished is held back once, from one taking
 * of all that is old to the next: most mail has left by then, and its record is written a single time.
 * Records become text when they are taken, many at a time: one by one, between other work, each costs
 * several times as much.
 */
export class UnwrittenRecords {
  readonly #finished = new Map<string, HeldRecord>();
  /** Not finished, changed since the last write. */
  #young = new Map<string, HeldRecord>();
  /** Not finished, held back by the last write or refused by the store. */
  #old = new Map<string, HeldRecord>();
  /** Handed to the store, not yet confirmed: still the latest version for readers. */
  #taken = new Map<string, HeldRecord>();
  #dropped = 0;

  /** How many were given up because the store failed for too long. */
  get dropped(): number {
    return this.#dropped;
  }

  /** How many wait to be written. */
  get size(): number {
    return this.#finished.size + this.#young.size + this.#old.size;
  }

  get(queueId: string): HeldRecord | undefined {
    return (
      this.#young.get(queueId) ??
      this.#old.get(queueId) ??
      this.#finished.get(queueId) ??
      this.#taken.get(queueId)
    );
  }

  /** A record that is being written has to be written again if it changes once more. */
  add(held: HeldRecord): void {
    const { queue_id: queueId, finished_at: finishedAt } = held.record;
    if (finishedAt !== null) {
      this.#young.delete(queueId);
      this.#old.delete(queueId);
      this.#finished.set(queueId, held);
      return;
    }
    this.#finished.delete(queueId);
    (this.#old.has(queueId) ? this.#old : this.#young).set(queueId, held);
  }

  /**
   * What is to be written now: with `finished` that alone, with `old` also what was held back, which
   * the rest is from then on, and with `all` everything. The caller says how it went.
   */
  take(what: 'finished' | 'old' | 'all'): HeldRecord[] {
    const taken = [...this.#finished.values()];
    if (what !== 'finished') {
      taken.push(...this.#old.values());
      this.#old = this.#young;
      this.#young = new Map();
    }
    if (what === 'all') {
      taken.push(...this.#old.values());
      this.#old = new Map();
    }
    this.#taken = new Map(taken.map((held) => [held.record.queue_id, held]));
    this.#finished.clear();
    return taken;
  }

  written(queueId: string): void {
    this.#taken.delete(queueId);
  }

  /** The write failed: what was not confirmed waits again, but for what has changed meanwhile. */
  giveBack(): void {
    for (const [queueId, held] of this.#taken) {
      if (this.#finished.has(queueId) || this.#old.has(queueId) || this.#young.has(queueId)) {
        continue;
      }
      (held.record.finished_at === null ? this.#old : this.#finished).set(queueId, held);
    }
    this.#taken = new Map();
    const queueIds = [...this.#finished.keys(), ...this.#old.keys(), ...this.#young.keys()].sort();
    for (const queueId of queueIds.slice(0, -MAX_KEPT_ON_FAILURE)) {
      this.#finished.delete(queueId);
      this.#old.delete(queueId);
      this.#young.delete(queueId);
      this.#dropped++;
    }
  }

  *[Symbol.iterator](): Generator<HopRecord> {
    for (const records of [this.#taken, this.#finished, this.#old, this.#young]) {
      for (const { record } of records.values()) {
        yield record;
      }
    }
  }
}
