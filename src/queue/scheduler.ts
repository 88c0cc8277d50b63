import type { Capacity } from '../send/capacity.js';
import type { NextHop } from '../send/next-hop.js';
import { AttemptsUnderWay } from './attempts-under-way.js';
import type { Destination, QueueEntry, RoutedEntry } from './destination.js';
import { DeferredEntries, MAX_SLEEP_MS, type Woken } from './deferred-entries.js';
import { Destinations, type DestinationsOptions } from './destinations.js';
import { Detours } from './detours.js';
import type { ForeseenQueues } from './foreseen-queues.js';
import { HeldEntries } from './held-entries.js';
import { moveRecipient, type Item, type ItemRecipient } from './item.js';
import { Parked } from './parked.js';
import { ParkedEntries, READ_AGAIN_MS } from './parked-entries.js';
import { ParkedRows } from './parked-rows.js';
import type { Parking } from './parking.js';
import { SuspectLane } from './suspect-lane.js';
import type { RouteGroup } from './route-groups.js';
import { forgetUnfit } from './unfit-hops.js';

export interface SchedulerOptions extends DestinationsOptions {
  /**
   * Makes one attempt for the entry and settles it. Never rejects. A free session is taken before
   * it returns. `connectCounted`: its first new connection already counts for the rate.
   */
  run: (entry: RoutedEntry, destination: Destination, connectCounted: boolean) => Promise<void>;
  /** An attempt for the item, and all that follows from it, has ended. */
  ended?: (item: Item) => void;
  /** True when a message to the hop needs no new connection. */
  hasFreeSession: (nextHop: NextHop) => boolean;
  /** Attempts under way at once, over all destinations. */
  maxAttemptsAtOnce: () => number;
  /** Where what waits for long leaves memory; absent: nothing does. */
  parking?: Parking;
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
  readonly #destinations: Destinations;
  readonly #deferred: DeferredEntries;
  readonly #parked: ParkedEntries;
  readonly #detours: Detours;
  readonly #held = new HeldEntries();
  /** Have mail that waits for nothing but an attempt of another destination to end; in turn. */
  readonly #crowded = new Set<Destination>();
  readonly #suspects = new SuspectLane<RoutedEntry>();
  #running = false;
  readonly #underWay = new AttemptsUnderWay();

