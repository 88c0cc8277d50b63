import type { HopRecord } from '../../src/trace/record.js';
import type { TracePage, TraceStore } from '../../src/trace/store.js';

/** Hop records in a map: enough for who only writes traces. */
export class MemoryTraceStore implements TraceStore {
  readonly records = new Map<string, HopRecord>();

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  put(record: HopRecord): void {
    this.records.set(record.queue_id, record);
  }

  async has(queueId: string): Promise<boolean> {
    return this.records.has(queueId);
  }

  change(queueId: string, change: (record: HopRecord) => void): undefined {
    const record = this.records.get(queueId);
    if (record !== undefined) change(record);
  }

  async find(id: string): Promise<HopRecord[]> {
    return [...this.records.values()].filter(
      (record) => record.queue_id === id || record.trace_id === id,
    );
  }

  async list(): Promise<TracePage> {
    return { records: [...this.records.values()].toReversed(), nextCursor: null };
  }
}
