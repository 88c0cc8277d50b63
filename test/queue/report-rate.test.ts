import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as forAll, array, integer, property, record } from 'fast-check';
import { ReportRate } from '../../src/queue/report-rate.js';

const HOUR_MS = 3_600_000;

function delays(rate: ReportRate, count: number, nowMs: number, perMinute: number): number[] {
  return Array.from({ length: count }, () => rate.delayMs(nowMs, perMinute, HOUR_MS));
}

test("a minute's worth goes at once, the rest in even steps", () => {
  const rate = new ReportRate();
  assert.deepEqual(delays(rate, 6, 1000, 3), [0, 0, 0, 20_000, 40_000, 60_000]);
  assert.deepEqual(delays(new ReportRate(), 3, 0, 1), [0, 60_000, 120_000]);
});

test('what was not used comes back with time, up to a minute of it', () => {
  const rate = new ReportRate();
  delays(rate, 3, 0, 3);
  assert.deepEqual(delays(rate, 2, 20_000, 3), [0, 20_000]);
  assert.deepEqual(delays(rate, 4, 600_000, 3), [0, 0, 0, 20_000]);
});

test('nobody waits longer than the longest wait, and the rate comes back soon after a flood', () => {
  const rate = new ReportRate();
  const flood = delays(rate, 100_000, 0, 60);
  assert.equal(Math.max(...flood), HOUR_MS);
  assert.equal(rate.delayMs(0, 60, HOUR_MS), HOUR_MS);
  assert.equal(rate.delayMs(HOUR_MS + 61_000, 60, HOUR_MS), 0);
});

test('a rate that is changed holds from then on', () => {
  const rate = new ReportRate();
  delays(rate, 120, 0, 60);
  assert.equal(rate.delayMs(0, 60, HOUR_MS), 61_000);
  // What was handed out stands: the next place is after it, with the burst of the new rate.
  assert.equal(rate.delayMs(0, 6, HOUR_MS), 121_000 - 50_000);
  assert.equal(rate.delayMs(0, 6, HOUR_MS), 131_000 - 50_000);
});

test('no more leave in any minute than twice the rate, while nobody is capped', () => {
  forAll(
    property(
      integer({ min: 1, max: 50 }),
      array(
        record({ afterMs: integer({ min: 0, max: 30_000 }), count: integer({ min: 1, max: 40 }) }),
        {
          maxLength: 20,
        },
      ),
      (perMinute, bursts) => {
        const rate = new ReportRate();
        const leave: number[] = [];
        let nowMs = 0;
        for (const { afterMs, count } of bursts) {
          nowMs += afterMs;
          for (const delayMs of Array.from({ length: count }, () =>
            rate.delayMs(nowMs, perMinute, Infinity),
          )) {
            leave.push(nowMs + delayMs);
          }
        }
        leave.sort((a, b) => a - b);
        leave.forEach((atMs, index) => {
          const after = leave[index + 2 * perMinute] ?? Infinity;
          assert.ok(after - atMs >= 60_000 - 0.001, `${after - atMs} ms`);
        });
      },
    ),
  );
});
