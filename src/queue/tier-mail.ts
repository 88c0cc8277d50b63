import type { Clock, Timer } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { TraceRecorder } from '../trace/recorder.js';
import { arrivedMessage } from './arrived-message.js';
import { isFinal, isSettled, type Item, type ItemRecipient } from './item.js';
import { describeWaitingElsewhere, type QueueView } from './queue-view.js';
import type { Quarantine } from './quarantine.js';
import { followClock } from './recovery.js';
import type { Scheduler } from './scheduler.js';
import type { SharingTier } from './mail-queue-options.js';
import {
  isOfThisNode,
  type Arrived,
  type SharedFigures,
  type SharedMail,
  type TierDepths,
} from './shared-mail.js';
import type { Spool } from './spool.js';
import { COMMON_STAGE } from './tier-queues.js';

const SWEEP_MS = 5000;
/** Between two looks at what waits at the broker, and as a multiple of how long one took. */
const LOOK_MS = 1000;
const LOOK_REST_FACTOR = 20;
/** The broker ends a consumption that keeps a message for 30 minutes; an attempt may last 20 of them. */
const MAX_WAIT_HERE_MS = 300_000;
const READ_AGAIN_MS = 1000;
/** A message that was given out so often without an end may be what ends the nodes. */
const MAX_DELIVERIES = 20;
/** What is due within this is not handed back for it. */
const DUE_MS = 500;

export interface TierMailOptions {
  tier: Pick<SharingTier, 'name' | 'mail' | 'stageOf'>;
  spool: Pick<Spool, 'peek' | 'remove' | 'failurePasses'>;
  clock: Clock;
  log: Logger;
  recorder: Pick<TraceRecorder, 'recovered'>;
  scheduler: () => Scheduler;
  quarantine: Pick<Quarantine, 'addCorrupt'>;
  find: (id: string) => Readonly<Item> | undefined;
  queueOf: (item: Item) => string;
  /** Its attempts are counted before they begin: it may be what ends the process. */
  found: (item: Item) => void;
  /** The item is in the queue of this node, and its life goes on. */
  enter: (item: Item) => void;
  schedule: (item: Item, waiting: ItemRecipient[]) => void;
  /** It is not in the queue of this node any more. */
  leave: (item: Item) => void;
  /** Tells its sender where it is late and wants to know; never rejects. */
  reportIfLate: (item: Item) => Promise<void>;
}

/** How it stands between a node and the broker of its tier. */
export interface TierFigures extends SharedFigures {
  away: boolean;
  /** Messages at the broker that no node has taken up, by queue. */
  waiting: ReadonlyMap<string, number>;
}

/** The queue under which the stage that destinations share is shown. */
const COMMON_QUEUE = '(others)';
/** The one under which all is shown that waits at the broker for a time. */
const DEFERRED_QUEUE = '(deferred)';

/**
 * The mail of this node that its tier shares: what the broker gives is taken into the queue, and what
 * has not come to an end after an attempt goes back, so that it waits at the broker for any node.
 */
export class TierMail {
  readonly #options: TierMailOptions;
  readonly #shared: SharedMail;
  /** From the tier, in the queue here, with the monotonic time since which. Bounded by the prefetch. */
  readonly #here = new Map<string, { item: Item; stage: string; sinceMs: number }>();
  /** To be handed back as soon as no attempt of them is under way. */
  readonly #leaving = new Set<string>();
  /** Being handed back after an attempt. */
  readonly #endings = new Set<Promise<void>>();
  #timer: Timer | null = null;
  #running = false;
  #lookTimer: Timer | null = null;
  /** As the broker said last. */
  #depths: (TierDepths & { connects: number }) | null = null;
  /** Messages that were handed back since it was asked. */
  #handedBack = 0;

  constructor(options: TierMailOptions) {
    this.#options = options;
    this.#shared = options.tier.mail;
  }

