import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';

const MASK = '[secret]';

const GENERATED_BYTES = 32;

/**
 * The text of a new secret, 256 bits. Digits and letters alone: what begins with a dash is an
 * option to the programs that a person gives it to, and one double click marks the whole.
 */
export function makeSecretText(): string {
  return randomBytes(GENERATED_BYTES).toString('hex');
}

/**
 * A value that must not be printed. String conversion, JSON and `util.inspect` all yield a mask,
 * so that a secret that slips into a log line, an error or a page shows nothing.
 * `reveal()` is the one way to the value; callers use it at the last moment and keep no copy.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}
