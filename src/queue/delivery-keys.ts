import type { Clock } from '../base/clock.js';
import type { Item } from './item.js';
import type { DeliveryKey, Spool } from './spool.js';

/** What an upstream node calls the message that it hands over. */
export interface HandedOver {
  node: string;
  queueId: string;
  /** It cannot tell whether it was taken before; then not only this process may have taken it. */
  doubt?: boolean;
}

/** Other processes that take mail under the same name. */
export interface Siblings {
  /**
   * Runs `take` with what the others have stored of a message, a queue id or null for each recipient;
   * none of them stores any of it meanwhile. Rejects, without running it, when one of them cannot be
   * asked.
   */
  whileAsked<T>(
    handedOver: HandedOver,
    recipients: readonly string[],
    take: (known: ReadonlyArray<string | null>) => Promise<T>,
  ): Promise<T>;
}

/**
 * For how long a message that a sibling was doubtful about is asked after here as well: longer than
 * a transaction that was under way then can last.
 */
const DOUBTED_FOR_MS = 3_600_000;
const MAX_DOUBTED = 100_000;

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
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #siblings: Siblings | null;
  /** The last acceptance under way of each message; bounded by the sessions that are open. */
  readonly #underWay = new Map<string, Promise<unknown>>();
  /** Of these the ones that ask no sibling any more; one a message. */
  readonly #storing = new Map<string, Promise<unknown>>();
  /** Messages that a sibling has asked after, and when. */
  readonly #doubted = new Map<string, number>();

  constructor(spool: Spool, clock: Pick<Clock, 'monotonicMs'>, siblings: Siblings | null = null) {
    this.#spool = spool;
    this.#clock = clock;
    this.#siblings = siblings;
  }

  /**
   * What is stored here of a message, for a sibling that is about to take it: a queue id or null for
   * each recipient. What is being stored is waited for; what comes from now on is asked after.
   */
  async look(
    { node, queueId }: Pick<HandedOver, 'node' | 'queueId'>,
    recipients: readonly string[],
  ): Promise<Array<string | null>> {
    const name = `${node} ${queueId}`;
    this.#doubt(name);
    await this.#storing.get(name);
    return this.#spool.findKeys(recipients.map((recipient) => ({ node, queueId, recipient })));
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
    const turn = (before ?? Promise.resolve()).then(() =>
      this.#take(name, item, handedOver, accept),
    );
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

  #take(
    name: string,
    item: Item,
    handedOver: HandedOver,
    accept: (keys: readonly DeliveryKey[]) => Promise<void>,
  ): Promise<Accepted> {
    const store = (elsewhere: ReadonlyArray<string | null>): Promise<Accepted> => {
      const stored = this.#store(item, handedOver, elsewhere, accept);
      const ended = stored.then(
        () => undefined,
        () => undefined,
      );
      this.#storing.set(name, ended);
      void ended.then(() => this.#storing.delete(name));
      return stored;
    };
    // Nothing may come in between: a sibling that looks waits for it, or it asks that sibling.
    return this.#siblings !== null && (handedOver.doubt === true || this.#isDoubted(name))
      ? this.#siblings.whileAsked(handedOver, addressesOf(item), store)
      : store([]);
  }

  async #store(
    item: Item,
    { node, queueId }: HandedOver,
    elsewhere: ReadonlyArray<string | null>,
    accept: (keys: readonly DeliveryKey[]) => Promise<void>,
  ): Promise<Accepted> {
    const keys = addressesOf(item).map((recipient) => ({ node, queueId, recipient }));
    const here = await this.#spool.findKeys(keys);
    const known = here.map((ownId, index) => ownId ?? elsewhere[index] ?? null);
    const first = known.find((ownId) => ownId !== null) ?? null;
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

  #doubt(name: string): void {
    const nowMs = this.#clock.monotonicMs();
    this.#doubted.delete(name);
    this.#doubted.set(name, nowMs);
    for (const [oldest, atMs] of this.#doubted) {
      if (this.#doubted.size <= MAX_DOUBTED && nowMs - atMs <= DOUBTED_FOR_MS) {
        break;
      }
      this.#doubted.delete(oldest);
    }
  }

  #isDoubted(name: string): boolean {
    const atMs = this.#doubted.get(name);
    return atMs !== undefined && this.#clock.monotonicMs() - atMs <= DOUBTED_FOR_MS;
  }
}

function addressesOf({ recipients }: Item): string[] {
  return recipients.map(({ address }) => address);
}
