import type { KeyRange, Store, StoreIterator, StoreOperation } from '../../src/queue/store.js';
import type { Chance } from './chance.js';
import type { Drive } from './drive.js';
import type { Life } from './life.js';
import { applyTo, type StoreMedium } from './store-medium.js';

/**
 * The store of one process over a medium that outlives it, with the guarantees of LevelDB and no
 * better ones: one owner at a time; after a refused write it takes nothing more until it is opened
 * again; what it does takes time, one thing after the other.
 */
export class SimulatedStore implements Store {
  readonly #medium: StoreMedium;
  readonly #drive: Drive;
  readonly #life: Life;
  readonly #chance: Chance;
  /** What a reader sees; null while closed. */
  #records: Map<string, Buffer> | null = null;
  #refusal: Error | null = null;
  /** When everything that was asked for so far is done. */
  #doneAtMs = 0;

  constructor(medium: StoreMedium, drive: Drive, life: Life, chance: Chance) {
    this.#medium = medium;
    this.#drive = drive;
    this.#life = life;
    this.#chance = chance;
    life.onDeath(() => this.#release());
  }

  open(): Promise<void> {
    return this.#inTurn(() => {
      if (this.#medium.owner !== null) throw notOpen(Object.assign(new Error('lock'), LOCKED));
      const refusal = this.#drive.mayOpen();
      if (refusal !== null) throw notOpen(ioError(refusal));
      this.#medium.owner = this;
      this.#refusal = null;
      this.#records = this.#medium.open(this.#chance);
    });
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#release());
  }

  async batch(operations: StoreOperation[], { sync }: { sync: boolean }): Promise<void> {
    await this.#inTurn(() =>
      this.#change('store write', operations, () => {
        this.#medium.write(operations);
      }),
    );
    if (sync) {
      await this.#inTurn(() => this.#change('store sync', operations, () => this.#medium.sync()));
    }
    applyTo(this.#opened(), operations);
  }

  get(key: string): Promise<Buffer | undefined> {
    return this.#inTurn(() => {
      const refusal = this.#drive.mayRead();
      if (refusal !== null) throw ioError(refusal);
      return this.#opened().get(key);
    });
  }

  getSync(key: string): Buffer | undefined {
    return this.#opened().get(key);
  }

  iterator(range: KeyRange): StoreIterator {
    const records = within(this.#opened(), range);
    return {
      nextv: (size) =>
        this.#inTurn(() => {
          this.#opened();
          return records.splice(0, size);
        }),
      close: () => this.#inTurn(() => undefined),
    };
  }

  async clear({ limit, ...range }: KeyRange & { limit: number }): Promise<void> {
    const keys = within(this.#opened(), range).slice(0, limit);
    const operations = keys.map(([key]) => ({ type: 'del' as const, key }));
    await this.batch(operations, { sync: false });
  }

  approximateSize(start: string, end: string): Promise<number> {
    return this.#inTurn(() =>
      within(this.#opened(), { gt: start, lt: end }).reduce(
        (sum, [key, value]) => sum + key.length + value.length,
        0,
      ),
    );
  }

  compactRange(): Promise<void> {
    return this.#inTurn(() => undefined);
  }

  /** Resolves, or rejects, when the drive has come to it. Of a dead process nothing comes any more. */
  #inTurn<T>(work: () => T): Promise<T> {
    const nowMs = this.#life.monotonicMs();
    this.#doneAtMs = Math.max(nowMs, this.#doneAtMs) + this.#drive.latencyMs();
    return new Promise((resolve, reject) => {
      this.#life.hears(this.#doneAtMs - nowMs, () => {
        try {
          const result = work();
          if (this.#life.alive) resolve(result);
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #change(where: string, operations: StoreOperation[], apply: () => void): void {
    this.#opened();
    if (this.#refusal !== null) throw this.#refusal;
    const result = this.#drive.change(where, apply);
    if (result instanceof Error) {
      this.#medium.refuse(operations);
      this.#refusal = ioError(result);
      throw this.#refusal;
    }
  }

  #opened(): Map<string, Buffer> {
    if (this.#records === null) {
      throw Object.assign(new Error('Database is not open'), { code: 'LEVEL_DATABASE_NOT_OPEN' });
    }
    return this.#records;
  }

  #release(): void {
    if (this.#medium.owner === this) this.#medium.owner = null;
    this.#records = null;
  }
}

const LOCKED = { code: 'LEVEL_LOCKED' };

function notOpen(cause: Error): Error {
  const error = new Error('Database failed to open', { cause });
  return Object.assign(error, { code: 'LEVEL_DATABASE_NOT_OPEN' });
}

function ioError({ message }: Error): Error {
  const error = new Error(`IO error: /spool/store/000042.log: ${message}`);
  return Object.assign(error, { code: 'LEVEL_IO_ERROR' });
}

/** In the order of their keys, as they are now. */
function within(
  records: ReadonlyMap<string, Buffer>,
  { gt, lt }: KeyRange,
): Array<[string, Buffer]> {
  return [...records]
    .filter(([key]) => key > gt && (lt === undefined || key < lt))
    .sort(([one], [other]) => (one < other ? -1 : 1));
}
