/** How much mail one queue may send at once and over time. */
export interface Capacity {
  /** Open connections at once. */
  maxConnections: number;
  /** Messages over one connection, after which it is closed with QUIT. */
  maxMessagesPerConnection: number;
  /** Transactions begun in any 60 seconds; null: as many as there are. */
  maxMessagesPerMinute: number | null;
  /** Connections opened in any 60 seconds; null: as many as are needed. */
  maxConnectsPerMinute: number | null;
  /** A connection that is unused for so long is closed with QUIT. */
  idleTimeoutMs: number;
}

/** What holds for a queue that nothing more specific names. */
export const DEFAULT_CAPACITY: Capacity = {
  maxConnections: 20,
  maxMessagesPerConnection: 100,
  maxMessagesPerMinute: null,
  maxConnectsPerMinute: null,
  idleTimeoutMs: 30_000,
};
