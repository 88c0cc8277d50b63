import type { Clock, Timer } from '../base/clock.js';

const LOOK_EVERY_MS = 1000;

/**
 * What waits while there is no room. It is closed by who was refused, looks once a second whether
 * there is room again, and says when it has been closed for too long to wait here.
 */
export class RoomGate {
  readonly #clock: Clock;
  readonly #hasRoom: () => boolean;
  readonly #patienceMs: number;
  #closedAtMs: number | null = null;
  #timer: Timer | null = null;
  #waiting: Array<(passed: boolean) => void> = [];

  constructor(clock: Clock, hasRoom: () => boolean, patienceMs: number) {
    this.#clock = clock;
    this.#hasRoom = hasRoom;
    this.#patienceMs = patienceMs;
  }

  /** There was no room. */
  close(): void {
    this.#closedAtMs ??= this.#clock.monotonicMs();
    this.#timer ??= this.#clock.after(LOOK_EVERY_MS, () => this.#look());
  }

  /** At once while it is open. @returns false when it has been closed for too long, or was ended */
  passed(): Promise<boolean> {
    return this.#closedAtMs === null
      ? Promise.resolve(true)
      : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Lets all who wait go, with nothing; it is open afterwards. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#closedAtMs = null;
    this.#release(false);
  }

  #look(): void {
    this.#timer = null;
    const closedMs = this.#clock.monotonicMs() - (this.#closedAtMs ?? 0);
    if (this.#hasRoom()) {
      this.#closedAtMs = null;
      this.#release(true);
    } else {
      this.#timer = this.#clock.after(LOOK_EVERY_MS, () => this.#look());
      if (closedMs >= this.#patienceMs) {
        this.#release(false);
      }
    }
  }

  #release(passed: boolean): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    waiting.forEach((resolve) => resolve(passed));
  }
}
