import type { HopRecord } from './record.js';

/** What to list. All conditions hold together; times are milliseconds of wall time. */
export interface TraceQuery {
  /** An address, '' for the null sender, or a domain (`a.example`, `@a.example`) for all of its own. */
  sender?: string;
  /** An address or a domain. */
  recipient?: string;
  /** An action, such as `delayed`. */
  state?: string;
  sinceMs?: number;
  untilMs?: number;
  limit: number;
  /** Queue id to go on behind. */
  cursor?: string;
}

/** It has a bound in what was looked at, too: it may be short or empty and all the same have a cursor. */
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
  /** A record of a queue id that has none yet. */
  put(record: HopRecord): void;
  has(queueId: string): Promise<boolean>;
  /** Changes a record; a promise when it has to be read first. An unknown id changes nothing. */
  change(queueId: string, change: (record: HopRecord) => void): Promise<void> | undefined;
  /** By trace id, queue id or Message-ID (with or without angle brackets), oldest first. */
  find(id: string): Promise<HopRecord[]>;
  /** Newest first. */
  list(query: TraceQuery): Promise<TracePage>;
}
