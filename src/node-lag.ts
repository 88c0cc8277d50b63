import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock, Timer } from './base/clock.js';
import type { NodeStatus } from './api/shape/node.js';

const RESOLUTION_MS = 20;
const WINDOW_MS = 60_000;
/** A window that is younger says little: the one before is told until then. */
const MIN_WINDOW_MS = 10_000;
const NANOSECONDS_PER_MS = 1e6;

/** The part of a histogram of `perf_hooks` that is read; nanoseconds. */
export interface DelayHistogram {
  readonly max: number;
  readonly count: number;
  percentile(percentile: number): number;
  reset(): void;
  enable(): unknown;
  disable(): unknown;
}

type Lag = NodeStatus['event_loop'];

/** How late the event loop is, over the last minute. Begins with `start`, and ends with `stop`. */
export class EventLoopLag {
  readonly #clock: Clock;
  readonly #histogram: DelayHistogram;
  #sinceMs = 0;
  #before: Lag | null = null;
  #timer: Timer | null = null;

  constructor(
    clock: Clock,
    histogram: DelayHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS }),
  ) {
    this.#clock = clock;
    this.#histogram = histogram;
  }

  start(): void {
    this.#sinceMs = this.#clock.monotonicMs();
    this.#histogram.enable();
    this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#histogram.disable();
  }

  get figures(): Lag {
    const ageMs = this.#clock.monotonicMs() - this.#sinceMs;
    return ageMs < MIN_WINDOW_MS && this.#before !== null ? this.#before : this.#current(ageMs);
  }

  #arm(): void {
    this.#timer = this.#clock.after(WINDOW_MS, () => {
      const nowMs = this.#clock.monotonicMs();
      this.#before = this.#current(nowMs - this.#sinceMs);
      this.#histogram.reset();
      this.#sinceMs = nowMs;
      this.#arm();
    });
  }

  #current(ageMs: number): Lag {
    const { max, count } = this.#histogram;
    const percentile = (part: number): number =>
      count === 0 ? 0 : lateMs(this.#histogram.percentile(part));
    return {
      lag_p50_ms: percentile(50),
      lag_p99_ms: percentile(99),
      lag_max_ms: count === 0 ? 0 : lateMs(max),
      window_seconds: Math.round(ageMs / 1000),
    };
  }
}

/** The histogram has the whole time between two of its ticks; what is beyond their distance is lag. */
function lateMs(nanoseconds: number): number {
  const ms = nanoseconds / NANOSECONDS_PER_MS - RESOLUTION_MS;
  return Math.max(0, Math.round(ms * 100) / 100);
}
