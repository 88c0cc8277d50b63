import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock, Timer } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { wantsReport } from './bounce.js';
import type { Item, ItemRecipient } from './item.js';
import type { QueueSettings } from './settings.js';
import type { Spool } from './spool.js';

/** How late a report may be; less where senders hear of short delays. */
const MAX_ROUND_MS = 60_000;
const MIN_ROUND_MS = 1000;
/** Items that are looked at before something else may run. */
const ITEMS_A_TURN = 5000;

export interface DelayWatchOptions {
  settings: () => QueueSettings;
  spool: Pick<Spool, 'healthy'>;
  clock: Clock;
  log: Logger;
  /** What of the queue is in memory. */
  items: () => Iterable<Item>;
  /** Tells the sender of recipients that wait too long. */
  report: (item: Item, late: ItemRecipient[]) => Promise<void>;
}

/**
 * Finds the mail that waits too long and whose sender wants to know (NOTIFY=DELAY), whatever it
 * waits for: its next attempt, a hop at fault, the end of a pause. It goes round all the mail of the
 * queue instead of keeping a list: so there is nothing to keep right, and no memory of it. Reports
 * are made one at a time.
 */
export class DelayWatch {
  readonly #options: DelayWatchOptions;
  /** Monotonic time until which an item was seen to wait because it wanted to go later. */
  readonly #wantedLaterMs = new WeakMap<Item, number>();
  #timer: Timer | null = null;
  #running = false;
  #round: Promise<void> = Promise.resolve();

  constructor(options: DelayWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = true;
    this.#arm();
  }

  /** Resolves when the round that is under way has ended, which it does early. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#timer?.cancel();
    await this.#round;
  }

  #arm(): void {
    if (!this.#running) {
      return;
    }
    const tenthMs = this.#options.settings().reports.delayAfterSeconds * 100;
    const roundMs = Math.min(MAX_ROUND_MS, Math.max(MIN_ROUND_MS, tenthMs));
    this.#timer = this.#options.clock.after(roundMs, () => {
      this.#round = this.#goRound().finally(() => this.#arm());
    });
  }

  /** Never rejects: what could not be reported is still late at the next round. */
  async #goRound(): Promise<void> {
    const { items, spool } = this.#options;
    let seen = 0;
    for (const item of items()) {
      if (++seen % ITEMS_A_TURN === 0) {
        await nextTurn();
      }
      if (!this.#running || !spool.healthy) {
        return;
      }
      await this.look(item);
    }
  }

  /** Reports it, where it is late. Never rejects. */
  async look(item: Item): Promise<void> {
    const { report, log } = this.#options;
    const late = this.#late(item);
    if (late.length > 0) {
      try {
        await report(item, late);
      } catch (error) {
        log.error({ code: codeOf(error), queue_id: item.id, err: error }, messageOf(error));
      }
    }
  }

  #late(item: Item): ItemRecipient[] {
    const concerned = item.recipients.filter(
      (recipient) =>
        isWaiting(recipient) &&
        recipient.delayReportedAtMs === undefined &&
        wantsReport(item, recipient, 'delayed'),
    );
    if (concerned.length === 0) {
      return concerned;
    }
    const nowMs = this.#options.clock.monotonicMs();
    if (concerned.every(wantsToWait)) {
      this.#wantedLaterMs.set(item, nowMs);
      return [];
    }
    const sinceMs = Math.max(enteredAtMs(item, nowMs), this.#wantedLaterMs.get(item) ?? -Infinity);
    const late = nowMs - sinceMs >= this.#options.settings().reports.delayAfterSeconds * 1000;
    return late ? concerned.filter((recipient) => !wantsToWait(recipient)) : [];
  }
}

/** Those under way are looked at again when it is known what came of it. */
function isWaiting({ state }: ItemRecipient): boolean {
  return state === 'ready' || state === 'deferred' || state === 'held';
}

/** It said itself that it goes later, and has not been tried. */
function wantsToWait({ state, attempts, lastReply }: ItemRecipient): boolean {
  return state === 'deferred' && attempts === 0 && lastReply === null;
}

/** Monotonic time of arrival, which no wall clock that was set since has moved. */
function enteredAtMs({ deadlineMs, expiresAtMs, receivedAtMs }: Item, nowMs: number): number {
  return (deadlineMs ?? nowMs) - (expiresAtMs - receivedAtMs);
}
