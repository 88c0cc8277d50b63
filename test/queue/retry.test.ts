import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as forAll, double, integer, property } from 'fast-check';
import { nextAttemptAt } from '../../src/queue/retry.js';

const INTERVALS = [60, 300, 900];
const NOW_MS = 1_000_000;
const NEVER_MS = Number.MAX_SAFE_INTEGER;

test('the n-th wait follows the n-th attempt and the last one repeats', () => {
  const waits = [1, 2, 3, 4, 50].map(
    (attempts) => (nextAttemptAt(INTERVALS, attempts, NOW_MS, NEVER_MS, 0) - NOW_MS) / 1000,
  );
  assert.deepEqual(waits, [60, 300, 900, 900, 900]);
});

test('chance adds up to a tenth', () => {
  assert.equal(nextAttemptAt(INTERVALS, 1, NOW_MS, NEVER_MS, 0.5) - NOW_MS, 63_000);
  assert.equal(nextAttemptAt(INTERVALS, 1, NOW_MS, NEVER_MS, 1) - NOW_MS, 66_000);
});

test('the expiry is never overshot, and what has expired is due now', () => {
  assert.equal(nextAttemptAt(INTERVALS, 3, NOW_MS, NOW_MS + 5000, 0), NOW_MS + 5000);
  assert.equal(nextAttemptAt(INTERVALS, 3, NOW_MS, NOW_MS - 5000, 1), NOW_MS);
});

test('whatever the schedule, the next attempt lies between now and the expiry', () => {
  forAll(
    property(
      array(integer({ min: 0, max: 1_000_000 }), { maxLength: 5 }),
      integer({ min: 0, max: 1000 }),
      integer({ min: 0, max: 2_000_000_000 }),
      double({ min: 0, max: 1, noNaN: true }),
      (intervals, attempts, lifetimeMs, chance) => {
        const dueMs = nextAttemptAt(intervals, attempts, NOW_MS, NOW_MS + lifetimeMs, chance);
        const waitMs =
          (intervals[Math.min(Math.max(attempts, 1), intervals.length) - 1] ?? 60) * 1000;
        assert.ok(Number.isSafeInteger(dueMs));
        assert.ok(dueMs >= NOW_MS && dueMs <= NOW_MS + lifetimeMs);
        assert.ok(dueMs >= NOW_MS + Math.min(waitMs, lifetimeMs));
        assert.ok(dueMs <= NOW_MS + Math.ceil(waitMs * 1.1));
      },
    ),
  );
});

test('the wait that the hop names takes the place of ours', () => {
  const wait = (attempts: number, askedMs: number): number =>
    nextAttemptAt(INTERVALS, attempts, NOW_MS, NEVER_MS, 0, askedMs) - NOW_MS;
  assert.equal(wait(1, 5000), 5000);
  assert.equal(wait(1, 500_000), 500_000);
  assert.equal(wait(4, 5000), 900_000, 'a short one is not believed for ever');
  assert.equal(wait(4, 1_000_000), 1_000_000);
});
