import { seeded } from '../scenario/mail-content.js';

/** Choices that a seed and a name decide, so that each actor has its own, whatever others do. */
export class Dice {
  readonly chance: () => number;

  constructor(seed: number, name: string) {
    let mixed = seed >>> 0;
    for (const character of name) mixed = Math.imul(mixed ^ character.charCodeAt(0), 0x01000193);
    this.chance = seeded(mixed);
  }

  /** True with a probability from 0 to 1. */
  may(probability: number): boolean {
    return this.chance() < probability;
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.chance() * (most - least + 1));
  }

  /** Deals all cards in a random order, and then again in another. */
  deck<T>(cards: readonly T[]): () => T {
    const left: T[] = [];
    return () => {
      if (left.length === 0) left.push(...cards);
      return left.splice(Math.floor(this.chance() * left.length), 1)[0] as T;
    };
  }

  oneOf<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.chance() * choices.length)] as T;
  }
}
