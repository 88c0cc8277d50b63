import type { Capacity } from '../send/capacity.js';
import type { Destination } from './destination.js';

interface Wish {
  paused: boolean;
  limits: Partial<Capacity>;
}

/** Queues that are spoken of before they are there; of more, the first are forgotten. */
const MAX_WISHES = 1000;

/**
 * What an operator wants of queues that are not there now: it holds from their first message on. Of
 * a node with several workers a queue may be at one of them and not yet at another.
 */
export class ForeseenQueues {
  readonly #wishes = new Map<string, Wish>();

  pause(name: string): void {
    this.#set(name, { ...this.#of(name), paused: true });
  }

  resume(name: string): void {
    this.#set(name, { ...this.#of(name), paused: false });
  }

  limit(name: string, limits: Partial<Capacity>): void {
    const wish = this.#of(name);
    this.#set(name, { ...wish, limits: { ...wish.limits, ...limits } });
  }

  /** A queue begins to be. From now on what is wanted of it is its own. */
  begin(destination: Destination): Destination {
    const wish = this.#wishes.get(destination.name);
    if (wish !== undefined) {
      this.#wishes.delete(destination.name);
      if (wish.paused) destination.state = 'paused';
      destination.limit(wish.limits);
    }
    return destination;
  }

  #of(name: string): Wish {
    return this.#wishes.get(name) ?? { paused: false, limits: {} };
  }

  #set(name: string, wish: Wish): void {
    this.#wishes.delete(name);
    if (wish.paused || Object.keys(wish.limits).length > 0) {
      this.#wishes.set(name, wish);
    }
    const [oldest] = this.#wishes.keys();
    if (this.#wishes.size > MAX_WISHES && oldest !== undefined) {
      this.#wishes.delete(oldest);
    }
  }
}
