import NodeCache from 'node-cache';
import type { HeldRecord } from './unwritten-records.js';

const CACHE_RECORDS = 3000;
const CACHE_SECONDS = 300;

/** Records of mail that is under way, and those that were read lately; a bounded number of them. */
export class RecordCache {
  readonly #cache = new NodeCache({
    stdTTL: CACHE_SECONDS,
    checkperiod: 60,
    useClones: false,
    maxKeys: CACHE_RECORDS,
  });
  /** Ids in the cache, in the order in which they came. */
  readonly #cached = new Set<string>();

  constructor() {
    this.#cache.on('del', (queueId: string) => this.#cached.delete(queueId));
  }

  get(queueId: string): HeldRecord | undefined {
    // null is what node-cache has for `__proto__` and whatever else a plain object inherits
    return this.#cache.get<HeldRecord>(queueId) ?? undefined;
  }

  /**
   * node-cache throws on every `set` while it is full, also for a key that it holds: the record's
   * earlier version makes room, else the record that came first.
   */
  remember(held: HeldRecord): void {
    const { queue_id: queueId } = held.record;
    if (this.#cached.size >= CACHE_RECORDS) {
      const [oldest] = this.#cached;
      this.#cache.del(this.#cached.has(queueId) ? queueId : (oldest as string));
    }
    this.#cached.add(queueId);
    this.#cache.set(queueId, held);
  }

  forget(queueId: string): void {
    if (this.#cached.has(queueId)) {
      this.#cache.del(queueId);
    }
  }

  close(): void {
    this.#cache.close();
  }
}
