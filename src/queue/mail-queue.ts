import { newQueueId } from '../base/identifiers.js';
import type { Capacity } from '../send/capacity.js';
import type { NextHop } from '../send/next-hop.js';
import type { WaitingIn } from '../trace/record.js';
import { Acceptance, type AcceptOptions } from './acceptance.js';
import { arrivedMessage } from './arrived-message.js';
import { BodyCache } from './body-cache.js';
import { Delivery } from './delivery.js';
import { DeliveryKeys, type Accepted } from './delivery-keys.js';
import { DoubtWatch } from './doubt-watch.js';
import { Flows, type Flow } from './flows.js';
import { FoundMail } from './found-mail.js';
import { totalsByHop, type HopTotals } from './hop-totals.js';
import { isFinal, type Item, type ItemRecipient } from './item.js';
import type { MailQueueOptions } from './mail-queue-options.js';
import { MessageControl, type ActionResult, type MessageAction } from './message-control.js';
import { Parked } from './parked.js';
import { Parking } from './parking.js';
import { Quarantine, type QuarantinedMessage } from './quarantine.js';
import { QueueItems } from './queue-items.js';
import { QueueControl } from './queue-control.js';
import type { QueueView } from './queue-view.js';
import { describeQueued, type QueuedMessage, type QueuedPage } from './queued-message.js';
import { Room, type Full, type RoomRefusal } from './room.js';
import { Scheduler } from './scheduler.js';
import type { QueueSettings } from './settings.js';
import type { BodyWriter, FinishedBody } from './spool.js';
import { TierMail, type TierFigures } from './tier-mail.js';
import { Upkeep } from './upkeep.js';

/** A few seconds' work of a hop. */
const MAX_RESIDENT = 1000;

/**
 * Owns the life of every message from the moment before its 250 to its settlement. What `accept`
 * took is delivered, bounced to its sender or visibly quarantined.
 */
export class MailQueue {
  readonly #options: MailQueueOptions;
  readonly #scheduler: Scheduler;
  readonly #delivery: Delivery;
  readonly #items = new QueueItems();
  readonly #parking: Parking;
  readonly #flows: Flows;
  readonly #bodies: BodyCache;
  /** What upstream nodes have handed over. */
  readonly deliveryKeys: DeliveryKeys;
  readonly #quarantine: Quarantine;
  readonly #control: QueueControl;
  readonly #messages: MessageControl;
  readonly #room: Room;
  readonly #acceptance: Acceptance;
  readonly #foundMail: FoundMail;
  readonly #upkeep: Upkeep;
  readonly #tier: TierMail | null;
  readonly #doubts: DoubtWatch;
  #settings: QueueSettings;

