import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLoopLag, type DelayHistogram } from '../src/node-lag.js';
import { VirtualClock } from './base/virtual-clock.js';

/** Nanoseconds between ticks, as the histogram of Node gives them. */
class Ticks implements DelayHistogram {
  ns: number[] = [];
  enabled = false;

  get max(): number {
    return Math.max(...this.ns);
  }

  get count(): number {
    return this.ns.length;
  }

  percentile(part: number): number {
    const sorted = this.ns.toSorted((a, b) => a - b);
    return sorted[Math.ceil((part / 100) * sorted.length) - 1] ?? Number.NaN;
  }

  reset(): void {
    this.ns = [];
  }

  enable(): void {
    this.enabled = true;
  }

  disable(): void {
    this.enabled = false;
  }
}

test('lag is what is beyond the distance of the ticks, over a minute of its own', () => {
  const [clock, ticks] = [new VirtualClock(), new Ticks()];
  const lag = new EventLoopLag(clock, ticks);
  lag.start();
  assert.deepEqual(lag.figures, {
    lag_p50_ms: 0,
    lag_p99_ms: 0,
    lag_max_ms: 0,
    window_seconds: 0,
  });
  ticks.ns = [19_000_000, 20_500_000, 21_000_000, 320_000_000];
  clock.advance(30_000);
  const first = { lag_p50_ms: 0.5, lag_p99_ms: 300, lag_max_ms: 300 };
  assert.deepEqual(lag.figures, { ...first, window_seconds: 30 });
  clock.advance(35_000);
  ticks.ns = [25_000_000];
  assert.deepEqual(lag.figures, { ...first, window_seconds: 60 }, 'the window before');
  clock.advance(5000);
  assert.deepEqual(lag.figures, {
    lag_p50_ms: 5,
    lag_p99_ms: 5,
    lag_max_ms: 5,
    window_seconds: 10,
  });
  lag.stop();
  assert.deepEqual([ticks.enabled, clock.timers], [false, 0]);
});

test('a loop that is held up is seen by the histogram of Node', async (t) => {
  const clock = new VirtualClock();
  const lag = new EventLoopLag(clock);
  lag.start();
  t.after(() => lag.stop());
  const ticked = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));
  await ticked();
  const endMs = performance.now() + 150;
  while (performance.now() < endMs);
  await ticked();
  const { lag_max_ms: maxMs } = lag.figures;
  assert.ok(maxMs > 100 && maxMs < 5000, String(maxMs));
});