  /** The spool is open. */
  start(): void {
    this.#running = true;
    this.#shared.onLoss((ids) => this.#lost(ids));
    this.#shared.onArrival((arrival) => void this.#arrived(arrival));
    this.#sweepLater();
    this.#look();
  }

  /** Takes nothing more; resolves when what the last attempts came to is at the broker. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#timer?.cancel();
    this.#lookTimer?.cancel();
    await Promise.all(this.#endings);
  }

  get figures(): TierFigures {
    return {
      ...this.#shared.figures,
      away: this.#shared.away !== null,
      waiting: this.#waiting ?? new Map(),
    };
  }

  /** Nothing is taken now. */
  get refusing(): boolean {
    const { spool } = this.#options;
    return this.#shared.refusing || spool.failurePasses;
  }

  /** Mail of a queue waits, or waited, at the broker, also where this node has none of it. */
  knows(queue: string): boolean {
    return this.#waiting?.has(queue) === true && queue !== COMMON_QUEUE && queue !== DEFERRED_QUEUE;
  }

  /** The queues of this node, each with what waits at the broker for any; and those that only wait there. */
  withWaiting(here: readonly QueueView[]): QueueView[] {
    const all = this.#waiting;
    const told = here.map((queue): QueueView => {
      const waiting = all === null ? null : (all.get(queue.name) ?? 0);
      return { ...queue, tier: { name: this.#options.tier.name, waiting } };
    });
    const known = new Set(here.map((queue) => queue.name));
    const elsewhere: Array<[string, number | null]> =
      all === null
        ? [[COMMON_QUEUE, null]]
        : [...all].filter(([queue, count]) => count > 0 && !known.has(queue));
    return [
      ...told,
      ...elsewhere.map(([queue, waiting]) =>
        describeWaitingElsewhere(queue, { name: this.#options.tier.name, waiting }),
      ),
    ];
  }

  /** The broker has it, and nobody else knows what becomes of it here. */
  isShared({ id }: Item): boolean {
    return this.#here.has(id) || this.#shared.isShared(id);
  }

  /**
   * Takes care of the states of an item after an attempt: it is handed back with them. False where
   * they are to be stored here: only this node can send it, somebody has to look at it, or the broker
   * is away.
   *
   * @param changed the attempt has changed them
   */
  handsBack(item: Item, changed: boolean): boolean {
    const { away } = this.#shared;
    const isTiers = this.#here.has(item.id);
    const goes = !isOfThisNode(item) && !staysHere(item);
    if (!goes || (away !== null && !isTiers)) {
      return false;
    }
    // A hop at fault is waited for here: nothing was learnt about the message.
    if (changed || item.recipients.some(({ doubtAt }) => doubtAt != null)) {
      this.#leaving.add(item.id);
      return true;
    }
    return isTiers;
  }

  /** An attempt of it, and all that follows from it, has come to its end. */
  ended(item: Item): void {
    const { id } = item;
    if (this.#leaving.has(id) && !this.#options.scheduler().isUnderWay(item)) {
      this.#leaving.delete(id);
      const ending = this.#end(item).finally(() => this.#endings.delete(ending));
      this.#endings.add(ending);
    }
  }

  /** Never rejects. */
  async #end(item: Item): Promise<void> {
    const { find, reportIfLate } = this.#options;
    if (find(item.id) === item && !isSettled(item)) {
      await reportIfLate(item);
      if (find(item.id) === item && !staysHere(item)) {
        await this.#handBack(item, 0);
      }
    }
  }

  /** It is not in the queue any more. */
  left({ id }: Item): void {
    this.#here.delete(id);
    this.#leaving.delete(id);
  }

  async #arrived(arrival: Arrived): Promise<void> {
    const { spool, clock, log, recorder, queueOf, find } = this.#options;
    const { id } = arrival;
    let stored: ReturnType<Spool['peek']>;
    try {
      stored = spool.peek(id);
    } catch {
      if (this.#running) {
        clock.after(READ_AGAIN_MS, () => void this.#arrived(arrival));
      }
      return;
    }
    if (stored === null || find(id) !== undefined || !this.#running) {
      return;
    }
    if ('reason' in stored) {
      log.error({ code: 'SPOOL_RECORD_CORRUPT', queue_id: id }, stored.reason);
      this.#options.quarantine.addCorrupt({ id, reason: stored.reason });
      this.#logged(this.#shared.keepHere(id), id);
      return;
    }
    const { item } = stored;
    if (isSettled(item)) {
      this.#logged(spool.remove(item), id);
      return;
    }
    const waitMs = waitsMs(item, clock.nowMs());
    if (waitMs > DUE_MS) {
      this.#handedBack++;
      await this.#shared
        .handBack(item, arrival.stage, waitMs)
        .catch(() => this.#rejoin(item, arrival.stage));
      return;
    }
    const queue = queueOf(item);
    await recorder.recovered(arrivedMessage(item, queue), queue);
    // The broker may have taken it back meanwhile, and given it anew.
    if (this.#shared.isShared(id) && find(id) === undefined && this.#running) {
      this.#take(item, arrival);
    }
  }

  #take(item: Item, { redelivered, deliveryCount, stage }: Arrived): void {
    const { clock } = this.#options;
    item.doubt ||= redelivered;
    if (deliveryCount >= MAX_DELIVERIES) {
      void this.#takeAside(item);
      return;
    }
    this.#here.set(item.id, { item, stage, sinceMs: clock.monotonicMs() });
    this.#begin(item);
  }

  #begin(item: Item): void {
    const { clock, enter, schedule } = this.#options;
    enter(item);
    followClock(item, clock.nowMs());
    schedule(item, item.recipients.filter(isWaiting));
  }

  /**
   * On the disk of this node its attempts are counted, so that it is found out whether it takes the
   * process down, or whether only links ended over and over while it waited.
   */
  async #takeAside(item: Item): Promise<void> {
    const { find, found, log } = this.#options;
    try {
      await this.#shared.keepHere(item.id);
    } catch (error) {
      log.debug({ code: codeOf(error), queue_id: item.id }, messageOf(error));
      return;
    }
    if (this.#running && find(item.id) === undefined) {
      this.#begin(item);
      found(item);
    }
  }

  /** The broker has taken these back: what is under way comes to its end, all else is for others. */
  #lost(ids: readonly string[]): void {
    const scheduler = this.#options.scheduler();
    let isAnyGone = false;
    for (const id of ids) {
      const item = this.#here.get(id)?.item;
      if (item === undefined) {
        continue;
      }
      if (scheduler.isUnderWay(item)) {
        this.#leaving.add(id);
      } else {
        this.#dismiss(item);
        isAnyGone = true;
      }
    }
    // That looks at all destinations, which is too much for what every removal tells.
    if (isAnyGone) {
      scheduler.forgetUnused();
    }
  }

