import type { Destination, QueueEntry, RoutedEntry } from './destination.js';
import type { Destinations } from './destinations.js';
import { Parked } from './parked.js';
import type { ParkedEntries } from './parked-entries.js';

export interface DetoursOptions {
  destinations: Destinations;
  parked: ParkedEntries;
  /** Takes what goes to another queue now. */
  ready: (entry: QueueEntry) => void;
}

/**
 * The other ways of mail that could go to several hops: it leaves the queue of one that is at fault,
 * one of it goes back as the probe, and what has found no other way comes back when one is well.
 */
export class Detours {
  readonly #options: DetoursOptions;

  constructor(options: DetoursOptions) {
    this.#options = options;
  }

  /** Moves what may also go to another hop out of a queue whose hop is at fault. */
  sendElsewhere(destination: Destination): void {
    const { destinations, parked, ready } = this.#options;
    const first = this.#firstMovable(destination);
    // Where the first one has nowhere to go, the others have not either.
    if (first === undefined || destinations.staysAt(first, destination)) {
      return;
    }
    for (const entry of destination.sift((one) => destinations.staysAt(one, destination))) {
      ready(entry);
    }
    parked.rerouteAt(destination);
  }

  /** A hop is well again: what waits for another one for want of it may go there. */
  healed(destination: Destination): void {
    for (const other of this.#options.destinations) {
      if (other !== destination && !other.isWell) {
        this.sendElsewhere(other);
      }
    }
  }

  /** A message that waits for a faulty hop, and that may go here too, finds out how it is here. */
  fetchProbe(destination: Destination): void {
    const { destinations, ready } = this.#options;
    for (const other of destinations) {
      const entry = other === destination || other.isWell ? undefined : this.#firstMovable(other);
      if (entry !== undefined && destinations.staysAt(entry, destination)) {
        other.withdraw(entry);
        ready(entry);
        return;
      }
    }
  }

  #firstMovable(destination: Destination): RoutedEntry | undefined {
    for (;;) {
      const first = destination.firstMovable;
      if (!(first instanceof Parked)) {
        return first;
      }
      if (this.#options.parked.unpark(first) === undefined) {
        return undefined;
      }
    }
  }
}
