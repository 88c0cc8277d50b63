import type { NextHop } from '../send/next-hop.js';
import type { Item, ItemRecipient, LastReply } from './item.js';

/** Recipients of one message that travel together: one transaction of one attempt. */
export interface QueueEntry {
  item: Item;
  recipients: ItemRecipient[];
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
 * Strategy: up to `maxConnections` attempts at once; after a fault of the hop none for a pause that
 * doubles, then a single probe; its success opens the destination in full.
 */
export class Destination {
  readonly name: string;
  nextHop: NextHop;
  #ready: QueueEntry[] = [];
  /** Entries before this index were taken; spares a shift of the whole array for each. */
  #head = 0;
  sending = 0;
  deferred = 0;
  state: DestinationState = 'active';
  lastFault: HopFault | null = null;
  faultsInARow = 0;
  /** Monotonic time at which the backoff ends. */
  resumeAtMs = 0;

  constructor(name: string, nextHop: NextHop) {
    this.name = name;
    this.nextHop = nextHop;
  }

  get ready(): number {
    return this.#ready.length - this.#head;
  }

  get isUnused(): boolean {
    return this.ready === 0 && this.sending === 0 && this.deferred === 0 && this.state !== 'paused';
  }

  add(entry: QueueEntry): void {
    this.#ready.push(entry);
  }

  /** Back to the front: an entry that met a fault of the hop does not lose its place. */
  putBack(entry: QueueEntry): void {
    if (this.#head > 0) {
      this.#ready[--this.#head] = entry;
    } else {
      this.#ready.unshift(entry);
    }
  }

  /** The next entry when one may start now, else undefined. */
  take(): QueueEntry | undefined {
    if (this.ready === 0 || !this.#mayStart()) {
      return undefined;
    }
    const entry = this.#ready[this.#head++];
    if (this.#head > 1024 && this.#head * 2 > this.#ready.length) {
      this.#ready = this.#ready.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }

  /** Takes out all that waits, to be routed anew. */
  drain(): QueueEntry[] {
    const entries = this.#ready.slice(this.#head);
    this.#ready = [];
    this.#head = 0;
    return entries;
  }

  /** Receive time of the oldest waiting message, or null. */
  get oldestReceivedAtMs(): number | null {
    return this.#ready[this.#head]?.item.receivedAtMs ?? null;
  }

  /**
   * Notes a fault of the hop and starts the pause. Attempts that were under way when the first one
   * met the fault do not lengthen it.
   *
   * @returns the pause in milliseconds, or null when one was already running
   */
  fault(fault: HopFault, nowMonotonicMs: number, minMs: number, maxMs: number): number | null {
    this.lastFault = fault;
    if (this.state === 'paused' || this.state === 'backoff') {
      return null;
    }
    this.state = 'backoff';
    const pauseMs = Math.min(maxMs, minMs * 2 ** Math.min(this.faultsInARow, 30));
    this.faultsInARow++;
    this.resumeAtMs = nowMonotonicMs + pauseMs;
    return pauseMs;
  }

  /** The hop took a message, or answered about one: it is well. */
  healed(): void {
    this.faultsInARow = 0;
    if (this.state === 'probing' || this.state === 'backoff') {
      this.state = 'active';
    }
  }

  /** Ends a backoff: the next attempt is a probe. */
  probe(): void {
    if (this.state === 'backoff') {
      this.state = 'probing';
    }
  }

  #mayStart(): boolean {
    switch (this.state) {
      case 'active':
        return this.sending < this.nextHop.maxConnections;
      case 'probing':
        return this.sending === 0;
      case 'backoff':
      case 'paused':
        return false;
    }
  }
}
