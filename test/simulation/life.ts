import type { Clock, Timer } from '../../src/base/clock.js';
import type { Chance } from './chance.js';
import type { Timeline } from './timeline.js';

/** A Monday at noon, UTC: wall time at the beginning of the world. */
const BEGINNING_MS = Date.UTC(2026, 0, 5, 12);

/** The clock on the wall of one machine. Somebody may set it. */
export class WallClock {
  readonly #timeline: Timeline;
  offsetMs = 0;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  nowMs(): number {
    return Math.floor(BEGINNING_MS + this.#timeline.nowMs + this.offsetMs);
  }
}

/**
 * One process, from its start to its end, and its view of time. When it dies, whatever it waits for
 * never comes: its code stands still for ever, in the middle of what it was doing.
 */
export class Life implements Clock {
  readonly bornAtMs: number;
  readonly #timeline: Timeline;
  readonly #wall: WallClock;
  readonly #chance: Chance;
  #alive = true;
  /** Timers that have not fired and were not cancelled. */
  timers = 0;
  readonly #mourners = new Set<() => void>();

  constructor(timeline: Timeline, wall: WallClock, chance: Chance) {
    this.#timeline = timeline;
    this.#wall = wall;
    this.#chance = chance;
    this.bornAtMs = timeline.nowMs;
  }

  get alive(): boolean {
    return this.#alive;
  }

  nowMs(): number {
    return this.#wall.nowMs();
  }

  /** Counts from the birth of the process: a time of an earlier one means nothing here. */
  monotonicMs(): number {
    return this.#timeline.nowMs - this.bornAtMs;
  }

  /** As of Node: whole milliseconds, cut off, at least one; now and then late. */
  after(delayMs: number, task: () => void): Timer {
    this.timers++;
    let waiting = true;
    const end = (): void => {
      if (waiting) this.timers--;
      waiting = false;
    };
    const lateMs = this.#chance.happens(0.3) ? this.#chance.next() * 4 : 0;
    const timer = this.#timeline.after(Math.max(1, Math.trunc(delayMs)) + lateMs, () => {
      end();
      if (this.#alive) task();
    });
    return {
      cancel: () => {
        end();
        timer.cancel();
      },
    };
  }

  /** `task`, unless the process is dead by then. Not a timer: something from outside. */
  hears(delayMs: number, task: () => void): void {
    this.#timeline.after(delayMs, () => {
      if (this.#alive) task();
    });
  }

  /** Resolves after the time, unless the process is dead by then. */
  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.hears(delayMs, resolve);
    });
  }

  /** @returns a function that takes it back */
  onDeath(task: () => void): () => void {
    this.#mourners.add(task);
    return () => this.#mourners.delete(task);
  }

  end(): void {
    if (!this.#alive) return;
    this.#alive = false;
    for (const task of this.#mourners) task();
    this.#mourners.clear();
  }
}
