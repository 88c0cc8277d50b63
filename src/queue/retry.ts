/** A hop that has named a short wait so often in vain is asked at our own intervals. */
const BELIEVED_ATTEMPTS = 3;

/**
 * When a deferred recipient is tried again: the n-th wait of the list, the last one repeats, each
 * with a tenth of chance so that a crowd which failed together does not come back together.
 * The expiry is never overshot: the last wait ends at it, when the message is given up.
 *
 * @param askedMs the wait that the hop named: it is kept to, unless it is shorter than our own and
 *   has been tried before
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
  askedMs?: number,
): number {
  const index = Math.min(Math.max(attempts, 1), intervalsSeconds.length) - 1;
  const ownMs = (intervalsSeconds[index] ?? 60) * 1000;
  const waitMs =
    askedMs !== undefined && (askedMs > ownMs || attempts <= BELIEVED_ATTEMPTS) ? askedMs : ownMs;
  return Math.min(nowMs + Math.round(waitMs * (1 + 0.1 * chance)), Math.max(expiresAtMs, nowMs));
}
