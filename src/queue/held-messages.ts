import type { Clock } from '../base/clock.js';
import { within } from '../base/deadline.js';
import type { Delivery } from './broker-consumer.js';
import type { Arrived } from './shared-mail.js';
import type { SharedMessage } from './shared-message.js';
import { messageKey, progressKey } from './store-keys.js';

/** A message that the broker has given to this node. */
export interface Held extends SharedMessage, Arrived {
  delivery: Delivery;
}

/** Of what this node handed over and has not been given: others may have it by now. */
const MAX_EXPECTED = 1000;
const MAX_EXPECTED_BYTES = 16 * 1024 * 1024;
/** Of what this node had when the broker took it back, and of what it did to it all the same. */
const MAX_LOST = 100_000;

interface Expected {
  message: SharedMessage;
  /** The broker has confirmed it, and who handed it over knows. */
  confirmed: boolean;
}

/** What of the tier's mail is known to this node, and how. */
export class HeldMessages {
  readonly #held = new Map<string, Held>();
  /** Taken by who will acknowledge them, and still to be read until that is done. */
  readonly #leaving = new Map<string, Held>();
  /** Handed to the broker, and not given to this node: in order of age. */
  readonly #expected = new Map<string, Expected>();
  #expectedBytes = 0;
  readonly #lost = new Set<string>();
  /** Come to an end here after the broker had taken them back. */
  readonly #settled = new Set<string>();
  readonly #coming = new Map<string, () => void>();

  get size(): number {
    return this.#held.size;
  }

  [Symbol.iterator](): Iterator<Held> {
    return [...this.#held.values()][Symbol.iterator]();
  }

  /** It is at the broker, given to this node or handed over by it a short while ago. */
  has(id: string): boolean {
    return this.#held.has(id) || this.#expected.has(id);
  }

  message(id: string): SharedMessage | undefined {
    return this.#held.get(id) ?? this.#leaving.get(id) ?? this.#expected.get(id)?.message;
  }

  /** As a store would list them, in ascending order. */
  entries(): Array<[string, Buffer]> {
    const known = [this.#held, this.#leaving, this.#expected];
    const ids = new Set(known.flatMap((messages) => [...messages.keys()]));
    return [...ids].sort().flatMap((id): Array<[string, Buffer]> => {
      const { record, progress } = this.message(id) as SharedMessage;
      const own: [string, Buffer] = [messageKey(id), record];
      return progress === undefined ? [own] : [own, [progressKey(id), progress]];
    });
  }

  /** This node is about to hand it over. */
  expect(id: string, message: SharedMessage): void {
    this.#expected.set(id, { message, confirmed: false });
    this.#expectedBytes += message.record.length;
    for (const [oldest, { confirmed }] of this.#expected) {
      if (
        !confirmed ||
        (this.#expected.size <= MAX_EXPECTED && this.#expectedBytes <= MAX_EXPECTED_BYTES)
      ) {
        break;
      }
      this.forget(oldest);
    }
  }

  isExpected(id: string): boolean {
    return this.#expected.has(id) && !this.#held.has(id);
  }

  /** The broker has it not, or nobody knows. */
  forget(id: string): void {
    const expected = this.#expected.get(id);
    if (expected !== undefined) {
      this.#expected.delete(id);
      this.#expectedBytes -= expected.message.record.length;
    }
  }

  /**
   * Who handed these over hears of it now; what has come back meanwhile is told afterwards, so that
   * nothing is known to be sent before it is known to be taken.
   */
  confirmed(ids: readonly string[], tell: (held: Held) => void): void {
    for (const id of ids) {
      const expected = this.#expected.get(id);
      if (expected !== undefined) {
        expected.confirmed = true;
      }
      const held = this.#held.get(id);
      if (held !== undefined) {
        this.forget(id);
        setImmediate(() => {
          if (this.#held.get(id) === held) {
            tell(held);
          }
        });
      }
    }
  }

  /** @returns false while who handed it over has not heard that it was taken */
  arrive(held: Held): boolean {
    const expected = this.#expected.get(held.id);
    this.#lost.delete(held.id);
    this.#held.set(held.id, held);
    this.#coming.get(held.id)?.();
    if (expected?.confirmed === false) {
      return false;
    }
    this.forget(held.id);
    return true;
  }

  /** Resolves when it has come, or did not in time. */
  async coming(id: string, timeoutMs: number, clock: Clock): Promise<void> {
    const came = new Promise<void>((resolve) => this.#coming.set(id, resolve));
    await within(came, timeoutMs, clock, () => undefined);
    this.#coming.delete(id);
  }

  /** For who will acknowledge it, or put it back; null when it is not this node's. */
  take(id: string): Held | null {
    const held = this.#held.get(id) ?? null;
    this.#held.delete(id);
    this.forget(id);
    if (held !== null) {
      this.#leaving.set(id, held);
    }
    return held;
  }

  /** It is not this node's any more. */
  acknowledge(held: Held): void {
    this.#leave(held);
    held.delivery.acknowledge();
  }

  /** It is as if it had not been taken, unless the broker has taken it back meanwhile. */
  putBack(held: Held): void {
    if (this.#leave(held)) {
      this.#held.set(held.id, held);
    }
  }

  #leave(held: Held): boolean {
    return this.#leaving.get(held.id) === held && this.#leaving.delete(held.id);
  }

  /** The broker has taken back all that was not acknowledged. @returns what was this node's */
  lose(): string[] {
    const ids = [...this.#held.keys()];
    this.#held.clear();
    // Who is at it finds that it cannot be acknowledged; it is not put back.
    [...this.#leaving.keys()].forEach((id) => remember(this.#lost, id));
    this.#leaving.clear();
    ids.forEach((id) => remember(this.#lost, id));
    return ids;
  }

  wasLost(id: string): boolean {
    return this.#lost.has(id);
  }

  /** It has come to an end here all the same: should it be given to this node again, it is done. */
  settleLost(id: string): void {
    this.#lost.delete(id);
    remember(this.#settled, id);
  }

  isSettled(id: string): boolean {
    return this.#settled.delete(id);
  }
}

function remember(ids: Set<string>, id: string): void {
  ids.add(id);
  if (ids.size > MAX_LOST) {
    const [oldest] = ids;
    ids.delete(oldest as string);
  }
}
