import type { Capacity } from '../send/capacity.js';
import type { NextHop } from '../send/next-hop.js';
import type { Item, ItemRecipient, LastReply } from './item.js';
import { Pace } from './pace.js';
import { Parked } from './parked.js';
import { ParkedRows } from './parked-rows.js';
import { RateWindow } from './rate-window.js';

/** Recipients of one message that travel together: one transaction of one attempt. */
export interface QueueEntry {
  item: Item;
  recipients: ItemRecipient[];
}

/** An entry in the queue of its route. */
export interface RoutedEntry extends QueueEntry {
  /** Of entries with a hop of their own in one queue, each goes to its own. */
  nextHop: NextHop;
  /** There are other hops for it when this one is at fault. */
  movable: boolean;
}

/** Why a destination does not move, in the remote's words. */
export interface HopFault extends LastReply {
  stage: string;
  atMs: number;
}

export type DestinationState =
  /** connections open as mail comes */
  | 'active'
  /** waits after a fault of the hop */
  | 'backoff'
  /** one connection finds out whether the hop is well again */
  | 'probing'
  /** stopped by an operator */
  | 'paused';

/**
 * One queue: mail that waits for one next hop, in order of arrival, and what is known of that hop.
 * Strategy: as many attempts at once as the capacity and the hop's own words allow; after a fault of
 * the hop none for a pause that doubles, then a single probe; its success opens the destination in
 * full.
 */
export class Destination {
  readonly name: string;
  /** The hop of the entry that was routed last, for those who look. */
  nextHop: NextHop;
  /** Limits that an operator set while the node runs. */
  #ownLimits: Partial<Capacity> = {};
  #capacity: Capacity;
  /** Of what only the spool holds, the number of its row. */
  #ready: Array<RoutedEntry | number> = [];
  /** Entries before this index were taken; spares a shift of the whole array for each. */
  #head = 0;
  /** Of `#ready`, those that only the spool holds. */
  #parked = 0;
  /** Of `#ready`, those that were parked here and left from where they were. */
  #gone = 0;
  readonly #rows: ParkedRows<Destination>;
  sending = 0;
  deferred = 0;
  /** By an operator. */
  held = 0;
  state: DestinationState = 'active';
  lastFault: HopFault | null = null;
  faultsInARow = 0;
  /** Monotonic time at which the backoff ends. */
  resumeAtMs = 0;
  /** Monotonic time before which the hop does not want to be asked. */
  #notBeforeMs = -Infinity;
  #pace = new Pace();
  readonly #messages = new RateWindow();
  readonly #connects = new RateWindow();

  /** @param rows those of what is parked here */
  constructor(
    name: string,
    nextHop: NextHop,
    capacity: Capacity,
    rows = new ParkedRows<Destination>(),
  ) {
    this.#rows = rows;
    this.name = name;
    this.nextHop = nextHop;
    this.#capacity = capacity;
  }

  /** What the topology allows, with what an operator set over it. */
  get capacity(): Capacity {
    return this.#capacity;
  }

  /** The limits of the topology; what an operator set stays. */
  set capacity(capacity: Capacity) {
    this.#capacity = this.#limited ? { ...capacity, ...this.#ownLimits } : capacity;
  }

  /** Sets limits until the node ends; those that are not named stay. */
  limit(limits: Partial<Capacity>): void {
    this.#ownLimits = { ...this.#ownLimits, ...limits };
    this.#capacity = { ...this.#capacity, ...limits };
  }

  /** Connections that the hop's own words leave of the capacity. */
  get allowedConnections(): number {
    return this.#pace.connections(this.capacity.maxConnections);
  }

  get ready(): number {
    return this.#ready.length - this.#head - this.#gone;
  }

  /** Of what waits for its turn, what only the spool holds. */
  get parked(): number {
    return this.#parked;
  }

  /** Of what waits for its turn, what is in memory. */
  get resident(): number {
    return this.ready - this.#parked;
  }

  get isUnused(): boolean {
    const waiting = this.ready + this.sending + this.deferred + this.held;
    return waiting === 0 && this.state !== 'paused' && !this.#limited;
  }

  /** How long what happened lately still counts for its rates. */
  rateRestMs(nowMs: number): number {
    return Math.max(this.#messages.restMs(nowMs), this.#connects.restMs(nowMs));
  }

  /** The hop asked for less, and has not taken enough since. */
  get slowed(): boolean {
    return this.#pace.slowed;
  }

  add(entry: RoutedEntry | Parked): void {
    this.#ready.push(this.#entered(entry));
  }

  /** Back to the front: an entry that met a fault of the hop does not lose its place. */
  putBack(entry: RoutedEntry | Parked): void {
    const entered = this.#entered(entry);
    if (this.#head > 0) {
      this.#ready[--this.#head] = entered;
    } else {
      this.#ready.unshift(entered);
    }
  }

  #entered(entry: RoutedEntry | Parked): RoutedEntry | number {
    if (!(entry instanceof Parked)) {
      return entry;
    }
    this.#rows.enter(entry.row, this);
    this.#parked++;
    return entry.row;
  }

