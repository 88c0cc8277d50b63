/** What a queue has to know of a message that only the spool holds. */
export interface ParkedTraits {
  /** An earlier process left it, and this one has not attempted it. */
  readonly found: boolean;
  /** A hop has answered about it: it does not wait because it wants to. */
  readonly tried: boolean;
  /** It waits for a time, and not for its turn. */
  readonly deferred: boolean;
  /** There are other hops for it when the one that it waits for is at fault. */
  readonly movable: boolean;
}

/** The message itself, as far as its queue has to know it. */
export interface ParkedMessage {
  readonly id: string;
  /** Monotonic time that stands for its arrival, in whole milliseconds. */
  readonly bornMs: number;
  /** Of its body. */
  readonly sizeBytes: number;
}

/**
 * A message that waits, all of whose open recipients wait for the same, and that is in the spool
 * exactly as it was in memory. What it says is what its row said when it was looked at; it is made
 * anew for each look, and nobody keeps it: there may be millions of rows.
 */
export class Parked implements ParkedMessage, ParkedTraits {
  /** In `ParkedRows`. */
  readonly row: number;
  readonly id: string;
  readonly bornMs: number;
  readonly sizeBytes: number;
  readonly found: boolean;
  readonly tried: boolean;
  readonly deferred: boolean;
  readonly movable: boolean;

  constructor(
    row: number,
    { id, bornMs, sizeBytes }: ParkedMessage,
    { found, tried, deferred, movable }: ParkedTraits,
  ) {
    this.row = row;
    this.id = id;
    this.bornMs = bornMs;
    this.sizeBytes = sizeBytes;
    this.found = found;
    this.tried = tried;
    this.deferred = deferred;
    this.movable = movable;
  }
}
