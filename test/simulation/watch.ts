import { decodeItem, applyProgress } from '../../src/queue/record-format.js';
import type { Item } from '../../src/queue/item.js';
import type { Outcome } from '../../src/send/outcome.js';
import type { RecipientRecord } from '../../src/trace/record.js';
import type { Capacity } from '../../src/send/capacity.js';
import type { AttemptRequest } from '../../src/send/request.js';
import { AttemptLimits } from './attempt-limits.js';
import { aboutCopy, type Copy, type CopyRecipient, type Ledger } from './ledger.js';
import type { Life } from './life.js';

/** What the watch has to know of a node. */
export interface Watched {
  readonly name: string;
  readonly retryIntervalsSeconds: readonly number[];
  /** Attempts at once that a hop allows. */
  readonly capacity: Capacity;
  readonly maxAttemptsAtOnce: number;
  /** Since when its limits hold. */
  readonly reloadedAtMs: number;
  /** The record, and the body where it is a file, survive everything. */
  isDurable(item: Readonly<Item>): boolean;
  find(queueId: string): Readonly<Item> | undefined;
  /** The hop can still be chosen. */
  canReach(hop: string): boolean;
}

/** Node's timers may fire a little early, and what is due waits for the disk and for a turn. */
const EARLY_MS = 5;
/** Timers sleep for a minute at most, and what is due waits its turn. */
const LATE_MS = 200_000;
/** A kill takes no more of what a node knows than it had learnt in this time. */
const SETTLING_MS = 10_000;

/**
 * What must hold at every moment. It sees each attempt when it starts and when it ends, the end of
 * each process, and what the next one finds.
 */
export class Watch {
  readonly #ledger: Ledger;
  readonly #nowMs: () => number;
  readonly #limits: AttemptLimits;

  constructor(ledger: Ledger, nowMs: () => number) {
    this.#ledger = ledger;
    this.#nowMs = nowMs;
    this.#limits = new AttemptLimits(ledger, nowMs);
  }

