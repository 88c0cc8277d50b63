import type { CapacityChange } from '../api/contract.js';
import type { Queue } from '../api/shape/queues.js';
import { AHEAD } from '../api/v1/queues.js';
import type { Clock, Timer } from '../base/clock.js';
import { shareOfChange } from './merged-queue.js';
import { segment, type WorkerQuestions } from './merged-questions.js';

const LOOK_MS = 1000;
/** As many queues as an operator has paused or limited; of more, the first orders are forgotten. */
const MAX_ORDERS = 1000;

interface Order {
  paused: boolean;
  limits: CapacityChange;
}

/**
 * What an operator wants of queues until the node ends. A worker that was started again knows nothing
 * of what was said before: so while there are orders, the workers are looked at each second. One that
 * did not answer at the look before is told all of them, also for queues in which nothing waits
 * there; and all are told again what does not fit.
 */
export class StandingOrders {
  readonly #workers: WorkerQuestions;
  readonly #clock: Clock;
  readonly #orders = new Map<string, Order>();
  #timer: Timer | null = null;
  /** Workers that did not answer at the last look. */
  #silent = new Set<number>();
  /** The look that is under way; a new order waits for it, so that it is not undone. */
  #look: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(workers: WorkerQuestions, clock: Clock) {
    this.#workers = workers;
    this.#clock = clock;
  }

  pause(name: string): Promise<void> {
    return this.#set(name, { ...this.#of(name), paused: true });
  }

  resume(name: string): Promise<void> {
    return this.#set(name, { ...this.#of(name), paused: false });
  }

  limit(name: string, change: CapacityChange): Promise<void> {
    const before = this.#of(name);
    return this.#set(name, { ...before, limits: { ...before.limits, ...change } });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #of(name: string): Order {
    return this.#orders.get(name) ?? { paused: false, limits: {} };
  }

  async #set(name: string, order: Order): Promise<void> {
    this.#orders.delete(name);
    if (order.paused || Object.keys(order.limits).length > 0) {
      this.#orders.set(name, order);
    }
    const [oldest] = this.#orders.keys();
    if (this.#orders.size > MAX_ORDERS && oldest !== undefined) {
      this.#orders.delete(oldest);
    }
    this.#arm();
    await this.#look;
  }

  #arm(): void {
    if (this.#timer === null && !this.#stopped && this.#orders.size > 0) {
      this.#timer = this.#clock.after(LOOK_MS, () => {
        this.#look = this.#tellAgain().finally(() => {
          this.#timer = null;
          this.#arm();
        });
      });
    }
  }

  async #tellAgain(): Promise<void> {
    const { parts, missing } = await this.#workers.json<{ queues: Queue[] }>('/v1/queues');
    const wereSilent = this.#silent;
    this.#silent = new Set(missing.map(({ worker }) => worker));
    await Promise.all(
      parts.map(({ worker, value }) =>
        this.#tellWorker(worker, value.queues, wereSilent.has(worker)),
      ),
    );
  }

  async #tellWorker(worker: number, queues: readonly Queue[], isBack: boolean): Promise<void> {
    const { links } = this.#workers;
    const place = links.findIndex(({ index }) => index === worker);
    const link = links[place];
    const known = new Map(queues.map((queue) => [queue.name, queue]));
    for (const [name, { paused, limits }] of this.#orders) {
      const queue = known.get(name);
      const path = segment(name);
      if (link === undefined || path === null || (queue === undefined && !isBack)) continue;
      const asked = { method: 'POST', headers: { [AHEAD]: 'true' } } as const;
      if (paused && queue?.state !== 'paused') {
        await this.#workers.tell(link, { ...asked, path: `/v1/queues/${path}/pause` });
      }
      const body = shareOfChange(limits, place, links.length);
      if (Object.entries(body).some(([limit, value]) => limitOf(queue, limit) !== value)) {
        await this.#workers.tell(link, { ...asked, path: `/v1/queues/${path}/capacity`, body });
      }
    }
  }
}

function limitOf(queue: Queue | undefined, limit: string): number | null | undefined {
  return queue?.capacity[limit as keyof Queue['capacity']];
}
