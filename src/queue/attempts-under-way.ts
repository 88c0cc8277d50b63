import type { Destination, RoutedEntry } from './destination.js';
import type { Item } from './item.js';

/** The attempts that have begun, up to the end of all that follows from them. */
export class AttemptsUnderWay {
  readonly #destinations = new Map<RoutedEntry, Destination>();
  #onIdle: (() => void) | null = null;

  get size(): number {
    return this.#destinations.size;
  }

  begin(entry: RoutedEntry, destination: Destination): void {
    this.#destinations.set(entry, destination);
  }

  end(entry: RoutedEntry): void {
    this.#destinations.delete(entry);
    if (this.size === 0) {
      this.#onIdle?.();
      this.#onIdle = null;
    }
  }

  /** Resolves when there are none. One caller. */
  async idle(): Promise<void> {
    if (this.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
  }

  /** True while one is made for recipients of the item. */
  has(item: Item): boolean {
    for (const entry of this.#destinations.keys()) {
      if (entry.item === item) {
        return true;
      }
    }
    return false;
  }

  *at(destination: Destination): Generator<RoutedEntry> {
    for (const [entry, place] of this.#destinations) {
      if (place === destination) {
        yield entry;
      }
    }
  }
}
