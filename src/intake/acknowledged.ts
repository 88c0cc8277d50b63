import type { Clock } from '../base/clock.js';
import { within } from '../base/deadline.js';
import type { Consumption } from '../queue/broker-consumer.js';

const SETTLE_TIMEOUT_MS = 10_000;

/**
 * What was acknowledged, until the broker has that for certain: from then on it does not give the
 * message again, and nothing has to be known of it. When the link ends before, it may.
 */
export class Acknowledged {
  readonly #clock: Clock;
  readonly #forget: (keys: readonly string[]) => Promise<void>;
  #keys: string[] = [];
  #consumption: Consumption | null = null;
  #working: Promise<void> | null = null;

  /** @param forget of messages that do not come again */
  constructor(clock: Clock, forget: (keys: readonly string[]) => Promise<void>) {
    this.#clock = clock;
    this.#forget = forget;
  }

  /** The consumption over which was, and will be, acknowledged. */
  by(consumption: Consumption): void {
    this.#consumption = consumption;
    this.#work();
  }

  add(key: string): void {
    this.#keys.push(key);
    this.#work();
  }

  /** Resolves when nothing is left that could be made certain. */
  async idle(): Promise<void> {
    await this.#working;
  }

  #work(): void {
    const consumption = this.#consumption;
    if (consumption !== null && this.#keys.length > 0) {
      this.#working ??= this.#workOff(consumption).finally(() => {
        this.#working = null;
      });
    }
  }

  /** Never rejects: with a link that is lost, or a spool that refuses, the notes stay. */
  async #workOff(consumption: Consumption): Promise<void> {
    while (this.#keys.length > 0) {
      const keys = this.#keys;
      this.#keys = [];
      try {
        await within(consumption.settled(), SETTLE_TIMEOUT_MS, this.#clock, () => {
          throw new Error('the broker does not answer');
        });
        await this.#forget(keys);
      } catch {
        return;
      }
    }
  }
}
