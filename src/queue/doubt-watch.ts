import type { Clock, Timer } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Item, ItemRecipient } from './item.js';
import type { Scheduler } from './scheduler.js';
import type { Spool } from './spool.js';

/** Who is being asked at the end of its time is looked at again after this. */
const AGAIN_MS = 5000;

export interface DoubtWatchOptions {
  spool: Pick<Spool, 'update'>;
  scheduler: () => Scheduler;
  /** What is in memory under an id. */
  find: (id: string) => Item | undefined;
  schedule: (item: Item, recipients: ItemRecipient[]) => void;
  clock: Clock;
  log: Logger;
}

/**
 * Ends the doubt about a node of a tier that has not come back in time: its mail is at the broker
 * and goes on with the others of its tier, while what it may have been given waits for it alone.
 */
export class DoubtWatch {
  readonly #options: DoubtWatchOptions;
  /** Ids of messages with an end of their doubt ahead; none of what has left the queue for long. */
  readonly #ends = new Map<string, number>();
  #timer: Timer | null = null;
  #running = true;
  /** Doubts that were given up: each may have made a message come twice. */
  released = 0;

  constructor(options: DoubtWatchOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
  }

  /** Whatever has changed about its recipients. */
  watch({ id, recipients }: Item): void {
    const endMs = firstEnd(recipients);
    if (endMs === Infinity) {
      if (this.#ends.size > 0) {
        this.#ends.delete(id);
      }
      return;
    }
    this.#ends.set(id, endMs);
    this.#arm(endMs);
  }

  #arm(endMs: number): void {
    this.#timer?.cancel();
    const { clock } = this.#options;
    const firstMs = Math.min(endMs, ...this.#ends.values());
    if (this.#running && firstMs !== Infinity) {
      const waitMs = Math.max(0, firstMs - clock.nowMs());
      this.#timer = clock.after(waitMs, () => this.#look());
    }
  }

  #look(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [id, endMs] of this.#ends) {
      if (endMs > nowMs) {
        continue;
      }
      const item = this.#options.find(id);
      if (item === undefined) {
        this.#ends.delete(id);
      } else if (this.#options.scheduler().isUnderWay(item)) {
        this.#ends.set(id, nowMs + AGAIN_MS);
      } else {
        this.#ends.delete(id);
        this.#release(item, nowMs);
      }
    }
    this.#arm(Infinity);
  }

  #release(item: Item, nowMs: number): void {
    const { spool, scheduler, schedule, log } = this.#options;
    const { id, trace } = item;
    const over = item.recipients.filter(({ doubtAt }) => (doubtAt?.untilMs ?? Infinity) <= nowMs);
    const waiting = scheduler().withdraw(item);
    for (const recipient of over) {
      this.released++;
      log.warn(
        {
          event: 'doubt-released',
          trace_id: trace.traceId,
          queue_id: id,
          recipient: recipient.address,
          queue: recipient.doubtAt?.queue,
          host: recipient.doubtAt?.host,
        },
        'the node that may have it has not come back in time: another one of its tier is asked, and it may come twice',
      );
      recipient.doubtAt = null;
    }
    spool.update(item).catch((error: unknown) => {
      log.error({ code: codeOf(error), queue_id: id }, messageOf(error));
    });
    schedule(item, waiting);
    scheduler().forgetUnused();
  }
}

function firstEnd(recipients: readonly ItemRecipient[]): number {
  return recipients.reduce(
    (end, { doubtAt }) => Math.min(end, doubtAt?.untilMs ?? Infinity),
    Infinity,
  );
}
