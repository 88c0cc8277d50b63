import { RelayError } from '../../base/errors.js';
import { bytesOf } from '../size.js';

/*
 * What the texts of `tests:` come to. The forms were checked by schema-tests.ts; what a form cannot
 * say, such as a range that ends before it begins, is refused here with LAB_VALUE_INVALID.
 */

export interface Range {
  min: number;
  max: number;
}

/** `< 2s`: what it is held against has to be less than 2000. */
export interface Bound {
  operator: '<' | '<=' | '>' | '>=';
  limitMs: number;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

const DURATION = /^(\d+(?:\.\d+)?) ?(ms|s|m|h)$/;
const RATE = /^(\d+(?:\.\d+)?)\/(s|m|h)$/;
const SIZE = /^\d+(?:\.\d+)? ?(?:B|kB|MB|KiB|MiB)$/;
const BOUND = /^(<=|>=|<|>) ?(.+)$/;
const SHARE = /^(\d{1,3})%$/;

/** `500ms`, `1.5s`, `1m`, `2h` in milliseconds. */
export function durationMs(text: string): number {
  const [, number, unit = ''] = DURATION.exec(text) ?? [];
  if (number === undefined) throw invalid(text, 'a duration such as 500ms, 2s or 1m');
  return Number(number) * (UNIT_MS[unit] ?? Number.NaN);
}

/** `100ms-2s`, or one duration, which is both ends; in milliseconds. */
export function durationRangeMs(text: string): Range {
  return range(text, durationMs);
}

/** `100/s`, `600/m` or `3/h`, as events per second; more than 0. */
export function ratePerSecond(text: string): number {
  const [, number, unit = ''] = RATE.exec(text) ?? [];
  if (number === undefined) throw invalid(text, 'a rate such as 100/s or 600/m');
  const perSecond = Number(number) / ((UNIT_MS[unit] ?? Number.NaN) / 1000);
  if (perSecond === 0) throw invalid(text, 'a rate of more than 0');
  return perSecond;
}

/** `1kB-50kB`, or one size, which is both ends; in bytes. */
export function sizeRangeBytes(text: string): Range {
  return range(text, (size) => {
    if (!SIZE.test(size)) throw invalid(size, 'a size such as 2kB');
    return bytesOf(size);
  });
}

/** `< 2s`. */
export function bound(text: string): Bound {
  const [, operator, limit = ''] = BOUND.exec(text) ?? [];
  if (operator === undefined) throw invalid(text, 'a bound such as "< 2s"');
  return { operator: operator as Bound['operator'], limitMs: durationMs(limit) };
}

/** Whether a duration keeps to a bound. */
export function isWithin(valueMs: number, { operator, limitMs }: Bound): boolean {
  switch (operator) {
    case '<':
      return valueMs < limitMs;
    case '<=':
      return valueMs <= limitMs;
    case '>':
      return valueMs > limitMs;
    case '>=':
      return valueMs >= limitMs;
  }
}

/** `60%-90%`, or one share, which is both ends; as fractions from 0 to 1. */
export function shareRange(text: string): Range {
  return range(text, (share) => {
    const [, percent] = SHARE.exec(share) ?? [];
    if (percent === undefined || Number(percent) > 100) {
      throw invalid(share, 'a share from 0% to 100%');
    }
    return Number(percent) / 100;
  });
}

function range(text: string, parse: (part: string) => number): Range {
  const [first = '', second = first, ...others] = text.split('-');
  const [min, max] = [parse(first), parse(second)];
  if (others.length > 0 || max < min) throw invalid(text, 'a range that ends after it begins');
  return { min, max };
}

function invalid(text: string, wanted: string): RelayError {
  return new RelayError('LAB_VALUE_INVALID', `'${text}' is not ${wanted}`, { fault: 'operator' });
}
