/**
 * What a message says about its own delivery, by the JSON in which it was handed in or by its
 * `x-mq-` header fields (SMARTHOST: one message). Only of those who may steer.
 */
export interface MessageSettings {
  smarthost?: MessageSmarthost;
  /** Tags that routes may match. */
  tags?: string[];
  /** Attempts that count, after which a deferral is a failure. */
  maxAttempts?: number;
  /** Seconds between attempts; the last one repeats. */
  retryIntervalsSeconds?: number[];
  /** The least protection of the connection; never weakens what the topology asks for. */
  security?: 'none' | 'opportunistic' | 'required' | 'verified';
}

/** The smarthost of one message. Without username and password no login is tried. */
export interface MessageSmarthost {
  hostname: string;
  /** Null for a name of the topology without a port: its own. */
  port: number | null;
  /**
   * The address that the hostname had when it was checked; that address is connected to. Null for
   * a name of the topology, which says itself where that is.
   */
  address: string | null;
  username: string | null;
  /** Encrypted, see `base/sealer`. */
  sealedPassword: string | null;
}
