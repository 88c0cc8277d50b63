import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as forAll, integer, property, tuple } from 'fast-check';
import { MinuteRate } from '../../src/queue/minute-rate.js';

test('what happened within the last 55 seconds counts, and nothing older than a minute', () => {
  const step = tuple(integer({ min: 0, max: 40_000 }), integer({ min: 0, max: 5 }));
  forAll(
    property(integer({ min: 0, max: 1e12 }), array(step, { maxLength: 60 }), (startMs, steps) => {
      const rate = new MinuteRate();
      const events: Array<{ atMs: number; count: number }> = [];
      let nowMs = startMs;
      for (const [waitMs, count] of steps) {
        nowMs += waitMs;
        rate.add(nowMs, count);
        events.push({ atMs: nowMs, count });
        const since = (ms: number): number =>
          events.reduce((sum, { atMs, count }) => sum + (atMs > nowMs - ms ? count : 0), 0);
        const shown = rate.perMinute(nowMs);
        assert.ok(shown >= since(55_000), 'too few');
        assert.ok(shown <= since(60_000), 'too many');
      }
      assert.equal(rate.perMinute(nowMs + 60_000), 0);
    }),
  );
});
