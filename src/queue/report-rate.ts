const MINUTE_MS = 60_000;

/**
 * When a report may be sent, so that a burst of failures does not become a burst of mail to senders
 * that may be forged (RFC 6533 §7). Virtual scheduling: a minute's worth goes at once, what is
 * beyond it in even steps. Nothing is dropped and nothing grows: all that is kept is the time at
 * which the schedule is over.
 */
export class ReportRate {
  /** Monotonic time at which the rate would have sent all that it was asked for. */
  #doneAtMs = -Infinity;

  /**
   * Takes the next place and returns how long the report has to wait for it; 0 for none.
   *
   * @param nowMs monotonic
   * @param maxDelayMs no report waits longer, also where more of them come than the rate can send
   */
  delayMs(nowMs: number, perMinute: number, maxDelayMs: number): number {
    const stepMs = MINUTE_MS / perMinute;
    const burstMs = MINUTE_MS - stepMs;
    const placeMs = Math.max(this.#doneAtMs, nowMs);
    const delayMs = Math.min(maxDelayMs, Math.max(0, placeMs - burstMs - nowMs));
    this.#doneAtMs = Math.min(placeMs, nowMs + burstMs + maxDelayMs) + stepMs;
    return delayMs;
  }
}
