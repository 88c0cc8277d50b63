/** How much time a certificate has left. */

const DAY_MS = 86_400_000;
/** Days from which it is time to renew it, and from which it is urgent. */
const WARN_DAYS = 30;
const BAD_DAYS = 7;

interface Validity {
  not_before: string;
  not_after: string;
}

/** Whole days, negative when it is over. */
export function daysLeft({ not_after: end }: Validity, nowMs: number): number {
  return Math.floor((Date.parse(end) - nowMs) / DAY_MS);
}

/** What is said of it at that time, and how urgent it is. */
export function expiryOf(
  validity: Validity,
  nowMs: number,
): { tone: 'ok' | 'warn' | 'bad'; words: string } {
  const days = daysLeft(validity, nowMs);
  if (Date.parse(validity.not_before) > nowMs) return { tone: 'bad', words: 'not valid yet' };
  if (days < 0) return { tone: 'bad', words: 'expired' };
  const words = days === 0 ? 'less than a day left' : `${days} ${days === 1 ? 'day' : 'days'} left`;
  return { tone: days < BAD_DAYS ? 'bad' : days < WARN_DAYS ? 'warn' : 'ok', words };
}