  /** The first entry that could also go elsewhere, where it is. */
  get firstMovable(): RoutedEntry | Parked | undefined {
    for (let i = this.#head; i < this.#ready.length; i++) {
      const entry = this.#ready[i] as RoutedEntry | number;
      if (typeof entry !== 'number') {
        if (entry.movable) {
          return entry;
        }
      } else if (this.#rows.isMovable(entry) && !this.#rows.isGone(entry)) {
        return this.#rows.look(entry);
      }
    }
    return undefined;
  }

  /** Takes an entry out from where it is. */
  withdraw(entry: RoutedEntry): void {
    const index = this.#ready.indexOf(entry, this.#head);
    if (index !== -1) {
      this.#ready.splice(index, 1);
      this.#closeUp();
    }
  }

  /** Takes out what belongs to an item. */
  withdrawItem(item: Item): RoutedEntry[] {
    const taken: RoutedEntry[] = [];
    for (let i = this.#ready.length - 1; i >= this.#head; i--) {
      const entry = this.#ready[i] as RoutedEntry | number;
      if (typeof entry !== 'number' && entry.item === item) {
        this.#ready.splice(i, 1);
        taken.push(entry);
      }
    }
    this.#closeUp();
    return taken;
  }

  /** What is parked here leaves; its place is closed up later. */
  leave({ row }: Parked): void {
    this.#rows.leave(row);
    this.#parked--;
    this.#gone++;
    this.#closeUp();
  }

