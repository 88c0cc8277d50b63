import type { Timer } from '../../src/base/clock.js';

interface Happening {
  dueMs: number;
  /** What is due at the same time happens in the order in which it was planned. */
  order: number;
  task: (() => void) | null;
}

/** Taken before a run puts its own in the place of it. */
const systemImmediate = setImmediate;
const STEPS_A_TURN = 64;

/**
 * The time of a simulated world, and all that will happen in it. One thing happens at a time; then
 * everything that follows from it without waiting is finished before the next. So a run depends on
 * nothing outside of itself: no timer, no disk and no socket of the machine takes part.
 */
export class Timeline {
  #nowMs = 0;
  #planned = 0;
  readonly #heap: Happening[] = [];
  /** Things that have happened. */
  happened = 0;
  #midst: Array<{ atHappened: number; task: () => void }> = [];

  /** Milliseconds since the beginning of the world. */
  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): Timer {
    const dueMs = this.#nowMs + Math.max(0, delayMs);
    const happening: Happening = { dueMs, order: this.#planned++, task };
    this.#push(happening);
    return {
      cancel: () => {
        happening.task = null;
      },
    };
  }

  /** `task`, when so many more things have happened: also between two of the same moment. */
  inTheMidst(happenings: number, task: () => void): void {
    this.#midst.push({ atHappened: this.happened + happenings, task });
  }

  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve);
    });
  }

  /**
   * Lets things happen until `done`.
   *
   * @returns false when nothing is planned any more, or `endMs` has come, before it was done
   */
  run(done: () => boolean, endMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const step = (): void => {
        if (isOver) return;
        try {
          const result = this.#step(done, endMs);
          isOver = result !== null;
          if (result !== null) resolve(result);
        } catch (error) {
          isOver = true;
          reject(error);
        }
      };
      // Between two callbacks of one turn all promises and ticks are settled, as between two turns.
      const turn = (): void => {
        if (isOver) return;
        for (let count = 0; count < STEPS_A_TURN; count++) systemImmediate(step);
        systemImmediate(turn);
      };
      systemImmediate(turn);
    });
  }

  /** The next thing happens. @returns null, or how the run ends */
  #step(done: () => boolean, endMs: number): boolean | null {
    if (this.#interrupt()) return null;
    if (done()) return true;
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.dueMs > endMs) {
        this.#nowMs = Math.max(this.#nowMs, Math.min(endMs, next?.dueMs ?? this.#nowMs));
        return false;
      }
      this.#pop();
      if (next.task !== null) {
        this.#nowMs = next.dueMs;
        this.happened++;
        next.task();
        return null;
      }
    }
  }

  /**
   * Runs `work` with this timeline in the place of the event loop's own turns (`setImmediate`), with
   * which the queue gathers writes and the library builds reports.
   */
  async governing<T>(work: () => Promise<T>): Promise<T> {
    const planned = (task: (...given: unknown[]) => void, ...given: unknown[]): Timer =>
      this.after(0, () => task(...given));
    globalThis.setImmediate = planned as unknown as typeof setImmediate;
    try {
      return await work();
    } finally {
      globalThis.setImmediate = systemImmediate;
    }
  }

  #interrupt(): boolean {
    const index = this.#midst.findIndex(({ atHappened }) => atHappened <= this.happened);
    const [due] = index === -1 ? [] : this.#midst.splice(index, 1);
    due?.task();
    return due !== undefined;
  }

  #push(happening: Happening): void {
    const heap = this.#heap;
    let index = heap.push(happening) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(heap[parent] as Happening, happening)) break;
      heap[index] = heap[parent] as Happening;
      index = parent;
    }
    heap[index] = happening;
  }

  /** Takes the first out. */
  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Happening)) child++;
      if (isBefore(last, heap[child] as Happening)) break;
      heap[index] = heap[child] as Happening;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(one: Happening, other: Happening): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order);
}
