import type { Pacer } from '../../../sink/pace.js';

/**
 * What goes out to one side of a link, in order and as fast as its pacer allows; at once while
 * nothing holds it. Its writer bounds it: it writes no more while `isWaiting`.
 */
export class Outlet {
  readonly #pacer: Pacer;
  readonly #write: (bytes: Buffer) => void;
  readonly #unlessFrozen: (task: () => void) => void;
  readonly #queue: Array<Buffer | (() => void)> = [];
  #isMoving = false;

  /** `unlessFrozen` runs a task, at once or when the link is no longer silent. */
  constructor(
    pacer: Pacer,
    write: (bytes: Buffer) => void,
    unlessFrozen: (task: () => void) => void,
  ) {
    this.#pacer = pacer;
    this.#write = write;
    this.#unlessFrozen = unlessFrozen;
  }

  get isWaiting(): boolean {
    return this.#queue.length > 0;
  }

  send(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (!this.isWaiting && !this.#pacer.isHolding) return this.#write(bytes);
    this.#queue.push(bytes);
    this.#move();
  }

  /** Runs a task when all that was sent before has left. */
  whenSent(task: () => void): void {
    if (!this.isWaiting) return task();
    this.#queue.push(task);
  }

  #move(): void {
    const head = this.#queue[0];
    if (head === undefined || this.#isMoving) return;
    if (typeof head === 'function') {
      this.#queue.shift();
      head();
      return this.#move();
    }
    this.#isMoving = true;
    const part = head.subarray(0, this.#pacer.grainBytes);
    this.#pacer.charge(part.length, () =>
      this.#unlessFrozen(() => {
        this.#isMoving = false;
        if (part.length === head.length) this.#queue.shift();
        else this.#queue[0] = head.subarray(part.length);
        this.#write(part);
        this.#move();
      }),
    );
  }
}
