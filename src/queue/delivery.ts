import type { Readable } from 'node:stream';
import type { Clock } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { AttemptReport, Outcome } from '../send/outcome.js';
import type { Attempt } from '../send/request.js';
import type { TraceRecorder } from '../trace/recorder.js';
import { AttemptMarks } from './attempt-marks.js';
import { SpoolRefusal } from './group-commit.js';
import type { BodyCache } from './body-cache.js';
import type { Destination, QueueEntry, RoutedEntry } from './destination.js';
import type { Flows } from './flows.js';
import type { DoubtWatch } from './doubt-watch.js';
import { expiryReport } from './expiry-report.js';
import { holdupOf, remoteOf, type Holdup } from './holdup.js';
import {
  isFinal,
  isSettled,
  moveRecipient,
  type HopAsked,
  type Item,
  type ItemRecipient,
  type LastReply,
} from './item.js';
import { logOutcomes } from './outcome-log.js';
import { outgoing } from './outgoing-message.js';
import { Reporter } from './reporter.js';
import { tellResults } from './results-of-attempt.js';
import type { Results } from './results.js';
import type { ChooseRoute } from './route-groups.js';
import type { Scheduler } from './scheduler.js';
import {
  quarantine,
  recipientRecord,
  settle,
  type SettleContext,
  type Settlement,
} from './settle.js';
import type { QueueSettings } from './settings.js';
import type { Spool } from './spool.js';
import type { TierMail } from './tier-mail.js';
import { passOverUnfit } from './unfit-hops.js';

export interface DeliveryOptions {
  settings: () => QueueSettings;
  hostname: string;
  spool: Spool;
  bodies: BodyCache;
  flows: Pick<Flows, 'attempted'>;
  chooseRoute: ChooseRoute;
  attempt: Attempt;
  recorder: TraceRecorder;
  scheduler: () => Scheduler;
  doubts: () => Pick<DoubtWatch, 'watch'>;
  /** Where a tier shares its mail; else null. */
  tier: () => Pick<TierMail, 'isShared' | 'handsBack'> | null;
  clock: Clock;
  log: Logger;
  chance: () => number;
  newId: () => string;
  /** Notes on a message that begins here what has to be known of that. */
  mark: (item: Item) => void;
  /** What of the queue is in memory. */
  items: () => Iterable<Item>;
  /** Puts a message that is already durable into the queue. */
  enter: (item: Item) => void;
  /** The item is settled and gone. */
  leave: (item: Item) => void;
  /** Recipients of the item are in quarantine now. */
  quarantined: (item: Item) => void;
  /** Resolves with true when a spool that failed takes writes again, with false when the node stops. */
  healed: () => Promise<boolean>;
  /** Hears what becomes of recipients before they leave the spool; absent: nobody wants to. */
  results?: Pick<Results, 'settled' | 'takeReport'>;
}

/** Attempts in a row that break off for reasons of ours before the message is taken out of the way. */
export const MAX_UNFINISHED = 3;

