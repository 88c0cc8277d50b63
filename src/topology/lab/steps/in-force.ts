import type { Clock, Timer } from '../../../base/clock.js';
import { within } from '../../../base/deadline.js';

/** Something that a step did and that has to be undone, by another step or at the end. */
export interface Held {
  kind: 'freeze' | 'partition' | 'fault' | 'pause';
  /** What it was done to: a process, `linkKey`, a sink, or a node whose queues are paused. */
  about: string;
  /** The queue, of a pause of one. */
  queue?: string;
  undo: () => Promise<void>;
  /** Told when `undo` failed although nothing had ended. */
  onFailure: (error: unknown) => void;
}

export function linkKey({ from, to }: { from: string; to: string }): string {
  return `${from} to ${to}`;
}

type Which = (held: Held) => boolean;

/** At the end, for each thing; a node that died does not answer. */
const LAST_UNDO_TIMEOUT_MS = 10_000;

/**
 * All that is in force. Each thing is undone once: by its time, by a step, or at the end; what
 * comes after the end is undone as it comes.
 */
export class InForce {
  readonly #clock: Clock;
  readonly #held = new Map<Held, Timer | null>();
  /** Undoing that a timer has begun. */
  readonly #running = new Set<Promise<void>>();
  #isOver = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param forMs After this time it is undone in the background; null: not by itself. */
  async add(held: Held, forMs: number | null): Promise<void> {
    if (this.#isOver) {
      await held.undo();
      return;
    }
    const timer =
      forMs === null ? null : this.#clock.after(forMs, () => this.#endInBackground(held));
    this.#held.set(held, timer);
  }

  has(which: Which): boolean {
    return [...this.#held.keys()].some(which);
  }

  /** Something else has ended these, or is about to. */
  forget(which: Which): void {
    for (const held of this.#held.keys()) if (which(held)) this.#take(held);
  }

  /** Undoes these now. Rejects with the first error, after all were tried. */
  async release(which: Which): Promise<void> {
    const chosen = [...this.#held.keys()].filter(which);
    for (const held of chosen) this.#take(held);
    const results = await Promise.allSettled(chosen.map((held) => held.undo()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /**
   * Undoes all that is left, processes first, since a frozen one answers nobody. Never rejects:
   * what cannot be undone is gone with the run.
   */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
    const release = (which: Which): Promise<void> =>
      within(this.release(which), LAST_UNDO_TIMEOUT_MS, this.#clock, () => undefined);
    await release(({ kind }) => kind === 'freeze').catch(() => undefined);
    await release(() => true).catch(() => undefined);
  }

  #take(held: Held): boolean {
    this.#held.get(held)?.cancel();
    return this.#held.delete(held);
  }

  #endInBackground(held: Held): void {
    if (!this.#take(held)) return;
    const undone = held
      .undo()
      .catch(held.onFailure)
      .finally(() => this.#running.delete(undone));
    this.#running.add(undone);
  }
}
