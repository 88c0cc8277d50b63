import type { Clock, Timer } from '../base/clock.js';
import type { NextHop } from '../send/next-hop.js';
import { Destination, type QueueEntry } from './destination.js';
import { DueHeap } from './due-heap.js';
import { moveRecipient } from './item.js';

/** Due times are wall times; a clock that was set is noticed after this at the latest. */
const MAX_SLEEP_MS = 60_000;

/** Where an entry goes: the name of its queue, and the hop that the queue leads to. */
export interface Route {
  queue: string;
  nextHop: NextHop;
}

export interface SchedulerOptions {
  clock: Clock;
  /** Pure; asked anew whenever an entry becomes ready and after a reload. */
  chooseRoute: (entry: QueueEntry) => Route;
  /** Makes one attempt for the entry and settles it. Never rejects. */
  run: (entry: QueueEntry, destination: Destination) => Promise<void>;
  hopPauseMinMs: number;
  hopPauseMaxMs: number;
}

/**
 * Decides when what is attempted. Fairness: each destination has its own order of arrival and its
 * own connections, so a slow hop holds up nobody else. One timer for all deferred entries, one for
 * the earliest end of a pause.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #destinations = new Map<string, Destination>();
  readonly #deferred = new DueHeap<{ entry: QueueEntry; destination: Destination }>();
  #dueTimer: Timer | null = null;
  readonly #pauses = new Map<Destination, Timer>();
  #running = false;
  #inFlight = 0;
  #onIdle: (() => void) | null = null;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get destinations(): Iterable<Destination> {
    return this.#destinations.values();
  }

  destination(name: string): Destination | undefined {
    return this.#destinations.get(name);
  }

  start(): void {
    this.#running = true;
    for (const destination of this.#destinations.values()) {
      this.#pump(destination);
    }
    this.#armDueTimer();
  }

  /** Starts no further attempt; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#dueTimer?.cancel();
    for (const timer of this.#pauses.values()) {
      timer.cancel();
    }
    this.#pauses.clear();
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
  }

  /** The entry may be attempted as soon as its destination has room. */
  ready(entry: QueueEntry): Destination {
    const destination = this.#place(entry);
    destination.add(entry);
    this.#pump(destination);
    return destination;
  }

  /** The entry waits until `dueMs` (wall time), counted at `destination` meanwhile. */
  defer(entry: QueueEntry, dueMs: number, destination?: Destination): void {
    const place = destination ?? this.#place(entry);
    place.deferred++;
    this.#deferred.push(dueMs, { entry, destination: place });
    this.#armDueTimer();
  }

  /** The hop is at fault: the entry keeps its place and the destination pauses. */
  hopFault(entry: QueueEntry, destination: Destination, stage: string): void {
    const reply = entry.recipients[0]?.lastReply ?? { code: null, enhanced: null, text: '' };
    const { clock, hopPauseMinMs, hopPauseMaxMs } = this.#options;
    destination.putBack(entry);
    const pauseMs = destination.fault(
      { ...reply, stage, atMs: clock.nowMs() },
      clock.monotonicMs(),
      hopPauseMinMs,
      hopPauseMaxMs,
    );
    if (pauseMs !== null && this.#running) {
      this.#pauses.get(destination)?.cancel();
      this.#pauses.set(
        destination,
        clock.after(pauseMs, () => this.retry(destination)),
      );
    }
  }

  /** Ends the pause of a destination at once; its next attempt is a probe. */
  retry(destination: Destination): void {
    this.#pauses.get(destination)?.cancel();
    this.#pauses.delete(destination);
    destination.probe();
    this.#pump(destination);
    this.#forgetUnused(destination);
  }

  pause(destination: Destination): void {
    this.#pauses.get(destination)?.cancel();
    this.#pauses.delete(destination);
    destination.state = 'paused';
  }

  resume(destination: Destination): void {
    if (destination.state === 'paused') {
      destination.state = 'active';
      this.#pump(destination);
    }
  }

  /** Makes every deferred entry of a destination due now. */
  retryDeferred(destination: Destination): void {
    for (const waiting of this.#deferred.drain()) {
      if (waiting.destination === destination) {
        this.#wake(waiting);
      } else {
        this.#deferred.push(waiting.entry.recipients[0]?.nextAttemptAtMs ?? 0, waiting);
      }
    }
    this.#armDueTimer();
  }

  /** After a changed topology: everything that waits is routed anew and every pause ends. */
  reroute(): void {
    const entries: QueueEntry[] = [];
    for (const destination of this.#destinations.values()) {
      entries.push(...destination.drain());
    }
    for (const entry of entries) {
      this.#place(entry).add(entry);
    }
    for (const destination of this.#destinations.values()) {
      destination.faultsInARow = 0;
      this.retry(destination);
    }
  }

  #place(entry: QueueEntry): Destination {
    const { queue, nextHop } = this.#options.chooseRoute(entry);
    let destination = this.#destinations.get(queue);
    if (destination === undefined) {
      destination = new Destination(queue, nextHop);
      this.#destinations.set(queue, destination);
    }
    destination.nextHop = nextHop;
    return destination;
  }

  #pump(destination: Destination): void {
    while (this.#running) {
      const entry = destination.take();
      if (entry === undefined) {
        return;
      }
      // The route is asked at every attempt: an entry that a fault brought back during a reload
      // still stands where it was.
      const { queue, nextHop } = this.#options.chooseRoute(entry);
      if (queue !== destination.name) {
        this.ready(entry);
        continue;
      }
      destination.nextHop = nextHop;
      destination.sending++;
      this.#inFlight++;
      void this.#options.run(entry, destination).finally(() => this.#ended(destination));
    }
  }

  #ended(destination: Destination): void {
    destination.sending--;
    this.#inFlight--;
    if (this.#inFlight === 0) {
      this.#onIdle?.();
      this.#onIdle = null;
    }
    this.#pump(destination);
    this.#forgetUnused(destination);
  }

  /** The list of queues is bounded by the mail that waits, not by all that ever passed. */
  #forgetUnused(destination: Destination): void {
    // A backoff is remembered to its end, so that mail which comes meanwhile waits for it.
    if (destination.isUnused && destination.state !== 'backoff' && this.#destinations.size > 1) {
      this.#destinations.delete(destination.name);
    }
  }

  #armDueTimer(): void {
    this.#dueTimer?.cancel();
    const nextMs = this.#deferred.nextDueMs;
    if (nextMs === null || !this.#running) {
      this.#dueTimer = null;
      return;
    }
    const delayMs = Math.min(MAX_SLEEP_MS, nextMs - this.#options.clock.nowMs());
    this.#dueTimer = this.#options.clock.after(delayMs, () => this.#wakeDue());
  }

  #wakeDue(): void {
    const nowMs = this.#options.clock.nowMs();
    for (;;) {
      const waiting = this.#deferred.popDue(nowMs);
      if (waiting === undefined) {
        break;
      }
      this.#wake(waiting);
    }
    this.#armDueTimer();
  }

  #wake({ entry, destination }: { entry: QueueEntry; destination: Destination }): void {
    destination.deferred--;
    for (const recipient of entry.recipients) {
      moveRecipient(recipient, 'ready');
      recipient.nextAttemptAtMs = null;
    }
    this.ready(entry);
    this.#forgetUnused(destination);
  }
}
