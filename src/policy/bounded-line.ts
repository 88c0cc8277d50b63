import type { Clock, Timer } from '../base/clock.js';

export interface LineBounds {
  /** Tasks at a time. */
  atOnce: number;
  /** Tasks that wait for their turn. */
  maxWaiting: number;
  /** Longest wait for a turn. */
  maxWaitMs: number;
}

interface Waiting {
  start: () => void;
  deadline: Timer;
}

/**
 * Tasks that are dear: a few at a time, the rest in their order. One that finds the line full, or
 * has waited for too long, is not begun: 'busy'. A timer lives only as long as something waits.
 */
export class BoundedLine {
  readonly #bounds: LineBounds;
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #underWay = 0;

  constructor(bounds: LineBounds, clock: Clock) {
    this.#bounds = bounds;
    this.#clock = clock;
  }

  /** Rejects as the task does. */
  async run<T>(task: () => Promise<T>): Promise<T | 'busy'> {
    if (this.#underWay < this.#bounds.atOnce) this.#underWay++;
    else if (!(await this.#turn())) return 'busy';
    try {
      return await task();
    } finally {
      this.#handOn();
    }
  }

  /** True with the place of one that has ended, false without. */
  #turn(): Promise<boolean> {
    const { maxWaiting, maxWaitMs } = this.#bounds;
    if (this.#waiting.size >= maxWaiting) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiting: Waiting = {
        start: () => resolve(true),
        deadline: this.#clock.after(maxWaitMs, () => {
          this.#waiting.delete(waiting);
          resolve(false);
        }),
      };
      this.#waiting.add(waiting);
    });
  }

  #handOn(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#underWay--;
      return;
    }
    this.#waiting.delete(next);
    next.deadline.cancel();
    next.start();
  }
}
