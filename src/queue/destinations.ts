import type { Clock } from '../base/clock.js';
import { isSameServer } from '../send/next-hop.js';
import { Destination, type HopFault, type QueueEntry, type RoutedEntry } from './destination.js';
import { ForeseenQueues } from './foreseen-queues.js';
import type { ParkedRows } from './parked-rows.js';
import { groupByRoute, type ChooseRoute, type Route, type RouteGroup } from './route-groups.js';
import { TimerTable } from './timer-table.js';
import { forgetUnfit } from './unfit-hops.js';

/** Servers of strangers are asked less often than hops of one's own, which somebody is mending. */
const MX_PAUSE_FACTOR = 15;
/** A pause that the hop itself asks for is believed up to this. */
const MAX_ASKED_PAUSE_MS = 3_600_000;

export interface DestinationsOptions {
  clock: Clock;
  chooseRoute: ChooseRoute;
  hopPauseMinMs: number;
  hopPauseMaxMs: number;
}

/**
 * The destinations by the names of their queues, and the ways that lead to them. One begins with the
 * first mail that is routed to it, and is forgotten when it has none and nothing of what it knows
 * still counts. Each has at most one timer for the end of its pause, and one for what it waits for.
 */
export class Destinations implements Iterable<Destination> {
  readonly #options: DestinationsOptions;
  readonly #byName = new Map<string, Destination>();
  /** What is wanted of queues that are not there yet. */
  readonly foreseen = new ForeseenQueues();
  readonly #pauses: TimerTable<Destination>;
  readonly #waits: TimerTable<Destination>;
  readonly #rows: ParkedRows<Destination>;
  #running = false;

  /** @param rows those of what is parked */
  constructor(options: DestinationsOptions, rows: ParkedRows<Destination>) {
    this.#options = options;
    this.#rows = rows;
    this.#pauses = new TimerTable(options.clock);
    this.#waits = new TimerTable(options.clock);
  }

  start(): void {
    this.#running = true;
  }

  /** No further timer begins until `start` is called again; those that run go on. */
  suspend(): void {
    this.#running = false;
  }

  stop(): void {
    this.#running = false;
    this.#pauses.clear();
    this.#waits.clear();
  }

  [Symbol.iterator](): Iterator<Destination> {
    return this.#byName.values();
  }

  named(name: string): Destination | undefined {
    return this.#byName.get(name);
  }

  /** False for a queue whose hop is at fault. */
  readonly isWell = (queue: string): boolean => this.#byName.get(queue)?.isWell ?? true;

  /** The recipients of an entry by the way that they go now. */
  group(entry: QueueEntry, isWell = this.isWell): RouteGroup[] {
    const { chooseRoute } = this.#options;
    return groupByRoute(entry, (item, recipient) => chooseRoute(item, recipient, isWell));
  }

  /** Where a way leads; a destination that is not there begins. */
  place(route: Route): Destination {
    const { queue, nextHop, capacity } = route;
    let destination = this.#byName.get(queue);
    if (destination === undefined) {
      destination = this.foreseen.begin(new Destination(queue, nextHop, capacity, this.#rows));
      this.#byName.set(queue, destination);
    }
    this.lead(destination, route);
    return destination;
  }

  /** The queue leads to the hop of the way from now on. */
  lead(destination: Destination, { nextHop, capacity }: Route): void {
    if (!isSameServer(destination.nextHop, nextHop)) {
      destination.forgetHop();
      this.#pauses.cancel(destination);
    }
    destination.nextHop = nextHop;
    destination.capacity = capacity;
  }

  /** True where no recipient of the entry would go to another queue now. */
  staysAt(entry: QueueEntry, destination: Destination): boolean {
    return this.group(entry).every(({ route }) => route.queue === destination.name);
  }

  /** After a changed topology: all of the entry stays where it is, perhaps for another hop. */
  isRoutedAsBefore(entry: RoutedEntry, destination: Destination): boolean {
    forgetUnfit(entry);
    const [first, ...others] = this.group(entry);
    if (first === undefined || others.length > 0 || first.route.queue !== destination.name) {
      return false;
    }
    this.lead(destination, first.route);
    entry.nextHop = first.route.nextHop;
    entry.movable = first.route.movable;
    return true;
  }

  /**
   * False when a reload has led the queue of an attempt to another server since it began: what the
   * one before said counts no more.
   */
  isStillAsked(entry: RoutedEntry, destination: Destination): boolean {
    for (const { route } of this.group(entry)) {
      if (route.queue === destination.name) {
        this.lead(destination, route);
      }
    }
    return isSameServer(entry.nextHop, destination.nextHop);
  }

  /** True while a timer runs to the end of a pause. */
  hasPause(destination: Destination): boolean {
    return this.#pauses.has(destination);
  }

  /**
   * The hop is at fault: the destination pauses, unless it does so already.
   *
   * @param askedMs the pause that the hop itself asks for
   * @param end is called when the pause is over, unless it is called off before
   */
  fault(
    destination: Destination,
    fault: HopFault,
    askedMs: number | undefined,
    end: () => void,
  ): void {
    const { clock, hopPauseMinMs, hopPauseMaxMs } = this.#options;
    const pauseMs = destination.fault(
      fault,
      clock.monotonicMs(),
      hopPauseMinMs,
      hopPauseMaxMs * (destination.nextHop.kind === 'mx' ? MX_PAUSE_FACTOR : 1),
      askedMs === undefined ? undefined : Math.min(askedMs, MAX_ASKED_PAUSE_MS),
    );
    if (pauseMs !== null && this.#running) {
      this.#pauses.set(destination, pauseMs, end);
    }
  }

  callOffPause(destination: Destination): void {
    this.#pauses.cancel(destination);
  }

  /** @param task is called after the time, unless the destination waits for something else by then */
  wait(destination: Destination, waitMs: number, task: () => void): void {
    if (this.#running) {
      this.#waits.set(destination, waitMs, task);
    }
  }

  callOffWait(destination: Destination): void {
    this.#waits.cancel(destination);
  }

  /** By all that ever passed the list is not bounded: it is by the mail that waits. */
  forgetUnused(destination: Destination): void {
    // A backoff is remembered to its end, so that mail which comes meanwhile waits for it.
    // What it has learnt about a hop of the topology is kept, too: there are not many of those.
    const { kind, ofMessage } = destination.nextHop;
    const ofTopology = kind !== 'mx' && ofMessage !== true;
    const learnt = destination.state === 'probing' || destination.slowed;
    const remembered = destination.state === 'backoff' || (ofTopology && learnt);
    if (!destination.isUnused || remembered || this.#byName.size === 1) {
      return;
    }
    const restMs = destination.rateRestMs(this.#options.clock.monotonicMs());
    if (restMs === 0) {
      this.#forget(destination);
    } else {
      this.wait(destination, restMs, () => this.forgetUnused(destination));
    }
  }

  /** The same after a changed topology: only what still counts for its rates is remembered. */
  forgetLearnt(destination: Destination): void {
    if (destination.isUnused && destination.rateRestMs(this.#options.clock.monotonicMs()) === 0) {
      this.#forget(destination);
    }
  }

  #forget(destination: Destination): void {
    this.#byName.delete(destination.name);
    this.#waits.cancel(destination);
  }
}
