export interface QueueSettings {
  /** Folder of the spool; made with mode 0700 if missing. */
  directory: string;
  /** Waits between attempts of a deferred recipient, in seconds; the last one repeats. */
  retryIntervalsSeconds: number[];
  /** A recipient that is not delivered after this time fails with 4.4.7 (RFC 5321 §4.5.4.1). */
  expireAfterSeconds: number;
  /** Pause of a destination after a fault of its hop: the first, doubled each time up to the last. */
  hopPauseMinSeconds: number;
  hopPauseMaxSeconds: number;
  /** Bodies larger than this are files beside the store. */
  inlineBodyBytes: number;
}
