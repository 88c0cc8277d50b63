import type { Chance } from './chance.js';

/** What is to go wrong at a change of the medium: counted from now on, 1 is the next one. */
export interface Trouble {
  inChanges: number;
  /** `no-space` lasts until there is room again; `io-error` is one refusal; the others end the process. */
  kind: 'no-space' | 'io-error' | 'kill' | 'power-cut';
  /** It happens when the change has already taken effect, before anybody hears of it. */
  afterwards: boolean;
}

/** What a full drive still takes: now and then something small fits. */
const FITS_WHEN_FULL = 0.1;

/** The drive under the store and the files of one node: counts its changes, and spoils the n-th. */
export class Drive {
  readonly #chance: Chance;
  /** Ends the process that uses the drive. */
  onEnd: (powerCut: boolean, where: string) => void = () => undefined;
  /** Hears of every refusal. */
  onRefusal: (where: string) => void = () => undefined;
  #changes = 0;
  #troubles: Array<Trouble & { atChange: number }> = [];
  #full = false;
  /** Hears that it is full. */
  onFull: () => void = () => undefined;
  /** Everything takes so many times longer. */
  slowness = 1;
  refusals = 0;
  /** So many reads fail, one after the other. */
  unreadable = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  get full(): boolean {
    return this.#full;
  }

  arm(trouble: Trouble): void {
    this.#troubles.push({ ...trouble, atChange: this.#changes + trouble.inChanges });
  }

  /** Everything is well from now on. */
  heal(): void {
    this.#troubles = [];
    this.#full = false;
    this.slowness = 1;
    this.unreadable = 0;
  }

  makeRoom(): void {
    this.#full = false;
  }

  /** How long the drive takes for something. */
  latencyMs(): number {
    const usualMs = this.#chance.happens(0.5) ? 0 : this.#chance.spread(0.02, 8);
    return usualMs * this.slowness;
  }

  /**
   * Applies a change, unless something is to happen to it.
   *
   * @param frees it takes no room
   * @returns null when it is done, the refusal, or `ended` when the process died at it
   */
  change(where: string, apply: () => void, frees = false): null | Error | 'ended' {
    const trouble = this.#due();
    if (trouble === undefined) return this.#ordinary(where, apply, frees);
    const { kind, afterwards } = trouble;
    if (kind === 'kill' || kind === 'power-cut') {
      if (afterwards) apply();
      this.onEnd(kind === 'power-cut', where);
      return 'ended';
    }
    if (kind === 'no-space') this.#fill();
    return this.#refuse(where, kind === 'io-error' ? IO_ERROR : NO_SPACE);
  }

  /** @returns why nothing can be read now, or null */
  mayRead(): Error | null {
    if (this.unreadable === 0) return null;
    this.unreadable--;
    return Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
  }

  /** Something that is not a change and may fail on a full drive. */
  mayOpen(): Error | null {
    return this.#full && !this.#chance.happens(FITS_WHEN_FULL)
      ? this.#refuse('open', NO_SPACE)
      : null;
  }

  #fill(): void {
    this.#full = true;
    this.onFull();
  }

  #due(): Trouble | undefined {
    this.#changes++;
    const index = this.#troubles.findIndex(({ atChange }) => atChange <= this.#changes);
    return index === -1 ? undefined : this.#troubles.splice(index, 1)[0];
  }

  #ordinary(where: string, apply: () => void, frees: boolean): null | Error {
    if (this.#full && !frees && !this.#chance.happens(FITS_WHEN_FULL)) {
      return this.#refuse(where, NO_SPACE);
    }
    apply();
    return null;
  }

  #refuse(where: string, { code, words }: { code: string; words: string }): Error {
    this.refusals++;
    this.onRefusal(where);
    return Object.assign(new Error(words), { code });
  }
}

const NO_SPACE = { code: 'ENOSPC', words: 'No space left on device' };
const IO_ERROR = { code: 'EIO', words: 'Input/output error' };