/** One attempt of an entry, from its start to what follows from its outcomes. */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #reporter: Reporter;
  readonly #marks = new AttemptMarks();
  /** The last write of each item that is not on its way out. */
  readonly #lastWrites = new WeakMap<Item, Promise<void>>();

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#reporter = new Reporter({
      ...options,
      openBody: (item) => this.#openBody(item),
      holdup: (item, recipient) => this.#holdup(item, recipient),
    });
  }

  /** Begins to tell senders of mail that waits too long. */
  start(): void {
    this.#reporter.start();
  }

  /** Resolves when no report is being made but those of attempts under way. */
  stop(): Promise<void> {
    return this.#reporter.stop();
  }

  /** Tells its sender now, where it is late and wants to know. Never rejects. */
  reportIfLate(item: Item): Promise<void> {
    return this.#reporter.reportIfLate(item);
  }

  /** An item that an earlier process left in the spool. */
  found(item: Item): void {
    item.recipients.forEach((recipient) => this.#marks.found(recipient));
  }

  /** True until an attempt of it has come to its end. */
  isFound(item: Item): boolean {
    return item.recipients.some((recipient) => this.#marks.isFound(recipient));
  }

  /** Never rejects: what goes wrong in here is logged and the entry waits for its destination. */
  async run(entry: RoutedEntry, destination: Destination, connectCounted: boolean): Promise<void> {
    const { clock, log, spool } = this.#options;
    const { item, recipients } = entry;
    try {
      for (const recipient of recipients) {
        moveRecipient(recipient, 'sending');
      }
      // What a tier shares keeps no marks: any node may go on with it, and is told that it was given out.
      const shared = this.#options.tier()?.isShared(item) === true;
      if (this.#marks.begin(entry, this.#asked(entry, destination)) && !shared) {
        // Durable where it says where else the message must not go; all that waits shares the sync.
        await spool.update(item, { sync: entry.movable });
      }
      const expired = clock.monotonicMs() >= (item.deadlineMs ?? Infinity);
      if (expired && hadItsChance(entry, destination)) {
        await this.#expire(entry, destination);
        return;
      }
      const request = this.#request(entry, destination, connectCounted);
      const report = passOverUnfit(
        await this.#options.attempt(request),
        recipients,
        destination.name,
        (recipient) => this.#options.chooseRoute(item, recipient, () => true).queue,
      );
      this.#learn(entry, destination, report);
      await this.#conclude(entry, destination, report, remoteOf(entry.nextHop, report));
    } catch (error) {
      log.error(
        { code: codeOf(error) || 'INTERNAL', queue_id: item.id, err: error },
        messageOf(error),
      );
      this.#breakOff(entry, destination, error);
    }
  }

  #request(
    entry: RoutedEntry,
    destination: Destination,
    connectCounted: boolean,
  ): Parameters<Attempt>[0] {
    const { item, recipients, nextHop } = entry;
    let counted = connectCounted;
    const doubt = recipients[0]?.doubtAt ?? null;
    return {
      message: outgoing(item),
      recipients,
      nextHop,
      capacity: destination.capacity,
      onlyHost: doubt?.queue === destination.name ? doubt.host : null,
      onConnect: () => {
        if (!counted) {
          destination.connected(this.#options.clock.monotonicMs());
        }
        counted = false;
      },
      openBody: () => this.#openBody(item),
    };
  }

  /** What the outcomes say about the hop: that it is well, and how fast it wants to be asked. */
  #learn(entry: RoutedEntry, destination: Destination, { outcomes }: AttemptReport): void {
    if (outcomes.some(isAnswer)) {
      this.#options.scheduler().healed(destination);
    }
    const slow = outcomes.find((outcome) => outcome.slowDown === true);
    if (slow !== undefined) {
      if (this.#options.scheduler().isStillAsked(entry, destination)) {
        destination.slowDown(this.#options.clock.monotonicMs(), slow.retryAfterMs);
      }
    } else if (outcomes.some(({ kind }) => kind === 'delivered')) {
      destination.speedUp();
    }
  }

  #openBody(item: Item): Promise<Buffer | Readable | null> {
    const cached = this.#options.bodies.get(item.id);
    return cached === undefined ? this.#options.spool.openBody(item) : Promise.resolve(cached);
  }

  #holdup(item: Item, recipient: ItemRecipient): Holdup {
    const { chooseRoute, scheduler } = this.#options;
    const { queue, nextHop } = chooseRoute(item, recipient, () => true);
    return holdupOf(recipient, nextHop, scheduler().destination(queue));
  }

  /** `remote`: the hop that was asked, or null when none was. */
  async #conclude(
    entry: RoutedEntry,
    destination: Destination,
    report: AttemptReport,
    remote: string | null,
  ): Promise<void> {
    const { item, recipients } = entry;
    const settlement = settle(
      item,
      recipients,
      report.outcomes,
      this.#settleContext(entry, destination, report),
    );
    const overtaken = this.#marks.concluded(entry);
    const claimed = this.#reporter.claim(item, recipients, report.dsnOffered === true);
    const taken = recipients.filter(({ state }) => state === 'delivered').length;
    this.#options.flows.attempted(entry.nextHop, taken, recipients.length);
    const spent = settlement.unspent.length < recipients.length;
    const toNode = entry.nextHop.kind === 'node';
    this.#options.recorder.attempted(
      item.id,
      report.earlier === undefined ? [report.record] : [...report.earlier, report.record],
      item.recipients.map((recipient) => recipientRecord(recipient, toNode)),
      item.recipients.every(({ state }) => isFinal(state)),
    );
    logOutcomes(this.#options.log, entry, destination.name, report);
    this.#options.doubts().watch(item);
    if (this.#options.results !== undefined) {
      const openBody = (): Promise<Buffer | Readable | null> => this.#openBody(item);
      await tellResults(this.#options.results, entry, settlement, report, openBody);
    }
    if (claimed.length > 0) {
      await this.#reporter.report(item, claimed, remote);
    }
    this.#persist(item, spent || overtaken);
    if (settlement.quarantined.length > 0) {
      this.#options.quarantined(item);
    }
    this.#requeue(entry, settlement, destination, report);
  }

  #asked({ nextHop }: RoutedEntry, { name }: Destination, host = nextHop.host): HopAsked {
    const asked = { queue: name, host };
    const holdMs = this.#options.settings().doubtTimeoutSeconds * 1000;
    return nextHop.tier === undefined
      ? asked
      : { ...asked, untilMs: this.#options.clock.nowMs() + holdMs };
  }

  #settleContext(
    entry: RoutedEntry,
    destination: Destination,
    { host }: AttemptReport,
  ): SettleContext {
    const { item } = entry;
    const { settings, clock, chance } = this.#options;
    const { retryIntervalsSeconds, limits } = settings();
    const nowMs = clock.nowMs();
    const leftMs = (item.deadlineMs ?? Infinity) - clock.monotonicMs();
    return {
      retryIntervalsSeconds: item.settings?.retryIntervalsSeconds ?? retryIntervalsSeconds,
      maxAttempts: item.settings?.maxAttempts ?? limits.maxAttempts,
      asked: this.#asked(entry, destination, host),
      nowMs,
      expiresAtMs: nowMs + Math.max(0, leftMs),
      chance: chance(),
    };
  }

  /** Does not wait for the disk: losing this costs a repeated attempt, never a message. */
  #persist(item: Item, changed: boolean): void {
    const { spool, log, bodies, leave } = this.#options;
    const settled = isSettled(item);
    if (settled) {
      leave(item);
    } else if (!item.recipients.some(isUntried)) {
      bodies.forget(item.id);
    }
    if (!settled && this.#options.tier()?.handsBack(item, changed) === true) {
      return;
    }
    if (settled || changed || item.doubt) {
      const written = settled ? spool.remove(item) : this.#update(item);
      written.catch((error: unknown) => {
        log.error({ code: codeOf(error), queue_id: item.id }, messageOf(error));
      });
    }
  }

  /** Once it is done, and nothing has changed since, the item need not be in memory. */
  async #update(item: Item): Promise<void> {
    const written = this.#options.spool.update(item);
    this.#lastWrites.set(item, written);
    await written;
    if (this.#lastWrites.get(item) === written) {
      this.#options.scheduler().stored(item);
    }
  }

  #requeue(
    entry: RoutedEntry,
    settlement: Settlement,
    destination: Destination,
    { outcomes, record }: AttemptReport,
  ): void {
    const scheduler = this.#options.scheduler();
    const { item } = entry;
    const { nextAttemptAtMs, deferredAtMs = 0 } = settlement.deferred[0] ?? {};
    if (nextAttemptAtMs != null) {
      const { deferred } = settlement;
      scheduler.defer({ item, recipients: deferred }, nextAttemptAtMs, deferredAtMs, destination);
    }
    if (settlement.again.length > 0) {
      scheduler.ready({ item, recipients: settlement.again });
    }
    if (settlement.unspent.length > 0) {
      const unspent = { ...entry, recipients: settlement.unspent };
      scheduler.hopFault(unspent, destination, {
        stage: record.state,
        inTransaction: outcomes.some(({ inTransaction }) => inTransaction),
        retryAfterMs: outcomes.find(({ retryAfterMs: asked }) => asked !== undefined)?.retryAfterMs,
      });
    }
  }

  /**
   * The attempt came to no end. For want of a disk, or of a file descriptor, nothing is counted; an
   * error of ours, three times in a row, takes the message out of the way.
   */
  #breakOff(entry: RoutedEntry, destination: Destination, error: unknown): void {
    const text = `internal error: ${messageOf(error)}`;
    const blameless = error instanceof SpoolRefusal || codeOf(error) === 'BODY_NOT_READABLE';
    if (blameless) {
      this.#marks.withdrawn(entry);
    } else {
      this.#giveUpReports(entry, text);
    }
    const waiting = entry.recipients.filter(
      ({ state }) => state === 'ready' || state === 'sending' || state === 'deferred',
    );
    if (!blameless && this.#marks.broke(entry) >= MAX_UNFINISHED) {
      this.#takeOut(entry.item, waiting, text);
    } else if (waiting.length > 0) {
      this.#putBack({ ...entry, recipients: waiting }, destination, error);
    }
  }

  /** What is settled or quarantined stays so; everything else is tried again. */
  #putBack(entry: RoutedEntry, destination: Destination, error: unknown): void {
    for (const recipient of entry.recipients) {
      if (recipient.state !== 'ready') {
        moveRecipient(recipient, 'ready');
      }
      recipient.nextAttemptAtMs = null;
      if (!(error instanceof SpoolRefusal)) {
        recipient.lastReply = ownWords(messageOf(error));
      }
    }
    const scheduler = this.#options.scheduler();
    if (error instanceof SpoolRefusal) {
      // Nothing starts until the spool is well again.
      scheduler.putBack(entry, destination);
    } else {
      const fault = { stage: 'process', inTransaction: false, retryAfterMs: undefined };
      scheduler.hopFault(entry, destination, fault);
    }
  }

  /** A report that could not be made, for an error of ours: a failure must not go unseen for that. */
  #giveUpReports({ item, recipients }: RoutedEntry, text: string): void {
    const unreported = recipients.filter((recipient) => recipient.unreported === true);
    const failed = unreported.filter(({ state }) => state === 'failed');
    for (const recipient of unreported) {
      delete recipient.unreported;
    }
    if (failed.length > 0) {
      this.#takeOut(item, failed, text);
    } else if (unreported.length > 0) {
      this.#persist(item, true);
    }
  }

  /** Into quarantine with recipients that no attempt is made for any more. */
  #takeOut(item: Item, recipients: ItemRecipient[], text: string): void {
    for (const recipient of recipients) {
      moveRecipient(recipient, 'quarantined');
      recipient.lastReply = ownWords(text);
      delete recipient.unfinished;
    }
    quarantine(item, 'crashed', this.#options.clock.nowMs());
    this.#persist(item, true);
    this.#options.quarantined(item);
  }

  /** RFC 5321 §4.5.4.1: after the give-up time the sender hears of it, with the last words. */
  async #expire(entry: RoutedEntry, destination: Destination): Promise<void> {
    const report = expiryReport(entry, destination.lastFault, this.#options.clock.nowMs());
    await this.#conclude(entry, destination, report, null);
  }
}

function ownWords(text: string): LastReply {
  return { code: null, enhanced: null, text };
}

/** A message is tried at least once, however long the node was down; a faulty hop counts as that. */
function hadItsChance(entry: QueueEntry, destination: Destination): boolean {
  return (
    destination.faultsInARow > 0 || entry.recipients.some(({ lastReply }) => lastReply !== null)
  );
}

/** Its first attempt is still to come: the body is not read back for it. */
function isUntried({ state, lastReply }: ItemRecipient): boolean {
  return lastReply === null && (state === 'ready' || state === 'sending');
}

/** The hop was reached and said something about the message; what it lacks says nothing of its health. */
function isAnswer({ kind, unfit }: Outcome): boolean {
  return unfit !== true && (kind === 'delivered' || kind === 'deferred' || kind === 'failed');
}