  /** Where nothing waits, no place of what has left is kept: perhaps nothing comes any more. */
  #closeUp(): void {
    if (this.#gone > 0 && this.ready === 0) {
      const gone = this.#ready.slice(this.#head);
      this.#ready = [];
      this.#head = 0;
      this.#letGo(gone as number[]);
    }
  }

  #letGo(gone: readonly number[]): void {
    this.#gone -= gone.length;
    gone.forEach((row) => this.#rows.letGo(row));
  }

  /** What was parked here is in memory now, and keeps its place. */
  replace({ row }: Parked, entry: RoutedEntry): void {
    const index = this.#ready.indexOf(row, this.#head);
    if (index !== -1) {
      this.#ready[index] = entry;
      this.#parked--;
      this.#rows.letGo(row);
    }
  }

  /** What waits for its turn, in that order. */
  *entries(): Generator<RoutedEntry | Parked> {
    for (let i = this.#head; i < this.#ready.length; i++) {
      const entry = this.#ready[i] as RoutedEntry | number;
      if (typeof entry !== 'number') {
        yield entry;
      } else if (!this.#rows.isGone(entry)) {
        yield this.#rows.look(entry);
      }
    }
  }

  /** The rows of what is parked here now, in order. */
  get parkedRows(): number[] {
    return this.#ready
      .slice(this.#head)
      .filter((entry) => typeof entry === 'number' && !this.#rows.isGone(entry)) as number[];
  }

  /** The next entry when one may start now, else undefined. What was parked left with that. */
  take(
    nowMs: number,
    hasFreeSession: (nextHop: NextHop) => boolean,
  ): RoutedEntry | Parked | undefined {
    const entry = this.#first;
    if (entry === undefined || !this.#mayStart() || this.waitMs(nowMs, hasFreeSession) > 0) {
      return undefined;
    }
    this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#ready.length) {
      this.#ready = this.#ready.slice(this.#head);
      this.#head = 0;
    }
    if (typeof entry !== 'number') {
      this.#closeUp();
      return entry;
    }
    const parked = this.#rows.look(entry);
    this.#rows.letGo(entry);
    this.#parked--;
    this.#closeUp();
    return parked;
  }

  /** The next one, whether it may start or not. */
  get #first(): RoutedEntry | number | undefined {
    let entry = this.#ready[this.#head];
    while (this.#gone > 0 && typeof entry === 'number' && this.#rows.isGone(entry)) {
      this.#head++;
      this.#letGo([entry]);
      entry = this.#ready[this.#head];
    }
    return entry;
  }

  /**
   * How long the next entry has to wait for its rates, for the pace, and for the time that the hop
   * named; 0 when nothing of that holds it up.
   */
  waitMs(nowMs: number, hasFreeSession: (nextHop: NextHop) => boolean): number {
    const first = this.#first;
    if (first === undefined) {
      return 0;
    }
    const { maxMessagesPerMinute, maxConnectsPerMinute } = this.capacity;
    return Math.max(
      this.#notBeforeMs - nowMs,
      this.#pace.waitMs(nowMs),
      this.#messages.waitMs(maxMessagesPerMinute, nowMs),
      maxConnectsPerMinute === null ||
        hasFreeSession(typeof first === 'number' ? this.nextHop : first.nextHop)
        ? 0
        : this.#connects.waitMs(maxConnectsPerMinute, nowMs),
      0,
    );
  }

  /** An attempt begins. */
  started(nowMs: number): void {
    this.sending++;
    this.#pace.started(nowMs);
    if (this.capacity.maxMessagesPerMinute !== null) {
      this.#messages.add(nowMs);
    }
  }

  connected(nowMs: number): void {
    if (this.capacity.maxConnectsPerMinute !== null) {
      this.#connects.add(nowMs);
    }
  }

  /** The hop asks for less, and perhaps not to be asked for a while. */
  slowDown(nowMs: number, retryAfterMs: number | undefined): void {
    this.#pace.slowDown(this.sending, nowMs);
    if (retryAfterMs !== undefined) {
      this.#notBeforeMs = Math.max(this.#notBeforeMs, nowMs + retryAfterMs);
    }
  }

  /** The hop took a message. */
  speedUp(): void {
    if (this.#pace.slowed) {
      this.#pace.speedUp(this.capacity.maxConnections);
    }
  }

  /** Takes out those in memory that are not to stay, and leaves all others in their places. */
  sift(stays: (entry: RoutedEntry) => boolean): RoutedEntry[] {
    const taken: RoutedEntry[] = [];
    const kept: Array<RoutedEntry | number> = [];
    const gone: number[] = [];
    for (let i = this.#head; i < this.#ready.length; i++) {
      const entry = this.#ready[i] as RoutedEntry | number;
      if (typeof entry === 'number') {
        (this.#rows.isGone(entry) ? gone : kept).push(entry);
      } else {
        (stays(entry) ? kept : taken).push(entry);
      }
    }
    this.#ready = kept;
    this.#head = 0;
    this.#letGo(gone);
    return taken;
  }

  /** Monotonic time that stands for the arrival of the oldest waiting message, or null. */
  get oldestBornMs(): number | null {
    const first = this.#first;
    return (typeof first === 'number' ? this.#rows.bornMs(first) : first?.item.bornMs) ?? null;
  }

  /**
   * Notes a fault of the hop and starts the pause. Attempts that were under way when the first one
   * met the fault do not lengthen it.
   *
   * @param retryAfterMs the pause that the hop itself asked for
   * @returns the pause in milliseconds, or null when one was already running
   */
  fault(
    fault: HopFault,
    nowMonotonicMs: number,
    minMs: number,
    maxMs: number,
    retryAfterMs?: number,
  ): number | null {
    this.lastFault = fault;
    if (this.state === 'paused' || this.state === 'backoff') {
      return null;
    }
    this.state = 'backoff';
    const doubled = Math.min(maxMs, minMs * 2 ** Math.min(this.faultsInARow, 30));
    const pauseMs = retryAfterMs ?? doubled;
    this.faultsInARow++;
    this.resumeAtMs = nowMonotonicMs + pauseMs;
    return pauseMs;
  }

  /**
   * The hop took a message, or answered about one: it is well.
   *
   * @returns true when it was at fault until now
   */
  healed(): boolean {
    this.faultsInARow = 0;
    if (this.state === 'probing' || this.state === 'backoff') {
      this.state = 'active';
      return true;
    }
    return false;
  }

  /** Ends a backoff: the next attempt is a probe. */
  probe(): void {
    this.#notBeforeMs = -Infinity;
    if (this.state === 'backoff') {
      this.state = 'probing';
    }
  }

  /** The queue leads to another server now: what was learnt about the one before does not hold. */
  forgetHop(): void {
    this.#pace = new Pace();
    this.#notBeforeMs = -Infinity;
    this.lastFault = null;
    this.faultsInARow = 0;
    if (this.state !== 'paused') {
      this.state = 'active';
    }
  }

  /** True when mail may be sent here that could also go elsewhere; a probe takes one at a time. */
  get isWell(): boolean {
    return (
      this.state === 'active' ||
      (this.state === 'probing' && this.sending === 0 && this.ready === 0)
    );
  }

  get #limited(): boolean {
    return Object.keys(this.#ownLimits).length > 0;
  }

  #mayStart(): boolean {
    switch (this.state) {
      case 'active':
        return this.sending < this.allowedConnections;
      case 'probing':
        return this.sending === 0;
      case 'backoff':
      case 'paused':
        return false;
    }
  }
}
