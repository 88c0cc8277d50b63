import type { Clock } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import { newSpanId } from '../base/identifiers.js';
import type { Logger } from '../base/log.js';
import { DELETED_BY_OPERATOR, type AttemptRecord } from '../trace/record.js';
import type { TraceRecorder } from '../trace/recorder.js';
import { SpoolRefusal } from './group-commit.js';
import { isFinal, isSettled, moveRecipient, type Item, type ItemRecipient } from './item.js';
import type { Quarantine } from './quarantine.js';
import { describeQueued, type QueuedMessage } from './queued-message.js';
import type { Results } from './results.js';
import { groupByRoute, type ChooseRoute } from './route-groups.js';
import type { Scheduler } from './scheduler.js';
import { recipientRecord } from './settle.js';
import type { QueueSettings } from './settings.js';
import type { Spool } from './spool.js';

/** What an operator may do to one message. */
export type MessageAction = 'retry' | 'hold' | 'release' | 'delete';

/** Why it is not done; nothing was changed. */
export type ActionRefusal =
  /** there is no such message here, or no more */
  | 'unknown'
  /** an attempt is under way, and what a hop may be taking cannot be called back */
  | 'sending'
  /** it is to be released first */
  | 'held'
  /** it does not wait to be sent */
  | 'quarantined'
  /** its record cannot be read */
  | 'unreadable';

export type ActionResult =
  /** `message`: as it is now; null when it is gone. `durable`: false while the spool refuses writes. */
  | { done: true; message: QueuedMessage | null; durable: boolean }
  | { done: false; why: ActionRefusal };

export interface MessageControlOptions {
  settings: () => QueueSettings;
  spool: Pick<Spool, 'update' | 'remove' | 'removeCorrupt' | 'openBody'>;
  scheduler: Scheduler;
  quarantine: Quarantine;
  recorder: TraceRecorder;
  chooseRoute: ChooseRoute;
  clock: Clock;
  log: Logger;
  find: (id: string) => Item | undefined;
  /** Its age counts by the clock of this process from here on. */
  startLife: (item: Item) => void;
  /** The recipients wait as their states say. */
  schedule: (item: Item, recipients: ItemRecipient[]) => void;
  /** Its content is not kept in memory any longer. */
  forgetBody: (item: Item) => void;
  /** The item is settled and gone. */
  leave: (item: Item) => void;
  /** Hears of what was deleted; absent: nobody wants to. */
  results?: Pick<Results, 'settled'>;
}

/**
 * What an operator does to one message. What is answered as done has happened at once and, unless
 * the spool refuses, is durable: it holds after a crash. An attempt that is under way is never
 * touched: its outcome decides, and the operator is told to ask again.
 */
export class MessageControl {
  readonly #options: MessageControlOptions;

  constructor(options: MessageControlOptions) {
    this.#options = options;
  }

  act(id: string, action: MessageAction): Promise<ActionResult> {
    const item = this.#options.find(id);
    const acted =
      item === undefined ? this.#actOnCorrupt(id, action) : this.#actOnItem(item, action);
    this.#options.scheduler.forgetUnused();
    return acted;
  }

