import type { Clock } from '../base/clock.js';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import { isQueueId, newQueueId } from '../base/identifiers.js';
import type { Logger } from '../base/log.js';
import type { BrokerLink } from './broker.js';
import type { Delivery } from './broker-consumer.js';
import { HeldMessages, type Held } from './held-messages.js';
import type { Item } from './item.js';
import { decodeItem, encodeProgress } from './record-format.js';
import {
  isOfThisNode,
  type Arrived,
  type SharedFigures,
  type SharedMail,
  type TierDepths,
} from './shared-mail.js';
import { packMessage, unpackMessage, type SharedMessage } from './shared-message.js';
import type { SharedSpoolSettings } from './shared-settings.js';
import { mergedIterator } from './shared-iterator.js';
import type { KeyRange, Store, StoreIterator, StoreOperation } from './store.js';
import type { StoreDamage } from './store-check.js';
import { messageKey, messageOfKey, progressKey } from './store-keys.js';
import { TierLink } from './tier-link.js';
import { firstDelaySeconds } from './tier-queues.js';

/** What no waiting mends: a node does not start with it. */
const LASTING: ReadonlySet<string> = new Set(['BROKER_LOGIN_REFUSED', 'BROKER_QUEUE_DIFFERS']);
/** How long a removal waits for a message that was handed to the broker a moment ago. */
const ARRIVAL_TIMEOUT_MS = 5000;

export interface AmqpStoreOptions {
  settings: Pick<
    SharedSpoolSettings,
    'tier' | 'prefetch' | 'maxMessageBytes' | 'fallback' | 'acrossTier'
  >;
  /** Of this node: large messages, delivery keys, what does not go back to the tier. */
  local: Store;
  connect: () => Promise<BrokerLink>;
  /** The queue that a message waits in. */
  stageOf: (item: Item) => string;
  clock: Clock;
  log: Logger;
  chance: () => number;
}

/**
 * The store of a spool that a tier shares: messages are in quorum queues at the broker, everything
 * else in the store of this node. What a message becomes while this node has it (held, quarantined,
 * progress that is not handed back) is kept in the store of this node, and the message with it.
 *
 * In one batch the broker has confirmed every message before delivery keys are written, and both are
 * safe before anything is acknowledged: what dies in between leaves a message twice, never nowhere.
 */
export class AmqpStore implements Store, SharedMail {
  readonly #options: AmqpStoreOptions;
  readonly #local: Store;
  readonly #link: TierLink;
  readonly #held = new HeldMessages();
  /** On their way from this disk to the broker, and what has come back of them meanwhile. */
  readonly #handedOver = new Map<string, [Delivery, string] | null>();
  #opened = false;
  #heard: (arrival: Arrived) => void = () => undefined;
  #lossHeard: (ids: string[]) => void = () => undefined;
  #counts = { redelivered: 0, copiesDropped: 0, undetermined: 0 };

