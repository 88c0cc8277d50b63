import type { HealthView } from '../api/views.js';
import type { Clock } from '../base/clock.js';
import type { WorkerQuestions } from './merged-questions.js';

/** An answer is at most so old. */
const KNOWN_MS = 500;

interface Known {
  ready: number[];
  reason: string | null;
}

/**
 * The node takes mail while one of its workers does: they share its listening sockets, and a client
 * that meets one which does not is told to come again. One that only drains its spool takes none. What is wrong with one of them stands in the
 * status, the metrics and the log.
 */
export class MergedHealth implements HealthView {
  readonly #workers: WorkerQuestions;
  readonly #clock: Clock;
  #known: Promise<Known> | null = null;
  #askedAtMs = 0;
  /** Which workers ran then, and where. */
  #askedOf = '';

  constructor(workers: WorkerQuestions, clock: Clock) {
    this.#workers = workers;
    this.#clock = clock;
  }

  async notReady(): Promise<string | null> {
    return (await this.#look()).reason;
  }

  /** Numbers of the workers that take mail. */
  async ready(): Promise<readonly number[]> {
    return (await this.#look()).ready;
  }

  /** Something was seen that does not fit what is known. */
  doubt(): void {
    this.#known = null;
  }

  #look(): Promise<Known> {
    const nowMs = this.#clock.monotonicMs();
    const of = this.#workers.links.map(({ up, url }) => `${up} ${url}`).join();
    if (this.#known === null || nowMs - this.#askedAtMs >= KNOWN_MS || of !== this.#askedOf) {
      this.#askedAtMs = nowMs;
      this.#askedOf = of;
      this.#known = this.#ask();
    }
    return this.#known;
  }

  async #ask(): Promise<Known> {
    const { parts, missing } = await this.#workers.json<unknown>('/readyz');
    const { links } = this.#workers;
    const draining = new Set(links.flatMap(({ index, drains }) => (drains === true ? index : [])));
    const ready = parts.flatMap(({ worker }) => (draining.has(worker) ? [] : worker));
    const silent = missing.filter(({ worker }) => !draining.has(worker));
    const reasons = silent.map(({ worker, reason }) => `worker ${worker}: ${reason}`);
    return { ready, reason: ready.length > 0 ? null : reasons.join('; ') || 'no worker runs' };
  }
}
