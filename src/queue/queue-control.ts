import type { Clock } from '../base/clock.js';
import type { Capacity } from '../send/capacity.js';
import type { WaitingIn } from '../trace/record.js';
import type { Item, RecipientState } from './item.js';
import type { Parked } from './parked.js';
import { openRecipients } from './parking.js';
import type { Quarantine } from './quarantine.js';
import {
  describeQuarantine,
  describeQueue,
  describeWaiting,
  type QueueView,
} from './queue-view.js';
import { pageOf, type QueuedPage } from './queued-message.js';
import { groupByRoute, type ChooseRoute } from './route-groups.js';
import type { Scheduler } from './scheduler.js';

/** Recipients of a message whose queues are shown. */
const MAX_SHOWN_WAITING = 100;

export interface QueueControlOptions {
  scheduler: Scheduler;
  quarantine: Pick<Quarantine, 'size' | 'oldestAtMs'>;
  chooseRoute: ChooseRoute;
  /** What is not in memory, or null where it cannot be read. */
  peek: (parked: Parked) => Item | null;
  clock: Clock;
}

/** What an operator sees of the queues, and does to them. */
export class QueueControl {
  readonly #options: QueueControlOptions;

  constructor(options: QueueControlOptions) {
    this.#options = options;
  }

  list(): QueueView[] {
    const { scheduler, quarantine, clock } = this.#options;
    const nowMs = clock.nowMs();
    const queues = [...scheduler.destinations].map((destination) =>
      describeQueue(destination, nowMs, clock.monotonicMs()),
    );
    const { size, oldestAtMs } = quarantine;
    return size === 0 ? queues : [...queues, describeQuarantine(size, oldestAtMs, nowMs)];
  }

  /** A page of what is in a queue, by queue id; null when there is no such queue. */
  messages(name: string, limit: number, after: string): QueuedPage | null {
    const { scheduler, peek } = this.#options;
    const destination = scheduler.destination(name);
    return destination === undefined
      ? null
      : pageOf(scheduler.entriesOf(destination), limit, after, (parked) => {
          const item = peek(parked);
          return item && { item, recipients: openRecipients(item) };
        });
  }

  /** Where the recipients of a message wait or are held, by queue, and those that are being sent. */
  waiting(item: Item): WaitingIn[] {
    return [
      ...this.#inStates(item, ['sending']).map((one) => ({
        ...one,
        state: 'sending' as const,
        next_attempt_at: null,
      })),
      ...this.#inStates(item, ['ready', 'deferred']),
      ...this.#inStates(item, ['held']).map((one) => ({
        ...one,
        state: 'held' as const,
        next_attempt_at: null,
      })),
    ];
  }

  #inStates(item: Item, states: readonly RecipientState[]): WaitingIn[] {
    const { scheduler, chooseRoute, clock } = this.#options;
    const recipients = item.recipients
      .filter(({ state }) => states.includes(state))
      .slice(0, MAX_SHOWN_WAITING);
    const groups = groupByRoute({ item, recipients }, (one, recipient) =>
      chooseRoute(one, recipient, scheduler.isWell),
    );
    return groups.flatMap(({ route, recipients: waiting }) => {
      const destination = scheduler.destination(route.queue);
      return destination === undefined
        ? []
        : [describeWaiting(destination, waiting, clock.nowMs(), clock.monotonicMs())];
    });
  }

  /**
   * @param ahead it holds for a queue that is not there as soon as it is
   * @returns false when there is no such queue
   */
  act(name: string, action: 'pause' | 'resume' | 'retry', ahead = false): boolean {
    const { scheduler } = this.#options;
    const destination = scheduler.destination(name);
    if (destination === undefined) {
      if (ahead && action !== 'retry') {
        scheduler.foreseen[action](name);
      }
      return false;
    }
    if (action === 'retry') {
      scheduler.retryDeferred(destination);
      scheduler.retry(destination);
    } else {
      scheduler[action](destination);
    }
    return true;
  }

  /**
   * Sets limits of a queue until the node ends.
   *
   * @param ahead as for `act`
   * @returns false when there is no such queue
   */
  limit(name: string, limits: Partial<Capacity>, ahead = false): boolean {
    const { scheduler } = this.#options;
    const destination = scheduler.destination(name);
    if (destination !== undefined) {
      scheduler.limit(destination, limits);
    } else if (ahead) {
      scheduler.foreseen.limit(name, limits);
    }
    return destination !== undefined;
  }
}
