import type { Destination, QueueEntry } from './destination.js';
import type { Item } from './item.js';

/** An entry that an operator holds, counted at the destination that it would go to. */
export interface Held {
  entry: QueueEntry;
  destination: Destination;
}

/** What an operator holds, by queue id. */
export class HeldEntries {
  readonly #byItem = new Map<string, Held[]>();

  add(held: Held): void {
    const { id } = held.entry.item;
    held.destination.held++;
    this.#byItem.set(id, [...(this.#byItem.get(id) ?? []), held]);
  }

  withdraw({ id }: Item): Held[] {
    const taken = this.#byItem.get(id) ?? [];
    this.#byItem.delete(id);
    for (const { destination } of taken) {
      destination.held--;
    }
    return taken;
  }

  drain(): Held[] {
    return [...this.#byItem.values()].flat().flatMap(({ entry }) => this.withdraw(entry.item));
  }

  *at(destination: Destination): Generator<QueueEntry> {
    for (const { entry, destination: place } of [...this.#byItem.values()].flat()) {
      if (place === destination) {
        yield entry;
      }
    }
  }
}