  constructor(options: MailQueueOptions) {
    const { spool, clock, log, settings } = options;
    this.#options = options;
    this.#settings = settings;
    this.#bodies = new BodyCache(options.bodyMemory);
    this.deliveryKeys = new DeliveryKeys(spool, clock, options.siblings);
    this.#flows = new Flows(clock);
    this.#delivery = this.#createDelivery();
    this.#parking = this.#createParking();
    this.#scheduler = new Scheduler({
      parking: this.#parking,
      clock,
      chooseRoute: options.chooseRoute,
      run: (...started) => this.#delivery.run(...started),
      ended: (item) => this.#tier?.ended(item),
      hasFreeSession: options.hasFreeSession,
      hopPauseMinMs: settings.hopPauseMinSeconds * 1000,
      hopPauseMaxMs: settings.hopPauseMaxSeconds * 1000,
      maxAttemptsAtOnce: () => this.#settings.limits.maxAttemptsAtOnce,
    });
    this.#upkeep = new Upkeep({
      spool,
      deliveryKeys: () => this.#settings.deliveryKeys,
      clock,
      log,
      suspend: () => this.#scheduler.suspend(),
      resume: () => this.#scheduler.start(),
    });
    this.#quarantine = new Quarantine({
      clock,
      log,
      maxReports: () => this.#settings.limits.maxQuarantined,
      discard: (item) => this.#messages.discard(item),
    });
    this.#control = new QueueControl({
      scheduler: this.#scheduler,
      quarantine: this.#quarantine,
      chooseRoute: options.chooseRoute,
      peek: (parked) => this.#parking.peek(parked),
      clock,
    });
    this.#messages = new MessageControl({
      ...options,
      settings: () => this.#settings,
      scheduler: this.#scheduler,
      quarantine: this.#quarantine,
      find: (id) => this.#resident(id),
      startLife: (item) => this.#startLife(item),
      schedule: (item, recipients) => this.#schedule(item, recipients),
      forgetBody: ({ id }) => this.#bodies.forget(id),
      leave: (item) => this.#leave(item),
    });
    this.#room = new Room({
      limits: () => this.#settings.limits,
      disk: options.disk,
      folder: settings.directory,
      clock,
      log,
      reclaim: () => spool.compact(),
    });
    this.#acceptance = new Acceptance({
      spool,
      room: this.#room,
      deliveryKeys: this.deliveryKeys,
      bodies: this.#bodies,
      log,
      brokerAway: () => this.#tier?.refusing === true,
      enter: (item) => this.#enter(item),
    });
    this.#foundMail = this.#createFoundMail();
    this.#tier = this.#createTier();
    this.#doubts = this.#createDoubts();
  }

  #createDoubts(): DoubtWatch {
    return new DoubtWatch({
      ...this.#options,
      scheduler: () => this.#scheduler,
      find: (id) => this.#resident(id),
      schedule: (item, recipients) => this.#schedule(item, recipients),
    });
  }

  #createTier(): TierMail | null {
    const { tier } = this.#options;
    return tier === undefined
      ? null
      : new TierMail({
          ...this.#options,
          tier,
          scheduler: () => this.#scheduler,
          quarantine: this.#quarantine,
          find: (id) => this.find(id),
          queueOf: (item) => this.#queueOf(item),
          found: (item) => this.#delivery.found(item),
          enter: (item) => {
            this.#room.recovered(item.body.sizeBytes);
            this.#begin(item);
          },
          schedule: (item, waiting) => this.#schedule(item, waiting),
          leave: (item) => this.#leave(item),
          reportIfLate: (item) => this.#delivery.reportIfLate(item),
        });
  }

  #createFoundMail(): FoundMail {
    return new FoundMail({
      ...this.#options,
      room: this.#room,
      flows: this.#flows,
      delivery: this.#delivery,
      quarantine: this.#quarantine,
      isKnown: (id) => this.#items.has(id) || this.#options.tier?.mail.isShared(id) === true,
      queueOf: (item) => this.#queueOf(item),
      enter: (item) => this.#begin(item),
      schedule: (item, waiting, stored) => this.#schedule(item, waiting, stored),
      healed: () => this.#upkeep.healed(),
    });
  }

  #createParking(): Parking {
    const { spool, clock, log, maxResident = MAX_RESIDENT } = this.#options;
    return new Parking({
      spool,
      items: this.#items,
      bodies: this.#bodies,
      clock,
      log,
      maxResident,
      isFound: (item) => this.#delivery.isFound(item),
      found: (item) => this.#delivery.found(item),
      lost: ({ sizeBytes }, corrupt) => {
        log.error({ code: 'SPOOL_RECORD_CORRUPT', queue_id: corrupt.id }, corrupt.reason);
        this.#room.remove(sizeBytes);
        this.#quarantine.addCorrupt(corrupt);
      },
    });
  }

  #createDelivery(): Delivery {
    return new Delivery({
      ...this.#options,
      settings: () => this.#settings,
      bodies: this.#bodies,
      flows: this.#flows,
      scheduler: () => this.#scheduler,
      tier: () => this.#tier,
      doubts: () => this.#doubts,
      mark: (item) => this.#mark(item),
      newId: () => this.newId(),
      items: () => this.#items.residents,
      enter: (report) => {
        this.#room.add(report.body.sizeBytes);
        this.#enter(report);
      },
      leave: (item) => this.#leave(item),
      quarantined: (item) => this.#quarantine.add(item),
      healed: () => this.#upkeep.healed(),
    });
  }

  /** False after a failure of the spool that no room would mend: senders have to be sent away. */
  get accepting(): boolean {
    return this.#acceptance.open;
  }

  /**
   * Why there is no room for a message now, or null.
   *
   * @param sizeBytes as declared; 0 when nothing is known
   */
  refusal(sizeBytes: number): RoomRefusal | null {
    return this.#acceptance.refusal(sizeBytes);
  }

  /** What there is no room in, for those who only want to know. */
  get full(): Full | null {
    return this.#acceptance.full;
  }

  /** Opens the spool and starts to send; what an earlier run left is taken up in the background. */
  async start(): Promise<void> {
    await this.#options.spool.open();
    await this.#room.start();
    this.#upkeep.start();
    this.#scheduler.start();
    this.#delivery.start();
    this.#foundMail.start();
    this.#tier?.start();
  }

  /** Resolves when everything that the spool held at the start is queued again. */
  recovered(): Promise<void> {
    return this.#foundMail.recovered();
  }

  /** Starts no further attempt, waits for those under way, closes the spool. */
  async stop(): Promise<void> {
    this.#foundMail.giveUp();
    this.#upkeep.giveUp();
    await this.#scheduler.stop();
    await this.#tier?.stop();
    this.#doubts.stop();
    await this.#delivery.stop();
    await this.#foundMail.recovered();
    await this.#upkeep.stop();
    await this.#room.stop();
    await this.#options.spool.close();
  }

  /** Takes new settings and routes all waiting mail anew. */
  reload(settings: QueueSettings): void {
    this.#settings = settings;
    this.#scheduler.reroute();
  }

  newId(): string {
    return (this.#options.newId ?? newQueueId)(this.#options.clock.nowMs());
  }

  writeBody(id: string): BodyWriter {
    return this.#options.spool.writeBody(id);
  }

  /**
   * Resolves when the message is durable, and what belongs to it. Its delivery starts at once, or at
   * the time at which its recipients say that they are due. What an upstream node hands over again
   * is not taken again: with some of its recipients taken before, the item keeps the others; with
   * all, the body is the caller's to discard, as it is when this rejects with anything but a
   * `SpoolRefusal` (`QUEUE_FULL`).
   */
  accept(item: Item, body: FinishedBody, options?: AcceptOptions): Promise<Accepted> {
    this.#mark(item);
    return this.#acceptance.accept(item, body, options);
  }

  /** The value of a note that was stored with a message, while its time is not over. */
  recall(key: string): Promise<string | null> {
    return this.#options.spool.recall(key, this.#options.clock.nowMs());
  }

  /** Forgets notes before their time. */
  eraseNotes(keys: readonly string[]): Promise<void> {
    return this.#options.spool.eraseNotes(keys);
  }

  /**
   * What leaves for each next hop.
   *
   * @param hops those of the topology, also where nothing waits for them
   */
  flows(hops: Iterable<NextHop>): { flows: Flow[]; elsewhere: number } {
    return this.#flows.list(hops, this.#scheduler.destinations);
  }

  /** What waits for each hop of these names, and under the name `other` for all others. */
  totalsByHop(names: Iterable<string>, other: string): Map<string, HopTotals> {
    const nowMs = this.#options.clock.monotonicMs();
    return totalsByHop(this.#scheduler.destinations, names, other, nowMs);
  }

  get receivedPerMinute(): number {
    return this.#flows.receivedPerMinute;
  }

  /** What is in the queue under an id, or undefined; to look at, for it may be a copy. */
  find(id: string): Readonly<Item> | undefined {
    const item = this.#items.get(id);
    return item instanceof Parked ? (this.#parking.peek(item) ?? undefined) : item;
  }

  /** The same, in memory from now on. */
  #resident(id: string): Item | undefined {
    const item = this.#items.get(id);
    return item instanceof Parked ? (this.#scheduler.unpark(item) ?? undefined) : item;
  }

  /** What is shown of a message while something of it waits; null for what is only in quarantine. */
  queued(id: string): QueuedMessage | null {
    const item = this.find(id);
    const waiting = item?.recipients.filter(({ state }) => state !== 'quarantined') ?? [];
    return item === undefined || waiting.every(({ state }) => isFinal(state))
      ? null
      : describeQueued(item, waiting);
  }

  /** Where the recipients of a message wait, by queue; empty once none does, or for an unknown id. */
  waiting(id: string): WaitingIn[] {
    const item = this.find(id);
    return item === undefined ? [] : this.#control.waiting(item);
  }

  /** @returns false when there is no such queue */
  limit(name: string, limits: Partial<Capacity>, ahead?: boolean): boolean {
    return this.#control.limit(name, limits, ahead === true || this.#tier?.knows(name) === true);
  }

  /** What the API shows of the queues. */
  queues(): QueueView[] {
    const here = this.#control.list();
    return this.#tier === null ? here : this.#tier.withWaiting(here);
  }

  /** How it stands with the mail that the tier shares; null where none does. */
  get tierFigures(): TierFigures | null {
    return this.#tier?.figures ?? null;
  }

  /** Doubts about nodes of tiers that were given up: each may have made a message come twice. */
  get doubtsReleased(): number {
    return this.#doubts.released;
  }

  get size(): number {
    return this.#items.size;
  }

  /** Of the bodies of all of them. */
  get bytes(): number {
    return this.#room.bytes;
  }

  get quarantineSize(): number {
    return this.#quarantine.size;
  }

  /** Messages that neither go on nor are forgotten, oldest first. */
  quarantined(): QuarantinedMessage[] {
    return this.#quarantine.list();
  }

  /** What is shown of one message in quarantine, or null. */
  findQuarantined(id: string): QuarantinedMessage | null {
    return this.#quarantine.find(id);
  }

  /**
   * Tries a message in quarantine again, as if it had just come in.
   *
   * @returns false when there is none, or when it cannot be read
   */
  retryQuarantined(id: string): boolean {
    return this.#messages.retryQuarantined(id);
  }

  /** @returns false when there is none */
  deleteQuarantined(id: string): boolean {
    return this.#messages.deleteQuarantined(id);
  }

  /** What an operator does to one message, queued or in quarantine; durable when it resolves. */
  actOn(id: string, action: MessageAction): Promise<ActionResult> {
    return this.#messages.act(id, action);
  }

  /**
   * A page of the messages that wait, are sent or are held in a queue, by their ids, which is the
   * order of arrival; null when there is no such queue. One look at each that is there.
   *
   * @param after the id that the page before ended with, or ''
   */
  messagesIn(queue: string, limit: number, after: string): QueuedPage | null {
    return this.#control.messages(queue, limit, after);
  }

  /** @returns false when there is no such queue */
  control(name: string, action: 'pause' | 'resume' | 'retry', ahead?: boolean): boolean {
    return this.#control.act(name, action, ahead === true || this.#tier?.knows(name) === true);
  }

  #enter(item: Item): void {
    const { tier } = this.#options;
    // What the tier has comes back to this node, or goes to another.
    const isHere = tier?.mail.isShared(item.id) !== true;
    if (isHere) {
      this.#begin(item);
    } else {
      this.#bodies.forget(item.id);
      this.#room.remove(item.body.sizeBytes);
    }
    this.#flows.received();
    // Durable from now on; what came before shows in the phases of the sender's attempt.
    const queue = this.#queueOf(item);
    const receivedAtMs = this.#options.clock.nowMs();
    this.#options.recorder.arrived({ ...arrivedMessage(item, queue), receivedAtMs }, queue);
    if (isHere) {
      this.#schedule(item, item.recipients, true);
    }
  }

  /** Other nodes of the tier that may work on it know by this whose it is. */
  #mark(item: Item): void {
    const { tier } = this.#options;
    if (tier !== undefined) {
      item.acceptedBy = tier.node;
    }
  }

  #leave(item: Item): void {
    this.#items.delete(item);
    this.#tier?.left(item);
    this.#bodies.forget(item.id);
    this.#room.remove(item.body.sizeBytes);
  }

  #begin(item: Item): void {
    this.#items.add(item);
    this.#doubts.watch(item);
    this.#startLife(item);
  }

  /** From here on its age is measured by the clock that does not jump. */
  #startLife(item: Item): void {
    const { clock } = this.#options;
    // A message that seems to come from the future has its whole life before it, and no more.
    const ageMs = Math.max(0, clock.nowMs() - item.receivedAtMs);
    const lifeMs = item.expiresAtMs - item.receivedAtMs;
    item.bornMs = clock.monotonicMs() - ageMs;
    item.deadlineMs = clock.monotonicMs() + Math.max(0, lifeMs - ageMs);
  }

  /** The name of the queue that the first recipient waits in, for the trace. */
  #queueOf(item: Item): string {
    const first = item.recipients[0] as ItemRecipient;
    return this.#options.chooseRoute(item, first, () => true).queue;
  }

  /** @param stored the spool holds the item as it is */
  #schedule(item: Item, waiting: ItemRecipient[], stored = false): void {
    const [only] = waiting;
    if (only?.state === 'ready' && waiting.length === 1) {
      this.#scheduler.ready({ item, recipients: waiting }, stored);
      return;
    }
    const ready = waiting.filter(({ state }) => state === 'ready');
    if (ready.length > 0) {
      this.#scheduler.ready({ item, recipients: ready }, stored);
    }
    const held = waiting.filter(({ state }) => state === 'held');
    if (held.length > 0) {
      this.#scheduler.hold({ item, recipients: held });
    }
    const nowMs = this.#options.clock.nowMs();
    const byDue = new Map<number, ItemRecipient[]>();
    for (const recipient of waiting.filter(({ state }) => state === 'deferred')) {
      const dueMs = recipient.nextAttemptAtMs ?? 0;
      byDue.set(dueMs, [...(byDue.get(dueMs) ?? []), recipient]);
    }
    for (const [dueMs, recipients] of byDue) {
      this.#scheduler.defer({ item, recipients }, dueMs, nowMs, undefined, stored);
    }
  }
}
