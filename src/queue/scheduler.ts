import type { Clock } from '../base/clock.js';
import type { Capacity } from '../send/capacity.js';
import { isSameServer, type NextHop } from '../send/next-hop.js';
import { AttemptsUnderWay } from './attempts-under-way.js';
import { Destination, type QueueEntry, type RoutedEntry } from './destination.js';
import { DeferredEntries, MAX_SLEEP_MS, type Deferred } from './deferred-entries.js';
import { HeldEntries } from './held-entries.js';
import { moveRecipient, type Item, type ItemRecipient } from './item.js';
import { SuspectLane } from './suspect-lane.js';
import { TimerTable } from './timer-table.js';
import { groupByRoute, type ChooseRoute, type Route, type RouteGroup } from './route-groups.js';
import { forgetUnfit } from './unfit-hops.js';

/** Servers of strangers are asked less often than hops of one's own, which somebody is mending. */
const MX_PAUSE_FACTOR = 15;
/** A pause that the hop itself asks for is believed up to this. */
const MAX_ASKED_PAUSE_MS = 3_600_000;

export interface SchedulerOptions {
  clock: Clock;
  chooseRoute: ChooseRoute;
  /**
   * Makes one attempt for the entry and settles it. Never rejects. A free session is taken before
   * it returns. `connectCounted`: its first new connection already counts for the rate.
   */
  run: (entry: RoutedEntry, destination: Destination, connectCounted: boolean) => Promise<void>;
  /** True when a message to the hop needs no new connection. */
  hasFreeSession: (nextHop: NextHop) => boolean;
  hopPauseMinMs: number;
  hopPauseMaxMs: number;
  /** Attempts under way at once, over all destinations. */
  maxAttemptsAtOnce: () => number;
}

/** An attempt that met a fault of the hop. */
export interface FaultyAttempt {
  stage: string;
  /** The hop had heard of the message, so it may stumble over this one only. */
  inTransaction: boolean;
  /** The pause that the hop itself asks for. */
  retryAfterMs: number | undefined;
}

