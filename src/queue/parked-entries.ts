import type { Clock } from '../base/clock.js';
import type { DeferredEntries } from './deferred-entries.js';
import { Destination, type QueueEntry, type RoutedEntry } from './destination.js';
import type { Destinations } from './destinations.js';
import type { Item } from './item.js';
import type { Parked } from './parked.js';
import type { ParkedRows } from './parked-rows.js';
import { ParkedWalk } from './parked-walk.js';
import { openRecipients, type Parking } from './parking.js';
import type { Route } from './route-groups.js';

/** What cannot be read now is tried again after so long. */
export const READ_AGAIN_MS = 1000;

export interface ParkedEntriesOptions {
  /** Where what waits for long leaves memory; undefined: nothing does. */
  parking: Parking | undefined;
  rows: ParkedRows<Destination>;
  destinations: Destinations;
  deferred: DeferredEntries;
  clock: Clock;
  /** Takes what was parked and goes to another queue now; the spool holds it as it is. */
  ready: (entry: QueueEntry) => void;
}

/**
 * What of the mail that waits only the spool holds: it leaves memory where there is much before it,
 * keeps its place meanwhile, and is read when its turn or its time has come, when its way has to be
 * asked for anew, and when somebody wants it.
 */
export class ParkedEntries {
  readonly #options: ParkedEntriesOptions;
  readonly #walk = new ParkedWalk<Destination | DeferredEntries>((place) =>
    place instanceof Destination ? this.#routeAnew(place) : this.#routeDeferredAnew(place),
  );

  constructor(options: ParkedEntriesOptions) {
    this.#options = options;
  }

  start(): void {
    this.#walk.start();
  }

  /** Nothing is routed anew until it is started again. */
  suspend(): void {
    this.#walk.suspend();
  }

  /** Resolves when nothing is read any more in the background. */
  stop(): Promise<void> {
    return this.#walk.stop();
  }

  /**
   * Parks an entry that is to wait in a long queue: the first ones of that, which are in memory, keep
   * its hop busy for a while.
   *
   * @param entry the spool holds its item as it is, and all of it goes the same way
   * @returns undefined where it stays in memory
   */
  park(entry: QueueEntry, { resident }: Destination, movable: boolean): Parked | undefined {
    const { parking } = this.#options;
    return parking !== undefined && resident >= parking.maxResident && parking.takes(entry)
      ? parking.park(entry.item, { deferred: false, movable })
      : undefined;
  }

  /** The spool holds the item as it is: if it waits for a time, it need not do that in memory. */
  stored(item: Item): void {
    const { parking, deferred } = this.#options;
    if (parking === undefined || deferred.resident <= parking.maxResident) {
      return;
    }
    const waiting = deferred.of(item);
    if (waiting !== undefined && parking.takes(waiting.entry)) {
      deferred.park(waiting, item, parking.park(item, { deferred: true, movable: false }));
    }
  }

  /**
   * Reads what is parked and whose turn in the queue has come, with its body.
   *
   * @returns null where it is lost, undefined where it cannot be read now
   */
  toSend(parked: Parked, { nextHop }: Destination): RoutedEntry | null | undefined {
    const item = this.#options.parking?.load(parked, true);
    return item && { item, recipients: openRecipients(item), nextHop, movable: parked.movable };
  }

  /** Its time has come. Null where it is lost, and where it cannot be read now: then it waits on. */
  awake(parked: Parked, destination: Destination): QueueEntry | null {
    const { parking, deferred, clock } = this.#options;
    const item = parking?.load(parked);
    if (item === undefined) {
      const dueAtMs = clock.monotonicMs() + READ_AGAIN_MS;
      deferred.addParked(parked, destination, dueAtMs);
    }
    return item == null ? null : { item, recipients: openRecipients(item) };
  }

  /**
   * Brings what is parked back into memory, where it is.
   *
   * @returns null where it is lost, undefined where it cannot be read now
   */
  unpark(parked: Parked): Item | null | undefined {
    const { parking, rows, deferred } = this.#options;
    const place = rows.turnAt(parked.row);
    const item = parking?.load(parked);
    if (place !== undefined) {
      if (item != null) {
        const { nextHop } = place;
        const entry = { item, recipients: openRecipients(item), nextHop, movable: parked.movable };
        place.replace(parked, entry);
      } else if (item === null) {
        place.leave(parked);
      }
    } else if (item != null) {
      deferred.replace(parked, { item, recipients: openRecipients(item) });
    } else if (item === null) {
      deferred.drop(parked);
    }
    return item;
  }

  /** What is parked in a queue is asked for its way in the background, and goes where that leads. */
  rerouteAt(destination: Destination): void {
    if (destination.parked > 0) {
      this.#walk.through(destination);
    }
  }

  /** What is parked for a time is counted where it will go, as soon as that is read. */
  rerouteDeferred(): void {
    const { deferred } = this.#options;
    if (deferred.parked > 0) {
      this.#walk.through(deferred);
    }
  }

  *#routeAnew(destination: Destination): Generator<boolean> {
    const { rows, destinations } = this.#options;
    // Others come and go while it is walked: of the rows some may be those of other messages by then.
    for (const row of destination.parkedRows) {
      if (rows.turnAt(row) !== destination) {
        yield false;
        continue;
      }
      const parked = rows.look(row);
      const route = this.#wayOf(parked);
      if (route?.queue === destination.name) {
        destinations.lead(destination, route);
        rows.setMovable(row, route.movable);
      } else if (route !== undefined) {
        this.#move(parked, destination);
      }
      yield true;
    }
    destinations.forgetUnused(destination);
  }

  #move(parked: Parked, destination: Destination): void {
    const { parking, ready } = this.#options;
    const item = parking?.load(parked);
    if (item !== undefined) {
      destination.leave(parked);
    }
    if (item != null) {
      ready({ item, recipients: openRecipients(item) });
    }
  }

  *#routeDeferredAnew(deferred: DeferredEntries): Generator<boolean> {
    const { rows, destinations } = this.#options;
    for (const row of deferred.parkedRows) {
      const destination = rows.deferredAt(row);
      if (destination === undefined) {
        yield false;
        continue;
      }
      const route = this.#wayOf(rows.look(row));
      if (route != null && route.queue !== destination.name) {
        deferred.move(row, destination, destinations.place(route));
        destinations.forgetUnused(destination);
      }
      yield true;
    }
  }

  /** The one way that a parked message goes; null where there are several, undefined while unknown. */
  #wayOf(parked: Parked): Route | null | undefined {
    const { parking, destinations } = this.#options;
    const item = parking?.peek(parked) ?? null;
    if (item === null) {
      return undefined;
    }
    const groups = destinations.group({ item, recipients: openRecipients(item) });
    return groups.length === 1 ? groups[0]?.route : null;
  }
}
