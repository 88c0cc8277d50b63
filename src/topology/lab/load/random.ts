import { createHash } from 'node:crypto';

/**
 * Numbers that look random and follow from a seed alone: sfc32 by Chris Doty-Humphrey, seeded with
 * a digest, so that neighbouring seeds and numbers give streams that have nothing in common.
 */
export class SeededRandom {
  readonly #state: Int32Array;

  constructor(...seeds: ReadonlyArray<number | string>) {
    const digest = createHash('sha256').update(seeds.join('\0')).digest();
    this.#state = Int32Array.from({ length: 4 }, (_, index) => digest.readInt32LE(index * 4));
  }

  /** From 0 to less than 1. */
  fraction(): number {
    const state = this.#state;
    const [a = 0, b = 0, c = 0, counter = 0] = state;
    const sum = (a + b + counter) | 0;
    state[0] = b ^ (b >>> 9);
    state[1] = (c + (c << 3)) | 0;
    state[2] = (((c << 21) | (c >>> 11)) + sum) | 0;
    state[3] = (counter + 1) | 0;
    return (sum >>> 0) / 4_294_967_296;
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1));
  }

  pick<T>(values: readonly [T, ...T[]]): T {
    return values[this.between(0, values.length - 1)] ?? values[0];
  }
}
