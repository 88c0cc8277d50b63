import type { Clock, Timer } from '../base/clock.js';

/** At most one timer for each key: a new one takes the place of the one before. */
export class TimerTable<K> {
  readonly #clock: Clock;
  readonly #timers = new Map<K, Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has(key: K): boolean {
    return this.#timers.has(key);
  }

  /** @param task finds its key free for another timer */
  set(key: K, delayMs: number, task: () => void): void {
    this.cancel(key);
    const fire = (): void => {
      this.#timers.delete(key);
      task();
    };
    this.#timers.set(key, this.#clock.after(delayMs, fire));
  }

  cancel(key: K): void {
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
  }

  clear(): void {
    for (const timer of this.#timers.values()) {
      timer.cancel();
    }
    this.#timers.clear();
  }
}
