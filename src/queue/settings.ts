import type { SharedSpoolSettings } from './shared-settings.js';

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
  /**
   * For how long a message that a node of a tier may have taken is kept for that node; another one is
   * asked then, and it may come twice. Hops that keep their own mail are waited for without an end.
   */
  doubtTimeoutSeconds: number;
  /** Bodies larger than this are files beside the store. */
  inlineBodyBytes: number;
  limits: QueueLimits;
  deliveryKeys: DeliveryKeySettings;
  reports: ReportSettings;
  /** The mail is shared with the other nodes of the tier; absent: it is kept here. */
  shared?: SharedSpoolSettings;
}

/** What the queue holds at most. Beyond it senders hear 452 4.3.1; own reports are always taken. */
export interface QueueLimits {
  /** Messages in the queue. */
  maxMessages: number;
  /** Bytes of their bodies. */
  maxBytes: number;
  /** Bytes that stay free on the disk of the spool. */
  diskReserveBytes: number;
  /** Bytes of bodies in memory: on their way in, and kept for their first attempt. */
  bodyMemoryBytes: number;
  /** Attempts under way at once, over all destinations. */
  maxAttemptsAtOnce: number;
  /** Attempts of a recipient after which a deferral is a failure; null: only time ends them. */
  maxAttempts: number | null;
  /** Own reports in quarantine; beyond it the oldest is deleted and logged. Mail of clients is kept. */
  maxQuarantined: number;
}

/** The memory of what upstream nodes have handed over, so that a repeat is recognised. */
export interface DeliveryKeySettings {
  /** For how long after the birth of the sender's queue id: as long as the sender may retry, and a margin for clocks. */
  lifetimeSeconds: number;
  /** On disk; beyond it the oldest are forgotten early, and that is logged. */
  maxBytes: number;
}

/** Reports to senders (RFC 3464). */
export interface ReportSettings {
  /** Reports sent a minute; those beyond it wait. */
  maxPerMinute: number;
  /** A sender that asked for it (NOTIFY=DELAY) hears of a message that waits for so long. */
  delayAfterSeconds: number;
}
