import type { Item } from './item.js';
import type { DeliveryKey, Spool } from './spool.js';

/** What an upstream node calls the message that it hands over. */
export interface HandedOver {
  node: string;
  queueId: string;
}

/** How a message was taken. */
export interface Accepted {
  /** The id under which it was taken, now or the first time. */
  queueId: string;
  /** All of its recipients had been taken before: nothing was stored now. */
  repeated: boolean;
}

/**
 * Recognises what an upstream node hands over again because it never heard our 250. A key of each
 * recipient is stored in the same durable write as the message, so that the answer is the same
 * whichever of the two nodes died in between.
 */
export class DeliveryKeys {
  readonly #spool: Spool;
  /** The last acceptance under way of each message; bounded by the sessions that are open. */
  readonly #underWay = new Map<string, Promise<unknown>>();

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  /**
   * Leaves of the item what is new and runs `accept` with the keys to be stored with it; not at all
   * when nothing is. Of the same message, one acceptance runs at a time: the sender may have given
   * up an earlier transaction whose write is still under way here.
   */
  async once(
    item: Item,
    handedOver: HandedOver,
    accept: (keys: readonly DeliveryKey[]) => Promise<void>,
  ): Promise<Accepted> {
    const name = `${handedOver.node} ${handedOver.queueId}`;
    const before = this.#underWay.get(name);
    const turn = (before ?? Promise.resolve()).then(() => this.#take(item, handedOver, accept));
    // Whether it succeeded is for its own sender to hear.
    const ended = turn.catch(() => undefined);
    this.#underWay.set(name, ended);
    try {
      return await turn;
    } finally {
      if (this.#underWay.get(name) === ended) {
        this.#underWay.delete(name);
      }
    }
  }

  async #take(
    item: Item,
    handedOver: HandedOver,
    accept: (keys: readonly DeliveryKey[]) => Promise<void>,
  ): Promise<Accepted> {
    const keys = item.recipients.map(({ address }) => ({ ...handedOver, recipient: address }));
    const known = await this.#spool.findKeys(keys);
    const first = known.find((queueId) => queueId !== null) ?? null;
    if (first === null) {
      await accept(keys);
      return { queueId: item.id, repeated: false };
    }
    const isNew = (_: unknown, index: number): boolean => known[index] === null;
    item.recipients = item.recipients.filter(isNew);
    if (item.recipients.length === 0) {
      return { queueId: first, repeated: true };
    }
    await accept(keys.filter(isNew));
    return { queueId: item.id, repeated: false };
  }
}
