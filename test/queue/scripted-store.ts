import type { KeyRange, Store, StoreIterator, StoreOperation } from '../../src/queue/store.js';

export const NO_ROOM = 'No space left on device';
export const BROKEN = 'Input/output error';

/** What the store was asked to write, as it stood when it was asked. */
export interface SeenBatch {
  /** `put KEY` and `del KEY`, in order. */
  changes: string[];
  sync: boolean;
}

/** A store in memory that refuses, or keeps waiting, what the test says. */
export class ScriptedStore implements Store {
  readonly records = new Map<string, Buffer>();
  readonly batches: SeenBatch[] = [];
  /** The words of the system with which every write is refused, or null. */
  refusal: string | null = null;
  /** What every write waits for before it is made. */
  gate: Promise<void> = Promise.resolve();
  /** Bytes of memory and medium that a range takes are counted, and so are these calls. */
  compactions = 0;

  async open(): Promise<void> {}
  async close(): Promise<void> {}

  async batch(operations: StoreOperation[], { sync }: { sync: boolean }): Promise<void> {
    const changes = operations.map(({ type, key }) => `${type} ${key}`);
    this.batches.push({ changes, sync });
    await this.gate;
    this.#mayWrite();
    for (const operation of operations) {
      if (operation.type === 'put') this.records.set(operation.key, operation.value);
      else this.records.delete(operation.key);
    }
  }

  async get(key: string): Promise<Buffer | undefined> {
    return this.records.get(key);
  }

  getSync(key: string): Buffer | undefined {
    return this.records.get(key);
  }

  iterator(range: KeyRange): StoreIterator {
    const keys = this.#within(range);
    return {
      nextv: async (size) =>
        keys.splice(0, size).map((key) => [key, this.records.get(key) ?? Buffer.alloc(0)]),
      close: async () => undefined,
    };
  }

  async clear({ limit, ...range }: KeyRange & { limit: number }): Promise<void> {
    this.#mayWrite();
    for (const key of this.#within(range).slice(0, limit)) this.records.delete(key);
  }

  async approximateSize(start: string, end: string): Promise<number> {
    return this.#within({ gt: start, lt: end }).reduce(
      (sum, key) => sum + key.length + (this.records.get(key)?.length ?? 0),
      0,
    );
  }

  async compactRange(): Promise<void> {
    this.compactions++;
  }

  #within({ gt, lt }: KeyRange): string[] {
    return [...this.records.keys()]
      .filter((key) => key > gt && (lt === undefined || key < lt))
      .sort();
  }

  /** As LevelDB says it: the words of the system stand in the cause. */
  #mayWrite(): void {
    if (this.refusal !== null) {
      const cause = new Error(`IO error: /spool/store/000042.log: ${this.refusal}`);
      throw Object.assign(new Error('Batch failed', { cause }), { code: 'LEVEL_IO_ERROR' });
    }
  }
}
