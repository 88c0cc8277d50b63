import type { HopRecord } from './record.js';

/** What to list. All conditions hold together; times are milliseconds of wall time. */
export interface TraceQuery {
  sender?: string;
  recipient?: string;
  /** An action, such as `delayed`. */
  state?: string;
  sinceMs?: number;
  untilMs?: number;
  limit: number;
  /** Queue id to go on behind. */
  cursor?: string;
}

export interface TracePage {
  records: HopRecord[];
  nextCursor: string | null;
}

/**
 * Where hop records are kept. `put` and `change` return at once; records are written behind and
 * survive a kill but for the last second.
 */
export interface TraceStore {
  open(): Promise<void>;
  /** Writes what is not yet written. */
  close(): Promise<void>;
  put(record: HopRecord): void;
  has(queueId: string): Promise<boolean>;
  /** Changes a record; a promise when it has to be read first. An unknown id changes nothing. */
  change(queueId: string, change: (record: HopRecord) => void): Promise<void> | undefined;
  /** By trace id, queue id or Message-ID (with or without angle brackets), oldest first. */
  find(id: string): Promise<HopRecord[]>;
  /** Newest first. */
  list(query: TraceQuery): Promise<TracePage>;
}
