import type { SentMessage } from '../evidence.js';

/** Words that the findings share. Numbers have commas, so that 1,000 and 10,000 are told apart. */

/** `1 message`, `1,200 messages`; a noun with another plural names it. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${grouped(number)} ${number === 1 ? noun : plural}`;
}

export function grouped(number: number): string {
  return number.toLocaleString('en-US');
}

/** `message 17 to u17@x.test`; of several recipients the first one. */
export function titleOf({ number, recipients }: SentMessage): string {
  const [first = 'nobody', ...others] = recipients;
  return `message ${grouped(number)} to ${first}${others.length === 0 ? '' : ` and ${grouped(others.length)} more`}`;
}

/** `mx`, `mx and archive`, `a, b and c`. */
export function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? '';
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} and ${last}`;
}
