import type { Clock } from '../base/clock.js';
import { within } from '../base/deadline.js';
import type { Consumption } from '../queue/broker-consumer.js';

const SETTLE_TIMEOUT_MS = 10_000;
/**
 * For so long a quorum queue that has heard an acknowledgement may still forget it when the
 * connection ends: it writes down what ended first.
 */
const FORGETS_MS = 1000;

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
  /** Lets the wait end. */
  #hurry: () => void = () => undefined;
  #over = false;

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

  /** The link has ended, or is about to: what is not certain by now stays known. */
  async end(): Promise<void> {
    this.#over = true;
    this.#hurry();
    await this.#working;
  }

  #work(): void {
    const consumption = this.#consumption;
    if (consumption !== null && this.#keys.length > 0 && !this.#over) {
      this.#working ??= this.#workOff(consumption).finally(() => {
        this.#working = null;
      });
    }
  }

  /** Never rejects: with a link that is lost, or a spool that refuses, the notes stay. */
  async #workOff(consumption: Consumption): Promise<void> {
    while (this.#keys.length > 0 && !this.#over) {
      const keys = this.#keys;
      this.#keys = [];
      try {
        await within(consumption.settled(), SETTLE_TIMEOUT_MS, this.#clock, () => {
          throw new Error('the broker does not answer');
        });
        await this.#wait();
        if (!this.#over) {
          await this.#forget(keys);
        }
      } catch {
        return;
      }
    }
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(FORGETS_MS, resolve);
      this.#hurry = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
