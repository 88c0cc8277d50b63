/**
 * When a deferred recipient is tried again: the n-th wait of the list, the last one repeats, each
 * with a tenth of chance so that a crowd which failed together does not come back together.
 * The expiry is never overshot: the last wait ends at it, when the message is given up.
 *
 * @param attempts attempts so far, at least 1
 * @param chance a number from 0 to 1
 * @returns wall time in milliseconds
 */
export function nextAttemptAt(
  intervalsSeconds: readonly number[],
  attempts: number,
  nowMs: number,
  expiresAtMs: number,
  chance: number,
): number {
  const index = Math.min(Math.max(attempts, 1), intervalsSeconds.length) - 1;
  const waitMs = (intervalsSeconds[index] ?? 60) * 1000;
  return Math.min(nowMs + Math.round(waitMs * (1 + 0.1 * chance)), Math.max(expiresAtMs, nowMs));
}
