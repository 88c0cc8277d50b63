import { setImmediate as nextTurn } from 'node:timers/promises';

/** Messages that are read from the spool before something else may run. */
const READ_A_TURN = 50;

/**
 * Goes through what is parked in one place after the other, in the background: each of them is read,
 * which for all at once would hold up everything. Each place is walked once more when it is asked for
 * again meanwhile.
 */
export class ParkedWalk<P> {
  readonly #visits: (place: P) => Iterable<boolean>;
  readonly #pending = new Set<P>();
  #running = false;
  #walking: Promise<void> | null = null;

  /** @param visits goes from one message to the next, and says whether that was read; never throws */
  constructor(visits: (place: P) => Iterable<boolean>) {
    this.#visits = visits;
  }

  /** Goes on where it was stopped, with the place that it was at from its beginning. */
  start(): void {
    this.#running = true;
    this.#go();
  }

  /** Stops before the next message. */
  suspend(): void {
    this.#running = false;
  }

  /** Resolves when nothing is read any more. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#walking;
  }

  through(place: P): void {
    this.#pending.add(place);
    this.#go();
  }

  #go(): void {
    if (this.#running && this.#pending.size > 0) {
      this.#walking ??= this.#walk().finally(() => {
        this.#walking = null;
        this.#go();
      });
    }
  }

  async #walk(): Promise<void> {
    for (const place of this.#pending) {
      this.#pending.delete(place);
      let read = 0;
      for (const wasRead of this.#visits(place)) {
        if (wasRead && ++read % READ_A_TURN === 0) {
          await nextTurn();
        }
        if (!this.#running) {
          this.#pending.add(place);
          return;
        }
      }
    }
  }
}