/**
 * Decides when what is attempted. Fairness: each destination has its own order of arrival and its
 * own connections, so a slow hop holds up nobody else. Mail that could go to several hops leaves the
 * queue of one that is at fault, and one of it goes back as the probe. One timer for all deferred
 * entries, one for each destination that waits for its rate or for the end of a pause.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #destinations = new Map<string, Destination>();
  readonly #deferred: DeferredEntries;
  readonly #held = new HeldEntries();
  /** Have mail that waits for nothing but an attempt of another destination to end; in turn. */
  readonly #crowded = new Set<Destination>();
  readonly #suspects = new SuspectLane<RoutedEntry>();
  readonly #pauses: TimerTable<Destination>;
  readonly #waits: TimerTable<Destination>;
  #running = false;
  readonly #underWay = new AttemptsUnderWay();

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#deferred = new DeferredEntries(options.clock, (deferred) => this.#wake(deferred));
    this.#pauses = new TimerTable(options.clock);
    this.#waits = new TimerTable(options.clock);
  }

  get inFlight(): number {
    return this.#underWay.size;
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
      // A pause that began, or ended, while nothing ran has no timer.
      if (destination.state === 'backoff' && !this.#pauses.has(destination)) {
        this.retry(destination);
      }
      this.#pump(destination);
    }
    this.#deferred.start();
  }

  /** Starts no further attempt until `start` is called again; those under way go on. */
  suspend(): void {
    this.#running = false;
    this.#deferred.suspend();
  }

  /** Starts no further attempt; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#deferred.stop();
    this.#pauses.clear();
    this.#waits.clear();
    await this.#underWay.idle();
  }

  /** The recipients may be attempted as soon as their destinations have room. */
  ready(entry: QueueEntry): void {
    const places = new Set<Destination>();
    for (const group of this.#group(entry)) {
      const place = this.#place(group.route);
      place.add(routed(entry, group));
      places.add(place);
    }
    for (const place of places) {
      this.#pump(place);
    }
  }

  /**
   * The recipients wait until `dueMs` (wall time), counted at their destinations meanwhile.
   *
   * @param nowMs the wall time by which that was decided
   */
  defer(entry: QueueEntry, dueMs: number, nowMs: number, destination?: Destination): void {
    const dueAtMs = this.#options.clock.monotonicMs() + Math.max(0, dueMs - nowMs);
    this.#putOff(entry, dueAtMs, destination);
    this.#deferred.arm();
  }

  #putOff(entry: QueueEntry, dueAtMs: number, destination?: Destination): void {
    const waiting =
      destination === undefined
        ? this.#group(entry).map((group) => ({
            entry: { item: entry.item, recipients: group.recipients },
            destination: this.#place(group.route),
          }))
        : [{ entry, destination }];
    for (const one of waiting) {
      this.#deferred.add({ ...one, dueAtMs });
    }
  }

  /** Nothing was learnt, about the message or the hop: it is the next one again. */
  putBack(entry: RoutedEntry, destination: Destination): void {
    destination.putBack(entry);
  }

  /** The hop is at fault: the destination pauses, and the entry stays in it. */
  hopFault(
    entry: RoutedEntry,
    destination: Destination,
    { stage, inTransaction, retryAfterMs }: FaultyAttempt,
  ): void {
    const reply = entry.recipients[0]?.lastReply ?? { code: null, enhanced: null, text: '' };
    const { clock, hopPauseMinMs, hopPauseMaxMs } = this.#options;
    // What may have been taken here goes nowhere else.
    const doubtful = entry.recipients.some(({ doubtAt }) => doubtAt != null);
    const back = doubtful ? { ...entry, movable: false } : entry;
    if (this.isStillAsked(entry, destination)) {
      const pauseMs = destination.fault(
        { ...reply, stage, atMs: clock.nowMs() },
        clock.monotonicMs(),
        hopPauseMinMs,
        hopPauseMaxMs * (destination.nextHop.kind === 'mx' ? MX_PAUSE_FACTOR : 1),
        retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, MAX_ASKED_PAUSE_MS),
      );
      if (pauseMs !== null && this.#running) {
        this.#pauses.set(destination, pauseMs, () => this.retry(destination));
      }
    }
    if (!this.#staysAt(back, destination)) {
      this.ready(back);
    } else if (inTransaction) {
      // Where it may be about the message, another one finds out how the hop is.
      destination.add(back);
    } else {
      destination.putBack(back);
    }
    this.#sendElsewhere(destination);
  }

  /**
   * False when a reload has led the queue of an attempt to another server since it began: what the
   * one before said counts no more.
   */
  isStillAsked(entry: RoutedEntry, destination: Destination): boolean {
    for (const { route } of this.#group(entry)) {
      if (route.queue === destination.name) {
        this.#lead(destination, route);
      }
    }
    return isSameServer(entry.nextHop, destination.nextHop);
  }

  /** The hop answered about a message: what waits elsewhere for want of it comes back. */
  healed(destination: Destination): void {
    if (destination.healed()) {
      for (const other of this.#destinations.values()) {
        if (other !== destination && !other.isWell) {
          this.#sendElsewhere(other);
        }
      }
    }
  }

  /** The recipients, which are held, are counted at their destinations until they are withdrawn. */
  hold(entry: QueueEntry): void {
    for (const { route, recipients } of this.#group(entry)) {
      this.#held.add({ entry: { item: entry.item, recipients }, destination: this.#place(route) });
    }
  }

  /** True while an attempt is made for recipients of the item, up to the end of all that follows. */
  isUnderWay(item: Item): boolean {
    return this.#underWay.has(item);
  }

  /**
   * Takes out all recipients of an item but those that an attempt is made for. Queues that are empty
   * then stay until `forgetUnused`, so that what comes back finds them as they were.
   */
  withdraw(item: Item): ItemRecipient[] {
    const entries: QueueEntry[] = [
      ...[...this.#deferred.withdraw(item), ...this.#held.withdraw(item)].map(({ entry }) => entry),
      ...[...this.#destinations.values()].flatMap((place) => place.withdrawItem(item)),
      ...this.#suspects.withdraw(item),
    ];
    return entries.flatMap(({ recipients }) => recipients);
  }

  /** The list of queues is bounded by the mail that waits. */
  forgetUnused(): void {
    this.#destinations.forEach((destination) => this.#forgetUnused(destination));
  }

  /** As `ready`, before all that waits, and the pauses of its destinations end. */
  readyFirst(entry: QueueEntry): void {
    const groups = this.#group(entry);
    groups.forEach((group) => this.#place(group.route).putBack(routed(entry, group)));
    groups.forEach(({ route }) => this.retry(this.#place(route)));
  }

  /** What a destination has, in no order; with an item that has several entries, each of them. */
  *entriesOf(destination: Destination): Generator<QueueEntry> {
    yield* this.#underWay.at(destination);
    yield* destination.entries();
    yield* this.#deferred.at(destination);
    yield* this.#held.at(destination);
  }

  /** Ends the pause of a destination at once; its next attempt is a probe. */
  retry(destination: Destination): void {
    this.#pauses.cancel(destination);
    destination.probe();
    if (destination.state === 'probing' && destination.ready === 0) {
      this.#fetchProbe(destination);
    }
    this.#pump(destination);
    this.#forgetUnused(destination);
  }

  pause(destination: Destination): void {
    this.#pauses.cancel(destination);
    destination.state = 'paused';
    this.#sendElsewhere(destination);
  }

  resume(destination: Destination): void {
    if (destination.state === 'paused') {
      destination.state = 'active';
      this.#pump(destination);
      this.#forgetUnused(destination);
    }
  }

  /** Sets limits of a destination while it runs. */
  limit(destination: Destination, limits: Partial<Capacity>): void {
    destination.limit(limits);
    this.#pump(destination);
  }

  /** Makes every entry due now that the destination deferred; what wants to wait itself does. */
  retryDeferred(destination: Destination): void {
    for (const waiting of this.#deferred.drain()) {
      const tried = waiting.entry.recipients.some(({ lastReply }) => lastReply !== null);
      if (waiting.destination === destination && tried) {
        this.#wake(waiting);
      } else {
        this.#deferred.add(waiting);
      }
    }
    this.#deferred.arm();
  }

  /** After a changed topology: everything that waits is routed anew and every pause ends. */
  reroute(): void {
    const entries: QueueEntry[] = [];
    for (const destination of this.#destinations.values()) {
      entries.push(...destination.drain());
    }
    for (const { entry, dueAtMs } of this.#deferred.drain()) {
      this.#putOff(entry, dueAtMs);
    }
    for (const { entry } of this.#held.drain()) {
      forgetUnfit(entry);
      this.hold(entry);
    }
    for (const entry of entries) {
      forgetUnfit(entry);
      for (const group of this.#group(entry)) {
        this.#place(group.route).add(routed(entry, group));
      }
    }
    for (const destination of this.#destinations.values()) {
      destination.faultsInARow = 0;
      this.retry(destination);
      if (destination.isUnused && destination.rateRestMs(this.#options.clock.monotonicMs()) === 0) {
        this.#forget(destination);
      }
    }
  }

  /** False for a queue whose hop is at fault. */
  readonly isWell = (queue: string): boolean => this.#destinations.get(queue)?.isWell ?? true;

  #group(entry: QueueEntry): RouteGroup[] {
    const { chooseRoute } = this.#options;
    return groupByRoute(entry, (item, recipient) => chooseRoute(item, recipient, this.isWell));
  }

  #place(route: Route): Destination {
    const { queue, nextHop, capacity } = route;
    let destination = this.#destinations.get(queue);
    if (destination === undefined) {
      destination = new Destination(queue, nextHop, capacity);
      this.#destinations.set(queue, destination);
    }
    this.#lead(destination, route);
    return destination;
  }

  #lead(destination: Destination, { nextHop, capacity }: Route): void {
    if (!isSameServer(destination.nextHop, nextHop)) {
      destination.forgetHop();
      this.#pauses.cancel(destination);
    }
    destination.nextHop = nextHop;
    destination.capacity = capacity;
  }

  #pump(destination: Destination): void {
    const { clock, hasFreeSession, maxAttemptsAtOnce } = this.#options;
    while (this.#running) {
      if (this.#underWay.size >= maxAttemptsAtOnce()) {
        this.#crowded.add(destination);
        return;
      }
      const nowMs = clock.monotonicMs();
      const entry = destination.take(nowMs, hasFreeSession);
      if (entry === undefined) {
        this.#armWait(destination, nowMs);
        return;
      }
      const next = this.#confirm(entry, destination);
      if (next !== null && this.#suspects.enters(next)) {
        this.#start(next, destination);
      }
    }
  }

  #start(entry: RoutedEntry, destination: Destination): void {
    const { clock, hasFreeSession, run } = this.#options;
    const nowMs = clock.monotonicMs();
    destination.started(nowMs);
    this.#underWay.begin(entry, destination);
    // Counted now: of a burst, each has to see the connections that those before it will open.
    const connects = !hasFreeSession(entry.nextHop);
    if (connects) {
      destination.connected(nowMs);
    }
    void run(entry, destination, connects).finally(() => this.#ended(entry, destination));
  }

  /**
   * The route is asked at every attempt: what now goes elsewhere is moved there. The part of the
   * entry that stays, or null. An entry of a faulty hop was chosen for the probe and stays.
   */
  #confirm(entry: RoutedEntry, destination: Destination): RoutedEntry | null {
    const { chooseRoute } = this.#options;
    const isWell = (queue: string): boolean => queue === destination.name || this.isWell(queue);
    const groups = groupByRoute(entry, (item, recipient) => chooseRoute(item, recipient, isWell));
    const index = groups.findIndex(({ route }) => route.queue === destination.name);
    const stays = groups[index];
    for (const group of groups) {
      if (group !== stays) {
        this.ready({ item: entry.item, recipients: group.recipients });
      }
    }
    if (stays === undefined) {
      return null;
    }
    this.#lead(destination, stays.route);
    return routed(entry, stays);
  }

  #ended(entry: RoutedEntry, destination: Destination): void {
    destination.sending--;
    this.#underWay.end(entry);
    const suspect = this.#suspects.left(entry);
    if (suspect !== undefined) {
      this.ready(suspect);
    }
    this.#pumpCrowded();
    this.#pump(destination);
    this.#forgetUnused(destination);
  }

  /** Those who waited for one of all attempts to end come first. */
  #pumpCrowded(): void {
    const max = this.#options.maxAttemptsAtOnce();
    for (const destination of this.#crowded) {
      if (this.#underWay.size >= max) {
        return;
      }
      this.#crowded.delete(destination);
      this.#pump(destination);
    }
  }

  /** Moves what may also go to another hop out of a queue whose hop is at fault. */
  #sendElsewhere(destination: Destination): void {
    const first = destination.firstMovable;
    // Where the first one has nowhere to go, the others have not either.
    if (first === undefined || this.#staysAt(first, destination)) {
      return;
    }
    for (const entry of destination.drain()) {
      if (this.#staysAt(entry, destination)) {
        destination.add(entry);
      } else {
        this.ready(entry);
      }
    }
  }

  #staysAt(entry: QueueEntry, destination: Destination): boolean {
    return this.#group(entry).every(({ route }) => route.queue === destination.name);
  }

  /** A message that waits for a faulty hop, and that may go here too, finds out how it is here. */
  #fetchProbe(destination: Destination): void {
    for (const other of this.#destinations.values()) {
      const entry = other === destination || other.isWell ? undefined : other.firstMovable;
      if (entry !== undefined && this.#staysAt(entry, destination)) {
        other.withdraw(entry);
        this.ready(entry);
        return;
      }
    }
  }

  /** By all that ever passed it is not. */
  #forgetUnused(destination: Destination): void {
    // A backoff is remembered to its end, so that mail which comes meanwhile waits for it.
    // What it has learnt about a hop of the topology is kept, too: there are not many of those.
    const { kind, ofMessage } = destination.nextHop;
    const ofTopology = kind !== 'mx' && ofMessage !== true;
    const learnt = destination.state === 'probing' || destination.slowed;
    const remembered = destination.state === 'backoff' || (ofTopology && learnt);
    if (!destination.isUnused || remembered || this.#destinations.size === 1) {
      return;
    }
    const restMs = destination.rateRestMs(this.#options.clock.monotonicMs());
    if (restMs === 0) {
      this.#forget(destination);
    } else if (this.#running) {
      this.#waits.set(destination, restMs, () => this.#forgetUnused(destination));
    }
  }

  #forget(destination: Destination): void {
    this.#destinations.delete(destination.name);
    this.#waits.cancel(destination);
  }

  /**
   * Comes back when the rates of the destination allow its next message.
   *
   * @param nowMs the time at which it was found to wait: a later one may find that it need not,
   *   and then nobody comes back
   */
  #armWait(destination: Destination, nowMs: number): void {
    this.#waits.cancel(destination);
    const waitMs = destination.waitMs(nowMs, this.#options.hasFreeSession);
    if (waitMs > 0 && this.#running) {
      this.#waits.set(destination, Math.min(waitMs, MAX_SLEEP_MS), () => this.#pump(destination));
    }
  }

  #wake({ entry, destination }: Deferred): void {
    for (const recipient of entry.recipients) {
      moveRecipient(recipient, 'ready');
      recipient.nextAttemptAtMs = null;
    }
    this.ready(entry);
    this.#forgetUnused(destination);
  }
}

function routed({ item }: QueueEntry, { route, recipients }: RouteGroup): RoutedEntry {
  return { item, recipients, nextHop: route.nextHop, movable: route.movable };
}
