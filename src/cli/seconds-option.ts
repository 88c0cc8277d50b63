import { InvalidArgumentError } from 'commander';

/** Value of an option that says how long something may take: more than 0, less than 1000 seconds. */
export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d{1,3}(\.\d{1,3})?$/.test(text) || seconds <= 0) {
    throw new InvalidArgumentError('Give a number of seconds.');
  }
  return seconds;
}
