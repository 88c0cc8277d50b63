/**
 * Seconds that were written lately, with their text up to the point, each in the place of its
 * remainder. Seven of them: the lifetimes of mail, which many times differ by, are no multiples of
 * seven seconds.
 */
const PLACES = 7;
const seconds: number[] = Array.from({ length: PLACES }, () => Number.NaN);
const texts: string[] = Array.from({ length: PLACES }, () => '');

/**
 * A wall time as ISO 8601 in UTC with milliseconds, as `toISOString` writes it, at a small part of its
 * cost: most times that are written are of the present second.
 *
 * @param epochMs milliseconds since 1970; a fraction is cut off
 * @throws RangeError where `toISOString` does
 */
export function isoTime(epochMs: number): string {
  const ms = Math.trunc(epochMs);
  const second = Math.floor(ms / 1000);
  const place = Math.abs(second % PLACES);
  if (seconds[place] !== second) {
    texts[place] = new Date(second * 1000).toISOString().slice(0, -4);
    seconds[place] = second;
  }
  const text = texts[place] as string;
  const thousandths = ms - second * 1000;
  if (thousandths < 10) return `${text}00${thousandths}Z`;
  return thousandths < 100 ? `${text}0${thousandths}Z` : `${text}${thousandths}Z`;
}