  attemptStarts(node: Watched, life: Life, request: AttemptRequest): void {
    const { queueId } = request.message;
    const hop = request.nextHop.name;
    this.#limits.begins(node, life, hop);
    const item = node.find(queueId);
    const copy = this.#ledger.copy(node.name, queueId);
    if (item === undefined || copy === undefined) {
      this.#ledger.violate('unexpected', `${node.name} sends ${queueId}, which it never took`, [
        queueId,
      ]);
      return;
    }
    this.#checkMessage(node, life, request, copy, item);
    for (const { address } of request.recipients) {
      this.#checkRecipient(node, life, hop, copy, address);
    }
  }

  #checkMessage(
    node: Watched,
    life: Life,
    { message, recipients, nextHop }: AttemptRequest,
    copy: Copy,
    item: Readonly<Item>,
  ): void {
    const broken = (kind: string, text: string): void =>
      this.#ledger.violate(kind, `${node.name} ${text}`, aboutCopy(copy));
    if (!copy.damaged && !node.isDurable(item)) {
      broken('not durable', `sends ${item.id} to ${nextHop.name}, and a power cut would lose it`);
    }
    const elapsedMs = this.#nowMs() - copy.enteredAtMs;
    const isOver = copy.enteredIn === life && elapsedMs > copy.lifetimeMs + LATE_MS;
    if (isOver && isTried(copy)) {
      broken('expired late', `still sends ${item.id} after ${Math.round(elapsedMs / 1000)} s`);
    }
    const isOld = copy.enteredIn !== null && copy.enteredIn !== life;
    const isDoubtful = recipients.some(
      ({ address }) => copy.recipients.get(address)?.everInDoubt === true,
    );
    if (!message.doubt && (isOld || isDoubtful)) {
      broken('doubt unsaid', `may have sent ${item.id} before, and does not say so`);
    }
  }

  #checkRecipient(node: Watched, life: Life, hop: string, copy: Copy, address: string): void {
    const state = copy.recipients.get(address);
    const broken = (kind: string, text: string): void =>
      this.#ledger.violate(
        kind,
        `${address} of ${copy.queueId} at ${node.name} ${text}`,
        aboutCopy(copy),
      );
    if (state === undefined) {
      broken('unexpected', 'was never asked for');
      return;
    }
    // What an earlier process was told, the present one may not know.
    const isToldNow = state.toldTo === life;
    if (state.underWay) broken('twice at once', 'is attempted twice at once');
    if (state.settled || (isToldNow && isFinal(state.told))) {
      broken('settled', `is attempted, and was ${state.told} before`);
    }
    if (isToldNow && state.attempts >= (copy.maxAttempts ?? Infinity)) {
      broken('too often', `has had ${state.attempts} attempts`);
    }
    const earlyMs = isToldNow && state.dueFromMs !== null ? state.dueFromMs - this.#nowMs() : 0;
    if (earlyMs > EARLY_MS) {
      broken('too early', `is attempted ${Math.round(earlyMs / 1000)} s before its time`);
    }
    if (state.doubtHop !== null && state.doubtHop !== hop) {
      if (!node.canReach(state.doubtHop)) {
        // Somebody changed the topology: nobody can be asked any more whether it was taken.
        copy.message?.mayRepeat.add(address);
      } else if (isToldNow && state.told === 'in-doubt') {
        broken('doubt', `may be at ${state.doubtHop}, and ${hop} is asked`);
      }
    }
    state.underWay = true;
    state.dueFromMs = null;
    state.dueByMs = null;
    state.doubtBefore = state.doubtHop;
    state.doubtHop ??= hop;
  }

  /** What the node learns of an attempt, at the moment at which it does. */
  attemptEnds(
    node: Watched,
    life: Life,
    request: AttemptRequest,
    outcomes: readonly Outcome[],
    attempt: number,
  ): void {
    const hop = request.nextHop.name;
    const copy = this.#over(node, life, request);
    const item = node.find(request.message.queueId);
    if (copy === undefined) return;
    const asked = outcomes.flatMap(({ retryAfterMs }) => retryAfterMs ?? []);
    // Those of one message travel together again, so what the hop asks of one is for all.
    const askedMs =
      asked.length === 0 ? null : { least: Math.min(...asked), most: Math.max(...asked) };
    request.recipients.forEach(({ address }, index) => {
      const state = copy.recipients.get(address);
      const outcome = outcomes[index] as Outcome;
      if (state === undefined) return;
      // More than the hop takes at a time: they come next, and no attempt was spent.
      const isNext = outcome.nextTransaction === true;
      state.told = isNext ? 'hop-fault' : outcome.kind;
      state.toldTo = life;
      state.toldAtMs = this.#nowMs();
      this.#noteDoubt(state, outcome, hop);
      if (state.told === 'deferred') this.#noteDue(node, copy, state, item, askedMs);
      if (outcome.kind === 'delivered') {
        for (const arrival of this.#ledger.arrivals) {
          const same = arrival.attempt === attempt && arrival.address === address;
          if (same) arrival.known = true;
        }
      }
    });
  }

  /** The attempt came to no end: nothing was learnt. */
  attemptBreaks(node: Watched, life: Life, request: AttemptRequest): void {
    const copy = this.#over(node, life, request);
    for (const { address } of request.recipients) {
      const state = copy?.recipients.get(address);
      if (state !== undefined) state.doubtHop = state.doubtBefore;
    }
  }

  #over(node: Watched, life: Life, request: AttemptRequest): Copy | undefined {
    this.#limits.ends(life, request.nextHop.name);
    const copy = this.#ledger.copy(node.name, request.message.queueId);
    for (const { address } of request.recipients) {
      const state = copy?.recipients.get(address);
      if (state !== undefined) state.underWay = false;
    }
    return copy;
  }

  #noteDoubt(state: CopyRecipient, { kind }: Outcome, hop: string): void {
    if (kind === 'in-doubt') {
      state.doubtHop = hop;
      state.everInDoubt = true;
    } else {
      // Nothing was learnt, not by "later" either: what was in doubt before still is.
      const stays = kind === 'hop-fault' || kind === 'unreadable' || kind === 'deferred';
      state.doubtHop = stays ? state.doubtBefore : null;
      if (kind === 'delivered') state.takenBy = hop;
    }
  }

  #noteDue(
    node: Watched,
    copy: Copy,
    state: CopyRecipient,
    item: Readonly<Item> | undefined,
    askedMs: { least: number; most: number } | null,
  ): void {
    state.attempts++;
    const intervals = item?.settings?.retryIntervalsSeconds ?? node.retryIntervalsSeconds;
    const ownMs = (intervals[0] ?? 60) * 1000;
    const lastMs = Math.max(...intervals) * 1000;
    const leftMs = Math.max(0, copy.enteredAtMs + copy.lifetimeMs - this.#nowMs());
    const waitMs = Math.min(ownMs, askedMs?.least ?? Infinity);
    state.dueFromMs = this.#nowMs() + Math.min(waitMs, leftMs);
    state.dueByMs = this.#nowMs() + Math.max(lastMs, askedMs?.most ?? 0) * 1.1;
  }

  /** Deferred mail whose time has long come has to move, whatever the clock on the wall says. */
  checkHeldUp(node: Watched, life: Life): void {
    for (const copy of this.#ledger.copies.values()) {
      const item = copy.node === node.name ? node.find(copy.queueId) : undefined;
      for (const recipient of item?.recipients ?? []) {
        const state = copy.recipients.get(recipient.address);
        if (recipient.state !== 'deferred' || state?.toldTo !== life || state.dueByMs === null) {
          continue;
        }
        const lateMs = this.#nowMs() - state.dueByMs;
        if (lateMs > LATE_MS) {
          const text = `${recipient.address} of ${copy.queueId} at ${node.name} waits ${Math.round(lateMs / 1000)} s too long`;
          this.#ledger.violate('held up', text, aboutCopy(copy));
          state.dueByMs = null;
        }
      }
    }
  }

  /** What the node says of recipients that it asks for no more. */
  givenUp(node: string, queueId: string, recipients: readonly RecipientRecord[]): void {
    const copy = this.#ledger.copy(node, queueId);
    for (const { address, action } of recipients) {
      const state = copy?.recipients.get(address);
      if (action === 'failed' && state !== undefined) state.givenUp = true;
    }
  }

  /** The node gives recipients up for their age. */
  expired(node: Watched, life: Life, queueId: string): void {
    const copy = this.#ledger.copy(node.name, queueId);
    if (copy === undefined || copy.enteredIn !== life) return;
    const elapsedMs = this.#nowMs() - copy.enteredAtMs;
    if (elapsedMs < copy.lifetimeMs - 1000) {
      const text = `${queueId} at ${node.name} is given up after ${Math.round(elapsedMs / 1000)} s of ${copy.lifetimeMs / 1000}`;
      this.#ledger.violate('expired early', text, aboutCopy(copy));
    }
  }

  /** While its spool takes nothing, nothing moves, and all times are put off. */
  suspended(node: string, untilMs: number): void {
    for (const copy of this.#ledger.copies.values()) {
      if (copy.node !== node) continue;
      for (const state of copy.recipients.values()) {
        if (state.dueByMs !== null) state.dueByMs = Math.max(state.dueByMs, untilMs);
      }
    }
  }

  /** An operator has it tried again, as if it had just come in. */
  released(copy: Copy, life: Life, lifetimeMs: number): void {
    Object.assign(copy, { enteredAtMs: this.#nowMs(), enteredIn: life, lifetimeMs });
    for (const state of copy.recipients.values()) {
      if (state.givenUp || state.told === 'unreadable') {
        Object.assign(state, { told: null, toldTo: null, attempts: 0, dueFromMs: null });
      }
    }
  }

  /** An operator wants it tried now: no retry is too early any more. */
  hurried(node: string): void {
    for (const copy of this.#ledger.copies.values()) {
      if (copy.node !== node) continue;
      for (const state of copy.recipients.values()) state.dueFromMs = null;
    }
  }

  /** The process is gone, in the middle of whatever it did. */
  lifeEnded(node: string, life: Life): void {
    this.#limits.lifeEnded(life);
    for (const copy of this.#ledger.copies.values()) {
      if (copy.node !== node) continue;
      const states = [...copy.recipients.values()].filter(({ underWay }) => underWay);
      if (states.length > 0) copy.deathsUnderWay++;
      for (const state of states) {
        state.underWay = false;
        state.everInDoubt = true;
      }
    }
  }

  /**
   * A process opens what an earlier one left.
   *
   * @param mayForget what that one did last may be lost: a power cut, or a drive that refused
   * @param endedAtMs when the earlier one ended
   */
  found(
    node: Watched,
    records: ReadonlyMap<string, Buffer>,
    mayForget: boolean,
    endedAtMs: number,
  ): void {
    for (const copy of this.#ledger.copies.values()) {
      const item = copy.node === node.name ? storedItem(records, copy.queueId) : null;
      for (const recipient of item?.recipients ?? []) {
        const state = copy.recipients.get(recipient.address);
        if (state === undefined) continue;
        const isSettled = recipient.state === 'delivered' || recipient.state === 'failed';
        state.settled = isSettled;
        state.attempts = recipient.attempts;
        if (!isSettled) this.#forgotten(copy, recipient.address, mayForget, endedAtMs);
      }
    }
  }

  #forgotten(copy: Copy, address: string, mayForget: boolean, endedAtMs: number): void {
    for (const arrival of this.#ledger.arrivals) {
      const isMeant = arrival.copy === copy && arrival.address === address;
      if (!isMeant || !arrival.known || arrival.mayRepeat) continue;
      arrival.mayRepeat = true;
      if (!mayForget && endedAtMs - arrival.atMs > SETTLING_MS) {
        const text = `${address} of ${copy.queueId} at ${copy.node} was taken ${Math.round((endedAtMs - arrival.atMs) / 1000)} s before the kill, and that is not stored`;
        this.#ledger.violate('forgotten', text, aboutCopy(copy));
      }
    }
    const state = copy.recipients.get(address);
    if (state?.told === 'delivered' || state?.told === 'failed') {
      state.everInDoubt = true;
      // To the next process it is as if that answer had been lost.
      state.doubtHop = state.takenBy;
    }
  }
}

function isFinal(kind: Outcome['kind'] | null): boolean {
  return kind === 'delivered' || kind === 'failed' || kind === 'unreadable';
}

function isTried({ recipients }: Copy): boolean {
  return [...recipients.values()].every(({ told }) => told !== null);
}

function storedItem(records: ReadonlyMap<string, Buffer>, queueId: string): Item | null {
  const record = records.get(`q!${queueId}`);
  const decoded = record === undefined ? null : decodeItem(record);
  if (decoded === null || 'reason' in decoded) return null;
  const progress = records.get(`q!${queueId}!p`);
  if (progress !== undefined && !applyProgress(decoded.item, progress)) return null;
  return decoded.item;
}
