import type { BrokerQueue } from './broker.js';

/** Where mail goes that has no stage of its own: destinations that no topology names. */
export const COMMON_STAGE = '';

/** Longer waits are made of several. */
const LONGEST_DELAY_SECONDS = 32_768;
/** The broker counts how often it gave a message out; it is not for it to decide what comes of that. */
const DELIVERY_LIMIT = 1_000_000;

/**
 * What the queues of a tier at the broker are called. All are quorum queues: replicated, and synced
 * before they confirm. A stage holds the mail of one destination; a delay holds mail for a fixed time
 * and then leads it back to its stage. Which stages there are stands in a stream, so that a node
 * that comes later serves those of destinations that its own topology does not name.
 */
export class TierQueues {
  readonly #prefix: string;

  constructor(tier: string) {
    this.#prefix = `relaymesh.${tier}`;
  }

  /** The exchange that leads to every stage by the name of its queue. */
  get stages(): string {
    return `${this.#prefix}.stages`;
  }

  get registry(): BrokerQueue {
    return { name: `${this.#prefix}.registry`, type: 'stream' };
  }

  /** @param single one node at a time serves it, so that limits count for the tier as a whole */
  stage(stage: string, single: boolean): BrokerQueue {
    return {
      name: this.stageName(stage, single),
      type: 'quorum',
      options: {
        'x-delivery-limit': DELIVERY_LIMIT,
        // Full by a policy: it refuses the newest, and never drops the oldest.
        'x-overflow': 'reject-publish',
        ...(single ? { 'x-single-active-consumer': true } : {}),
      },
    };
  }

  /** What is asked of it stands in its name, since a queue cannot be changed. */
  stageName(stage: string, single: boolean): string {
    const name = stage === COMMON_STAGE ? 'others' : `to ${stage}`;
    return `${this.#prefix}.${single ? 'single' : 'stage'}.${name}`;
  }

  delay(seconds: number): BrokerQueue {
    return {
      name: this.delayName(seconds),
      type: 'quorum',
      options: {
        'x-message-ttl': seconds * 1000,
        'x-dead-letter-exchange': this.stages,
        // What is led on stays until its stage has confirmed it.
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
        'x-delivery-limit': DELIVERY_LIMIT,
      },
    };
  }

  /** Of the queue, and of the exchange in front of it, which keeps the name of the stage. */
  delayName(seconds: number): string {
    return `${this.#prefix}.delay.${seconds}`;
  }
}

/**
 * The delay that a wait begins with, in seconds: the longest power of two that is not longer, so
 * that 16 queues make every wait, the rest being asked for when it comes back. 0: it is due.
 */
export function firstDelaySeconds(waitMs: number): number {
  const seconds = Math.min(Math.ceil(waitMs / 1000), LONGEST_DELAY_SECONDS);
  return seconds <= 0 ? 0 : 2 ** Math.floor(Math.log2(seconds));
}
