import type { StoreOperation } from '../../src/queue/store.js';
import type { Chance } from './chance.js';

/** The system writes back by itself what has waited for so long. */
const WRITE_BACK_MS = 35_000;

interface Written {
  operations: StoreOperation[];
  atMs: number;
}

/**
 * What a store leaves behind when its process is gone. Three layers, as of LevelDB's log:
 *
 * - `durable`: survives everything.
 * - what was written and not synced, in order: survives the death of the process, and of a power cut
 *   any number of the first ones, each whole or not at all; the system writes back what is old.
 * - a write that was refused: nobody knows whether it is there when the store is opened again.
 */
export class StoreMedium {
  /** The store that has it open. */
  owner: object | null = null;
  /** Hears what is found at each opening. */
  onOpen: (records: ReadonlyMap<string, Buffer>) => void = () => undefined;
  #durable = new Map<string, Buffer>();
  #written: Written[] = [];
  readonly #nowMs: () => number;
  #refused: StoreOperation[] | null = null;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** The records as the next process finds them. */
  open(chance: Chance): Map<string, Buffer> {
    // What was refused came last; it may have reached the medium all the same.
    if (this.#refused !== null && chance.happens(0.5)) this.write(this.#refused);
    this.#refused = null;
    // LevelDB writes what it finds in its log to a table, and syncs that.
    this.sync();
    this.onOpen(this.#durable);
    return new Map(this.#durable);
  }

  write(operations: StoreOperation[]): void {
    this.#written.push({ operations, atMs: this.#nowMs() });
  }

  /** Everything that was written is durable. */
  sync(): void {
    for (const { operations } of this.#written) applyTo(this.#durable, operations);
    this.#written = [];
  }

  /** Refused before it was written, or at its sync. What others wrote behind it stays behind it. */
  refuse(operations: StoreOperation[]): void {
    const isThere = (written: Written | undefined): boolean => written?.operations === operations;
    if (isThere(this.#written.at(-1))) this.#written.pop();
    this.#refused = this.#written.some(isThere) ? null : operations;
  }

  /** @returns how many writes were lost */
  cutPower(chance: Chance): number {
    const fromMs = this.#nowMs() - WRITE_BACK_MS;
    const old = this.#written.findLastIndex(({ atMs }) => atMs <= fromMs) + 1;
    const kept = chance.whole(old, this.#written.length);
    const lost = this.#written.length - kept;
    this.#written = this.#written.slice(0, kept);
    // A write that was refused lay behind them.
    if (lost > 0) this.#refused = null;
    return lost;
  }

  record(key: string): Buffer | undefined {
    return this.#durable.get(key);
  }

  isDurable(key: string): boolean {
    return this.#durable.has(key);
  }

  /** Only while no process has it open: the records that the next one will find, or may find. */
  surviving(): ReadonlyMap<string, Buffer> {
    const records = new Map(this.#durable);
    for (const { operations } of this.#written) applyTo(records, operations);
    return records;
  }

  /** Only while no process has it open: a record goes bad. */
  damage(key: string, bytes: Buffer): void {
    this.write([{ type: 'put', key, value: bytes }]);
  }
}

export function applyTo(records: Map<string, Buffer>, operations: readonly StoreOperation[]): void {
  for (const operation of operations) {
    if (operation.type === 'put') records.set(operation.key, operation.value);
    else records.delete(operation.key);
  }
}
