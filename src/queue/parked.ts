/** What a queue has to know of a message that only the spool holds. */
export interface ParkedTraits {
  /** An earlier process left it, and this one has not attempted it. */
  found: boolean;
  /** A hop has answered about it: it does not wait because it wants to. */
  tried: boolean;
  /** It waits for a time, and not for its turn. */
  deferred: boolean;
  /** There are other hops for it when the one that it waits for is at fault. */
  movable: boolean;
}

const FOUND = 1;
const TRIED = 2;
const DEFERRED = 4;
const MOVABLE = 8;

/**
 * A message that waits, all of whose open recipients wait for the same, and that is in the spool
 * exactly as it was in memory. There may be millions of them: few fields, and small numbers.
 */
export class Parked {
  readonly id: string;
  /** Monotonic time that stands for its arrival, in whole milliseconds. */
  readonly bornMs: number;
  /** Of its body. */
  readonly sizeBytes: number;
  /** Where it waits for its turn; null: nowhere any more, or for a time. */
  place: object | null = null;
  #flags: number;

  constructor(
    { id, bornMs, sizeBytes }: { id: string; bornMs: number; sizeBytes: number },
    { found, tried, deferred, movable }: ParkedTraits,
  ) {
    this.id = id;
    this.bornMs = Math.round(bornMs);
    this.sizeBytes = sizeBytes;
    this.#flags =
      (found ? FOUND : 0) |
      (tried ? TRIED : 0) |
      (deferred ? DEFERRED : 0) |
      (movable ? MOVABLE : 0);
  }

  get found(): boolean {
    return (this.#flags & FOUND) !== 0;
  }

  get tried(): boolean {
    return (this.#flags & TRIED) !== 0;
  }

  get deferred(): boolean {
    return (this.#flags & DEFERRED) !== 0;
  }

  get movable(): boolean {
    return (this.#flags & MOVABLE) !== 0;
  }

  set movable(movable: boolean) {
    this.#flags = movable ? this.#flags | MOVABLE : this.#flags & ~MOVABLE;
  }
}