  constructor(options: AmqpStoreOptions) {
    const { settings, connect, clock, log, chance } = options;
    this.#options = options;
    this.#local = options.local;
    this.#link = new TierLink({
      tier: settings.tier,
      prefetch: settings.prefetch,
      isSingle: (stage) => settings.acrossTier.includes(stage),
      connect,
      clock,
      log,
      chance,
      deliver: (delivery, stage) => this.#arrived(delivery, stage),
      lost: () => this.#lossHeard(this.#held.lose()),
    });
  }

  get away(): RelayError | null {
    return this.#link.away;
  }

  get refusing(): boolean {
    return this.#options.settings.fallback === 'none' && this.#link.away !== null;
  }

  get figures(): SharedFigures {
    const { address: broker, connects } = this.#link;
    return { broker, connects, held: this.#held.size, ...this.#counts };
  }

  onArrival(listener: (arrival: Arrived) => void): void {
    this.#heard = listener;
    for (const held of this.#held) {
      listener(held);
    }
  }

  onLoss(listener: (ids: string[]) => void): void {
    this.#lossHeard = listener;
  }

  isShared(id: string): boolean {
    return this.#held.has(id);
  }

  async keepHere(id: string): Promise<void> {
    const held = this.#held.take(id);
    if (held === null) {
      return;
    }
    const { record, progress } = held;
    const here: StoreOperation[] = [{ type: 'put', key: messageKey(id), value: record }];
    if (progress !== undefined) {
      here.push({ type: 'put', key: progressKey(id), value: progress });
    }
    try {
      await this.#local.batch(here, { sync: true });
    } catch (error) {
      this.#held.putBack(held);
      throw error;
    }
    this.#held.acknowledge(held);
  }

  depths(): Promise<TierDepths | null> {
    return this.#link.depths();
  }

  async handBack(item: Item, stage: string, waitMs: number): Promise<void> {
    const { id } = item;
    const progress = encodeProgress(item);
    const publish = (record: Buffer): Promise<void> => {
      const body = packMessage({ record, progress });
      return this.#link.publish(id, body, stage, firstDelaySeconds(waitMs));
    };
    const held = this.#held.take(id);
    if (held === null) {
      await this.#handOver(id, publish);
      return;
    }
    try {
      await publish(held.record);
    } catch (error) {
      this.#noteUnknown(error);
      this.#held.putBack(held);
      throw error;
    }
    this.#held.acknowledge(held);
  }

  /** From this disk. What comes back before it is gone from here is no copy of what stays. */
  async #handOver(id: string, publish: (record: Buffer) => Promise<void>): Promise<void> {
    const record = await this.#local.get(messageKey(id));
    if (record === undefined) {
      throw new RelayError('NOT_HERE', 'the broker has taken the message back', {
        fault: 'system',
      });
    }
    this.#handedOver.set(id, null);
    try {
      await publish(record);
      await this.#local.batch(removal(id), { sync: true });
    } catch (error) {
      this.#noteUnknown(error);
      throw error;
    } finally {
      const cameBack = this.#handedOver.get(id);
      this.#handedOver.delete(id);
      if (cameBack != null) {
        this.#arrived(...cameBack);
      }
    }
  }

  check(): Promise<StoreDamage[]> {
    return this.#local.check?.() ?? Promise.resolve([]);
  }

  /** The first time it also opens where the broker is away; later it is opened because of that. */
  async open(): Promise<void> {
    await this.#local.open();
    try {
      await this.#link.start();
    } catch (error) {
      const mayPass = !LASTING.has(codeOf(error));
      if (!mayPass || (this.#opened && this.#options.settings.fallback === 'none')) {
        await this.close();
        throw error;
      }
      this.#options.log.error({ code: codeOf(error) }, messageOf(error));
    }
    this.#opened = true;
  }

  async close(): Promise<void> {
    await this.#link.stop();
    this.#held.lose();
    await this.#local.close();
  }

  async batch(operations: StoreOperation[], { sync }: { sync: boolean }): Promise<void> {
    const done = await this.#toAcknowledge(operations);
    const here: StoreOperation[] = [];
    const fresh: string[] = [];
    const published: Array<Promise<void>> = [];
    const moved = new Set<string>();
    for (const operation of operations) {
      const id = messageOfKey(operation.key);
      if (id !== null && operation.type === 'put' && operation.key === messageKey(id)) {
        published.push(this.#store(id, operation, here, fresh));
        continue;
      }
      const held = id === null ? undefined : done.get(id);
      if (held !== undefined && operation.type === 'put') {
        // From now on it is kept here, as it has become.
        here.push({ type: 'put', key: messageKey(held.id), value: held.record }, operation);
        moved.add(held.id);
      } else if (held === undefined || moved.has(held.id)) {
        here.push(operation);
      }
    }
    try {
      await allSettled(published);
      if (here.length > 0) {
        await this.#local.batch(here, { sync: sync || moved.size > 0 });
      }
    } catch (error) {
      done.forEach((held) => this.#held.putBack(held));
      throw error;
    } finally {
      this.#held.confirmed(fresh, this.#heard);
    }
    const gone = new Set(
      operations.map(({ type, key }) => (type === 'del' ? messageOfKey(key) : null)),
    );
    done.forEach((held) => this.#held.acknowledge(held));
    this.#lossHeard([...done.keys()].filter((id) => gone.has(id)));
  }

  /** What a batch removes or changes of the mail that is at the broker. */
  async #toAcknowledge(operations: readonly StoreOperation[]): Promise<Map<string, Held>> {
    const done = new Map<string, Held>();
    for (const { type, key } of operations) {
      const id = messageOfKey(key);
      if (id === null || (type === 'put') === (key === messageKey(id))) {
        continue;
      }
      const held = done.get(id) ?? (await this.#ownOrComing(id, type));
      if (held !== null) {
        done.set(id, held);
      }
    }
    return done;
  }

  async get(key: string): Promise<Buffer | undefined> {
    const found = this.#shared(key);
    return found === null ? this.#local.get(key) : found;
  }

  getSync(key: string): Buffer | undefined {
    const found = this.#shared(key);
    // A copy, as a store gives it: what is done to it changes nothing here.
    return found === null ? this.#local.getSync(key) : found && Buffer.from(found);
  }

  iterator(range: KeyRange): StoreIterator {
    return mergedIterator(this.#local.iterator(range), this.#held.entries(), range);
  }

  approximateSize(start: string, end: string): Promise<number> {
    return this.#local.approximateSize(start, end);
  }

  compactRange(start: string, end: string): Promise<void> {
    return this.#local.compactRange(start, end);
  }

  /** Null: the store of this node has to be asked. */
  #shared(key: string): Buffer | undefined | null {
    const id = messageOfKey(key);
    const message = id === null ? undefined : this.#held.message(id);
    if (id === null || message === undefined) {
      return null;
    }
    return key === progressKey(id) ? message.progress : message.record;
  }

  async #store(
    id: string,
    operation: StoreOperation & { type: 'put' },
    here: StoreOperation[],
    fresh: string[],
  ): Promise<void> {
    const record = operation.value;
    const decoded = decodeItem(record);
    const { maxMessageBytes, fallback } = this.#options.settings;
    const stays =
      'reason' in decoded || isOfThisNode(decoded.item) || record.length > maxMessageBytes;
    if (stays || (fallback === 'disk' && this.#link.away !== null)) {
      here.push(operation);
      return;
    }
    fresh.push(id);
    this.#held.expect(id, { record, progress: undefined });
    try {
      const body = packMessage({ record, progress: undefined });
      await this.#link.publish(id, body, this.#options.stageOf(decoded.item), 0);
    } catch (error) {
      this.#noteUnknown(error);
      if (fallback === 'none') {
        this.#held.forget(id);
        throw error;
      }
      // If the broker has it as well, and gives it to this node, it is dropped there.
      this.#held.forget(id);
      here.push(operation);
    }
  }

  /** Waits for what this node has handed over and has not been given yet; null: it is not this node's. */
  async #ownOrComing(id: string, type: 'put' | 'del'): Promise<Held | null> {
    if (this.#held.isExpected(id)) {
      await this.#held.coming(id, ARRIVAL_TIMEOUT_MS, this.#options.clock);
    }
    const held = this.#held.take(id);
    if (held === null && type === 'del' && this.#held.wasLost(id)) {
      this.#held.settleLost(id);
    }
    return held;
  }

  #arrived(delivery: Delivery, stage: string): void {
    const { messageId } = delivery;
    // What is none of ours is shown as what cannot be read.
    const id = isQueueId(messageId) ? messageId : newQueueId(this.#options.clock.nowMs());
    const message: SharedMessage = unpackMessage(delivery.body);
    const redelivered = delivery.redelivered || delivery.deliveryCount > 0;
    if (this.#handedOver.has(id)) {
      this.#handedOver.set(id, [delivery, stage]);
      return;
    }
    if (this.#held.has(id) && !this.#held.isExpected(id)) {
      this.#dropCopy(delivery);
      return;
    }
    if (this.#held.isSettled(id) || this.#local.getSync(messageKey(id)) !== undefined) {
      this.#dropCopy(delivery);
      return;
    }
    if (redelivered) {
      this.#counts.redelivered++;
    }
    const { deliveryCount } = delivery;
    const held = { id, stage, redelivered, deliveryCount, delivery, ...message };
    if (this.#held.arrive(held)) {
      this.#heard(held);
    }
  }

  /** Of what was under way when the link ended, nobody knows whether the broker has it. */
  #noteUnknown(error: unknown): void {
    if (codeOf(error) === 'BROKER_LOST') {
      this.#counts.undetermined++;
    }
  }

  #dropCopy(delivery: Delivery): void {
    this.#counts.copiesDropped++;
    delivery.acknowledge();
  }
}

function removal(id: string): StoreOperation[] {
  return [
    { type: 'del', key: messageKey(id) },
    { type: 'del', key: progressKey(id) },
  ];
}

/** Like `Promise.all`, but nothing is under way any more when it rejects. */
async function allSettled(promises: Array<Promise<void>>): Promise<void> {
  for (const result of await Promise.allSettled(promises)) {
    if (result.status === 'rejected') {
      throw result.reason;
    }
  }
}
