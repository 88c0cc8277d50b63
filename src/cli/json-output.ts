import type { Output } from './api-access.js';

/**
 * Prints `value` as JSON. What remote hosts wrote can steer no terminal: every character that
 * controls rather than shows is written as its `\u` escape, which a parser reads as the same.
 */
export function writeJson(output: Output, value: unknown): void {
  const text = JSON.stringify(value, null, 2).replaceAll(
    /[^\P{Cc}\n]|[\p{Cf}\u2028\u2029]/gu,
    (character) =>
      character
        .split('')
        .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
        .join(''),
  );
  output.write(`${text}\n`);
}