  constructor(options: SchedulerOptions) {
    const { clock, parking } = options;
    this.#options = options;
    const rows = parking?.rows ?? new ParkedRows<Destination>();
    this.#destinations = new Destinations(options, rows);
    this.#deferred = new DeferredEntries(clock, rows, (woken) => this.#wake(woken));
    this.#parked = new ParkedEntries({
      parking,
      rows,
      destinations: this.#destinations,
      deferred: this.#deferred,
      clock,
      ready: (entry) => this.ready(entry, true),
    });
    this.#detours = new Detours({
      destinations: this.#destinations,
      parked: this.#parked,
      ready: (entry) => this.ready(entry),
    });
  }

  get inFlight(): number {
    return this.#underWay.size;
  }

  get destinations(): Iterable<Destination> {
    return this.#destinations;
  }

  destination(name: string): Destination | undefined {
    return this.#destinations.named(name);
  }

  /** What is wanted of queues that are not there yet. */
  get foreseen(): ForeseenQueues {
    return this.#destinations.foreseen;
  }

  /** False for a queue whose hop is at fault. */
  get isWell(): (queue: string) => boolean {
    return this.#destinations.isWell;
  }

  start(): void {
    this.#running = true;
    this.#destinations.start();
    for (const destination of this.#destinations) {
      // A pause that began, or ended, while nothing ran has no timer.
      if (destination.state === 'backoff' && !this.#destinations.hasPause(destination)) {
        this.retry(destination);
      }
      this.#pump(destination);
    }
    this.#deferred.start();
    this.#parked.start();
  }

  /** Starts no further attempt until `start` is called again; those under way go on. */
  suspend(): void {
    this.#running = false;
    this.#destinations.suspend();
    this.#deferred.suspend();
    this.#parked.suspend();
  }

  /** Starts no further attempt; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#deferred.stop();
    this.#destinations.stop();
    await this.#parked.stop();
    await this.#underWay.idle();
  }

  /**
   * The recipients may be attempted as soon as their destinations have room.
   *
   * @param parkable the spool holds the item as it is: beyond a number of them it leaves memory
   */
  ready(entry: QueueEntry, parkable = false): void {
    const groups = this.#destinations.group(entry);
    const [first] = groups;
    if (first !== undefined && groups.length === 1) {
      const { item, recipients } = entry;
      const { movable, nextHop } = first.route;
      const place = this.#destinations.place(first.route);
      const parked = parkable ? this.#parked.park(entry, place, movable) : undefined;
      place.add(parked ?? { item, recipients, nextHop, movable });
      this.#pump(place);
      return;
    }
    const places = new Set<Destination>();
    for (const group of groups) {
      const place = this.#destinations.place(group.route);
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
   * @param parkable the spool holds the item as it is
   */
  defer(
    entry: QueueEntry,
    dueMs: number,
    nowMs: number,
    destination?: Destination,
    parkable = false,
  ): void {
    const dueAtMs = this.#options.clock.monotonicMs() + Math.max(0, dueMs - nowMs);
    this.#putOff(entry, dueAtMs, destination);
    if (parkable) {
      this.stored(entry.item);
    }
    this.#deferred.arm();
  }

  /** The spool holds the item as it is: if it waits for a time, it need not do that in memory. */
  stored(item: Item): void {
    this.#parked.stored(item);
  }

  #putOff(entry: QueueEntry, dueAtMs: number, destination?: Destination): void {
    const waiting =
      destination === undefined
        ? this.#destinations.group(entry).map((group) => ({
            entry: { item: entry.item, recipients: group.recipients },
            destination: this.#destinations.place(group.route),
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
    // What may have been taken here goes nowhere else.
    const doubtful = entry.recipients.some(({ doubtAt }) => doubtAt != null);
    const back = doubtful ? { ...entry, movable: false } : entry;
    if (this.isStillAsked(entry, destination)) {
      const fault = { ...reply, stage, atMs: this.#options.clock.nowMs() };
      this.#destinations.fault(destination, fault, retryAfterMs, () => this.retry(destination));
    }
    if (!this.#destinations.staysAt(back, destination)) {
      this.ready(back);
    } else if (inTransaction) {
      // Where it may be about the message, another one finds out how the hop is.
      destination.add(back);
    } else {
      destination.putBack(back);
    }
    this.#detours.sendElsewhere(destination);
  }

  /**
   * False when a reload has led the queue of an attempt to another server since it began: what the
   * one before said counts no more.
   */
  isStillAsked(entry: RoutedEntry, destination: Destination): boolean {
    return this.#destinations.isStillAsked(entry, destination);
  }

  /** The hop answered about a message: what waits elsewhere for want of it comes back. */
  healed(destination: Destination): void {
    if (destination.healed()) {
      this.#detours.healed(destination);
    }
  }

  /** The recipients, which are held, are counted at their destinations until they are withdrawn. */
  hold(entry: QueueEntry): void {
    for (const { route, recipients } of this.#destinations.group(entry)) {
      this.#held.add({
        entry: { item: entry.item, recipients },
        destination: this.#destinations.place(route),
      });
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
      ...this.#deferred.withdraw(item),
      ...this.#held.withdraw(item).map(({ entry }) => entry),
      ...[...this.#destinations].flatMap((place) => place.withdrawItem(item)),
      ...this.#suspects.withdraw(item),
    ];
    return entries.flatMap(({ recipients }) => recipients);
  }

  /** The list of queues is bounded by the mail that waits. */
  forgetUnused(): void {
    for (const destination of this.#destinations) {
      this.#destinations.forgetUnused(destination);
    }
  }

  /** As `ready`, before all that waits, and the pauses of its destinations end. */
  readyFirst(entry: QueueEntry): void {
    const groups = this.#destinations.group(entry);
    groups.forEach((group) => this.#destinations.place(group.route).putBack(routed(entry, group)));
    groups.forEach(({ route }) => this.retry(this.#destinations.place(route)));
  }

  /** What a destination has, in no order; with an item that has several entries, each of them. */
  *entriesOf(destination: Destination): Generator<QueueEntry | Parked> {
    yield* this.#underWay.at(destination);
    yield* destination.entries();
    yield* this.#deferred.at(destination);
    yield* this.#held.at(destination);
  }

  /** Ends the pause of a destination at once; its next attempt is a probe. */
  retry(destination: Destination): void {
    this.#destinations.callOffPause(destination);
    destination.probe();
    if (destination.state === 'probing' && destination.ready === 0) {
      this.#detours.fetchProbe(destination);
    }
    this.#pump(destination);
    this.#destinations.forgetUnused(destination);
  }

  pause(destination: Destination): void {
    this.#destinations.callOffPause(destination);
    destination.state = 'paused';
    this.#detours.sendElsewhere(destination);
  }

  resume(destination: Destination): void {
    if (destination.state === 'paused') {
      destination.state = 'active';
      this.#pump(destination);
      this.#destinations.forgetUnused(destination);
    }
  }

  /** Sets limits of a destination while it runs. */
  limit(destination: Destination, limits: Partial<Capacity>): void {
    destination.limit(limits);
    this.#pump(destination);
  }

  /** Makes every entry due now that the destination deferred; what wants to wait itself does. */
  retryDeferred(destination: Destination): void {
    this.#deferred.retry(destination);
  }

  /** After a changed topology: everything that waits is routed anew and every pause ends. */
  reroute(): void {
    const moved: RoutedEntry[] = [];
    const destinations = this.#destinations;
    const before = [...destinations];
    for (const destination of before) {
      moved.push(...destination.sift((entry) => destinations.isRoutedAsBefore(entry, destination)));
      this.#parked.rerouteAt(destination);
    }
    for (const { entry, dueAtMs } of this.#deferred.drainResident()) {
      this.#putOff(entry, dueAtMs);
    }
    this.#deferred.arm();
    this.#parked.rerouteDeferred();
    for (const { entry } of this.#held.drain()) {
      forgetUnfit(entry);
      this.hold(entry);
    }
    for (const entry of moved) {
      for (const group of destinations.group(entry)) {
        destinations.place(group.route).add(routed(entry, group));
      }
    }
    for (const destination of destinations) {
      destination.faultsInARow = 0;
      this.retry(destination);
      destinations.forgetLearnt(destination);
    }
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
      const present = entry instanceof Parked ? this.#load(entry, destination) : entry;
      if (present === undefined) {
        return;
      }
      const next = present === null ? null : this.#confirm(present, destination);
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

  /** Null where it is lost; undefined where it cannot be read now, and is tried again. */
  #load(parked: Parked, destination: Destination): RoutedEntry | null | undefined {
    const entry = this.#parked.toSend(parked, destination);
    if (entry === undefined) {
      destination.putBack(parked);
      this.#destinations.wait(destination, READ_AGAIN_MS, () => this.#pump(destination));
    }
    return entry;
  }

  /** Brings what is parked back into memory, where it is; no item where it cannot be read. */
  unpark(parked: Parked): Item | null | undefined {
    return this.#parked.unpark(parked);
  }

  /**
   * The route is asked at every attempt: what now goes elsewhere is moved there. The part of the
   * entry that stays, or null. An entry of a faulty hop was chosen for the probe and stays.
   */
  #confirm(entry: RoutedEntry, destination: Destination): RoutedEntry | null {
    const { isWell } = this.#destinations;
    const groups = this.#destinations.group(
      entry,
      (queue) => queue === destination.name || isWell(queue),
    );
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
    this.#destinations.lead(destination, stays.route);
    return routed(entry, stays);
  }

  #ended(entry: RoutedEntry, destination: Destination): void {
    destination.sending--;
    this.#underWay.end(entry);
    const suspect = this.#suspects.left(entry);
    if (suspect !== undefined) {
      this.ready(suspect);
    }
    this.#options.ended?.(entry.item);
    this.#pumpCrowded();
    this.#pump(destination);
    this.#destinations.forgetUnused(destination);
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

  /**
   * Comes back when the rates of the destination allow its next message.
   *
   * @param nowMs the time at which it was found to wait: a later one may find that it need not,
   *   and then nobody comes back
   */
  #armWait(destination: Destination, nowMs: number): void {
    this.#destinations.callOffWait(destination);
    const waitMs = destination.waitMs(nowMs, this.#options.hasFreeSession);
    if (waitMs > 0) {
      const sleepMs = Math.min(waitMs, MAX_SLEEP_MS);
      this.#destinations.wait(destination, sleepMs, () => this.#pump(destination));
    }
  }

  #wake({ entry: waiting, destination }: Woken): void {
    const entry = waiting instanceof Parked ? this.#parked.awake(waiting, destination) : waiting;
    if (entry === null) {
      return;
    }
    for (const recipient of entry.recipients) {
      moveRecipient(recipient, 'ready');
      recipient.nextAttemptAtMs = null;
    }
    this.ready(entry, waiting instanceof Parked);
    this.#destinations.forgetUnused(destination);
  }
}

function routed({ item }: QueueEntry, { route, recipients }: RouteGroup): RoutedEntry {
  return { item, recipients, nextHop: route.nextHop, movable: route.movable };
}