  #dismiss(item: Item): void {
    this.#options.scheduler().withdraw(item);
    this.#options.leave(item);
  }

  /** @param leastMs it comes back no earlier */
  async #handBack(item: Item, leastMs: number): Promise<void> {
    const { clock, log } = this.#options;
    const waiting = item.recipients.filter(isWaiting);
    const pauseMs = waiting.every(({ state }) => state === 'ready') ? this.#pauseMs(item) : 0;
    const waitMs = Math.max(leastMs, pauseMs, waitsMs(item, clock.nowMs()));
    const { stage = this.#options.tier.stageOf(item) } = this.#here.get(item.id) ?? {};
    this.#dismiss(item);
    this.#options.scheduler().forgetUnused();
    try {
      this.#handedBack++;
      await this.#shared.handBack(item, this.#options.tier.stageOf(item), waitMs);
    } catch (error) {
      log.debug({ code: codeOf(error), queue_id: item.id }, messageOf(error));
      this.#rejoin(item, stage);
    }
  }

  /** What could not be handed back goes on here, unless the broker has it as it was before. */
  #rejoin(item: Item, stage: string): void {
    const { spool, clock, find } = this.#options;
    let isKept: boolean;
    try {
      isKept = spool.peek(item.id) !== null;
    } catch {
      if (this.#running) {
        clock.after(READ_AGAIN_MS, () => this.#rejoin(item, stage));
      }
      return;
    }
    if (!isKept || find(item.id) !== undefined) {
      return;
    }
    if (this.#shared.isShared(item.id)) {
      this.#here.set(item.id, { item, stage, sinceMs: clock.monotonicMs() });
    }
    this.#begin(item);
  }

  /** Until the hop is asked again that the message waits for. */
  #pauseMs(item: Item): number {
    const place = this.#options.scheduler().destination(this.#options.queueOf(item));
    return place?.state === 'backoff'
      ? Math.max(DUE_MS, place.resumeAtMs - this.#options.clock.monotonicMs())
      : 0;
  }

  #sweepLater(): void {
    this.#timer = this.#options.clock.after(SWEEP_MS, () => {
      this.#sweep();
      if (this.#running) {
        this.#sweepLater();
      }
    });
  }

  /**
   * Who waits here for too long gives its place to another: the broker wants to hear of each message
   * within a time, and in the stage that destinations share nobody may hold up the others.
   */
  #sweep(): void {
    const { clock, queueOf } = this.#options;
    const scheduler = this.#options.scheduler();
    const nowMs = clock.monotonicMs();
    for (const { item, stage, sinceMs } of this.#here.values()) {
      if (scheduler.isUnderWay(item) || staysHere(item) || this.#shared.away !== null) {
        continue;
      }
      const isBlocking = stage === COMMON_STAGE && !scheduler.isWell(queueOf(item));
      if (isBlocking || nowMs - sinceMs > MAX_WAIT_HERE_MS) {
        void this.#handBack(item, SWEEP_MS);
      }
    }
  }

  /** Asks the broker again and again what waits there, and never takes more than a little of its time. */
  #look(): void {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    const { connects } = this.#shared.figures;
    this.#handedBack = 0;
    void this.#shared.depths().then((depths) => {
      this.#depths = depths === null ? null : { ...depths, connects };
      if (this.#running) {
        const restMs = Math.max(LOOK_MS, LOOK_REST_FACTOR * (clock.monotonicMs() - startMs));
        this.#lookTimer = clock.after(restMs, () => this.#look());
      }
    });
  }

  /** By the names of queues, as the broker said last, and what was handed back since; null: not known. */
  get #waiting(): Map<string, number> | null {
    const { away, figures } = this.#shared;
    // What was said before a link ended says nothing about what came back to the broker by that.
    if (this.#depths === null || away !== null || this.#depths.connects !== figures.connects) {
      return null;
    }
    const { stages, deferred } = this.#depths;
    const waiting = new Map(
      [...stages].map(([stage, count]) => [stage === COMMON_STAGE ? COMMON_QUEUE : stage, count]),
    );
    return waiting.set(DEFERRED_QUEUE, deferred + this.#handedBack);
  }

  #logged(written: Promise<void>, id: string): void {
    written.catch((error: unknown) => {
      this.#options.log.debug({ code: codeOf(error), queue_id: id }, messageOf(error));
    });
  }
}

function isWaiting({ state }: ItemRecipient): boolean {
  return !isFinal(state) && state !== 'quarantined';
}

/** Somebody at this node has to decide about it. */
function staysHere({ recipients }: Item): boolean {
  return recipients.some(({ state }) => state === 'held' || state === 'quarantined');
}

/** Until the first of its recipients is due; 0 when one is. */
function waitsMs({ recipients }: Item, nowMs: number): number {
  const waits = recipients
    .filter(isWaiting)
    .map(({ state, nextAttemptAtMs }) =>
      state === 'deferred' ? Math.max(0, (nextAttemptAtMs ?? 0) - nowMs) : 0,
    );
  return Math.min(...waits);
}