  /** What it does to the queue is done when it returns. */
  #actOnItem(item: Item, action: MessageAction): Promise<ActionResult> {
    switch (action) {
      case 'retry':
        return this.#retry(item);
      case 'hold':
        return this.#hold(item);
      case 'release':
        return this.#release(item);
      case 'delete':
        return this.#delete(item);
    }
  }

  /**
   * Tries a message in quarantine again, as if it had just come in.
   *
   * @returns false when there is none, or when it cannot be read
   */
  retryQuarantined(id: string): boolean {
    const item = this.#options.quarantine.item(id);
    if (item === undefined) {
      return false;
    }
    const recipients = this.#outOfQuarantine(item);
    void this.#written(item, this.#options.spool.update(item));
    this.#options.schedule(item, recipients);
    return true;
  }

  /** @returns false when there is none in quarantine */
  deleteQuarantined(id: string): boolean {
    const { quarantine, spool, log } = this.#options;
    const item = quarantine.item(id);
    const corrupt = quarantine.corrupt(id);
    if (item === undefined && corrupt === undefined) {
      return false;
    }
    quarantine.remove(id);
    log.warn({ event: 'deleted', queue_id: id }, 'deleted out of quarantine');
    if (item === undefined) {
      void this.#written({ id }, spool.removeCorrupt(id));
    } else {
      this.discard(item);
    }
    return true;
  }

  /** Recipients in quarantine are given up; with the last of all recipients the message goes. */
  discard(item: Item): void {
    const { spool, leave } = this.#options;
    delete item.quarantine;
    for (const recipient of item.recipients.filter(({ state }) => state === 'quarantined')) {
      moveRecipient(recipient, 'failed');
    }
    const settled = isSettled(item);
    if (settled) {
      leave(item);
    }
    void this.#written(item, settled ? spool.remove(item) : spool.update(item));
  }

  async #actOnCorrupt(id: string, action: MessageAction): Promise<ActionResult> {
    const { quarantine, spool, log } = this.#options;
    if (quarantine.corrupt(id) === undefined) {
      return { done: false, why: 'unknown' };
    }
    if (action !== 'delete') {
      return { done: false, why: 'unreadable' };
    }
    quarantine.remove(id);
    log.warn({ event: 'deleted', queue_id: id }, 'deleted out of quarantine');
    return this.#answer({ id }, null, spool.removeCorrupt(id));
  }

  async #retry(item: Item): Promise<ActionResult> {
    const { scheduler, spool } = this.#options;
    if (has(item, 'held')) {
      return { done: false, why: 'held' };
    }
    const recipients = [...this.#outOfQuarantine(item), ...scheduler.withdraw(item)];
    for (const recipient of recipients) {
      if (recipient.state === 'deferred') {
        moveRecipient(recipient, 'ready');
        recipient.nextAttemptAtMs = null;
      }
    }
    this.#log(item, 'retried', 'tried now, by an operator');
    const written = spool.update(item, { sync: true });
    if (recipients.length > 0) {
      scheduler.readyFirst({ item, recipients });
    }
    return this.#answer(item, describeQueued(item, item.recipients), written);
  }

  async #hold(item: Item): Promise<ActionResult> {
    const { scheduler, spool, clock, forgetBody } = this.#options;
    if (scheduler.isUnderWay(item)) {
      return { done: false, why: 'sending' };
    }
    if (!has(item, 'ready', 'deferred', 'held')) {
      return { done: false, why: 'quarantined' };
    }
    const recipients = scheduler.withdraw(item);
    for (const recipient of recipients.filter(({ state }) => state !== 'held')) {
      moveRecipient(recipient, 'held');
    }
    item.heldAtMs ??= clock.nowMs();
    scheduler.hold({ item, recipients });
    forgetBody(item);
    this.#log(item, 'held', 'held by an operator');
    const written = spool.update(item, { sync: true });
    return this.#answer(item, describeQueued(item, item.recipients), written);
  }

  /** The time for which it was held does not count for its expiry. */
  async #release(item: Item): Promise<ActionResult> {
    const { scheduler, spool, clock, schedule } = this.#options;
    if (!has(item, 'held')) {
      return has(item, 'ready', 'deferred', 'sending')
        ? { done: true, message: describeQueued(item, item.recipients), durable: true }
        : { done: false, why: 'quarantined' };
    }
    const heldMs = Math.max(0, clock.nowMs() - (item.heldAtMs ?? clock.nowMs()));
    item.expiresAtMs += heldMs;
    item.deadlineMs = (item.deadlineMs ?? clock.monotonicMs()) + heldMs;
    delete item.heldAtMs;
    const recipients = scheduler.withdraw(item);
    for (const recipient of recipients.filter(({ state }) => state === 'held')) {
      moveRecipient(recipient, wantsToWait(recipient, clock.nowMs()) ? 'deferred' : 'ready');
      recipient.nextAttemptAtMs = recipient.state === 'ready' ? null : recipient.nextAttemptAtMs;
    }
    this.#log(item, 'released', 'released by an operator');
    const written = spool.update(item, { sync: true });
    schedule(item, recipients);
    return this.#answer(item, describeQueued(item, item.recipients), written);
  }

  /** Nobody is told but the trace. */
  async #delete(item: Item): Promise<ActionResult> {
    const { scheduler, quarantine, spool, recorder, leave } = this.#options;
    if (scheduler.isUnderWay(item)) {
      return { done: false, why: 'sending' };
    }
    scheduler.withdraw(item);
    quarantine.remove(item.id);
    delete item.quarantine;
    const given = item.recipients.filter(({ state }) => !isFinal(state));
    const attempts = this.#endsOf(item, given);
    for (const recipient of given) {
      moveRecipient(recipient, 'failed');
      const text = deletedWords(recipient);
      recipient.lastReply = { code: null, enhanced: '5.0.0', text };
    }
    leave(item);
    const records = item.recipients.map((recipient) => recipientRecord(recipient, false));
    recorder.attempted(item.id, attempts, records, true);
    this.#log(item, 'deleted', DELETED_BY_OPERATOR);
    if (this.#options.results !== undefined) {
      await this.#tellResults(this.#options.results, item, given, attempts);
    }
    return this.#answer(item, null, spool.remove(item, { sync: true }));
  }

  #tellResults(
    results: Pick<Results, 'settled'>,
    item: Item,
    failed: ItemRecipient[],
    attempts: AttemptRecord[],
  ): Promise<void> {
    const openBody = (): ReturnType<Spool['openBody']> => this.#options.spool.openBody(item);
    return results.settled({ item, delivered: [], failed, deferred: [], attempts, openBody });
  }

  /** For the trace: where its recipients would have gone, and that they do not. */
  #endsOf(item: Item, recipients: ItemRecipient[]): AttemptRecord[] {
    const { chooseRoute, clock } = this.#options;
    const routes = groupByRoute({ item, recipients }, (one, recipient) =>
      chooseRoute(one, recipient, () => true),
    );
    return routes.map(({ route, recipients: given }) => ({
      span_id: newSpanId(),
      started_at: new Date(clock.nowMs()).toISOString(),
      duration_ms: 0,
      next_hop: route.nextHop.name,
      remote: null,
      reused: false,
      tls: null,
      user: null,
      state: 'process',
      result: 'error',
      code: null,
      enhanced_code: '5.0.0',
      description: DELETED_BY_OPERATOR,
      remote_queue_id: null,
      phases_ms: {},
      recipients: given.map(({ address }) => address),
    }));
  }

  /** Its recipients in quarantine, which are ready now, as if they had just come in. */
  #outOfQuarantine(item: Item): ItemRecipient[] {
    const { quarantine, clock, settings, startLife } = this.#options;
    const back = item.recipients.filter(({ state }) => state === 'quarantined');
    if (back.length === 0) {
      return back;
    }
    quarantine.remove(item.id);
    delete item.quarantine;
    item.expiresAtMs = clock.nowMs() + settings().expireAfterSeconds * 1000;
    for (const recipient of back) {
      moveRecipient(recipient, 'ready');
      recipient.attempts = 0;
      recipient.lastReply = null;
    }
    startLife(item);
    return back;
  }

  /** Once it is on disk; if the spool refuses, it is written as soon as the spool takes writes again. */
  async #answer(
    item: { id: string },
    message: QueuedMessage | null,
    written: Promise<void>,
  ): Promise<ActionResult> {
    return { done: true, message, durable: await this.#written(item, written) };
  }

  /** Never rejects. @returns false when the spool refused it */
  async #written({ id }: { id: string }, written: Promise<void>): Promise<boolean> {
    try {
      await written;
      return true;
    } catch (error) {
      this.#options.log.error({ code: codeOf(error), queue_id: id }, messageOf(error));
      // Else it is written, and what it leaves behind is cleared away at the next start.
      return !(error instanceof SpoolRefusal);
    }
  }

  #log({ id, trace }: Item, event: string, text: string): void {
    this.#options.log.warn({ event, trace_id: trace.traceId, queue_id: id }, text);
  }
}

function has({ recipients }: Item, ...states: ItemRecipient['state'][]): boolean {
  return recipients.some(({ state }) => states.includes(state));
}

/** It said itself that it goes later, and has not been tried. */
function wantsToWait(
  { attempts, lastReply, nextAttemptAtMs }: ItemRecipient,
  nowMs: number,
): boolean {
  return attempts === 0 && lastReply === null && (nextAttemptAtMs ?? 0) > nowMs;
}

function deletedWords({ lastReply: last }: ItemRecipient): string {
  const words =
    last === null ? '' : [last.code, last.enhanced, last.text].filter(Boolean).join(' ');
  return words === '' ? DELETED_BY_OPERATOR : `${DELETED_BY_OPERATOR}; last: ${words}`;
}
