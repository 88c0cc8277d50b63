import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as forAll, integer, property } from 'fast-check';
import { RateWindow } from '../../src/queue/rate-window.js';

test('without a limit nothing waits', () => {
  const window = new RateWindow();
  window.add(0);
  assert.equal(window.waitMs(null, 0), 0);
});

test('an event over the limit waits until the oldest that counts is a minute ago', () => {
  const window = new RateWindow();
  for (const atMs of [0, 10_000, 20_000]) window.add(atMs);
  assert.equal(window.waitMs(4, 20_000), 0);
  assert.equal(window.waitMs(3, 20_000), 40_000);
  assert.equal(window.waitMs(2, 20_000), 50_000, 'a limit that was lowered counts at once');
  assert.equal(window.waitMs(3, 59_999), 1);
  assert.equal(window.waitMs(3, 60_000), 0);
});

test('whoever waits as told never has more than the limit in any 60 seconds', () => {
  const gaps = array(integer({ min: 0, max: 20_000 }), { minLength: 50, maxLength: 400 });
  forAll(
    property(gaps, integer({ min: 1, max: 10 }), (steps, limit) => {
      const window = new RateWindow();
      const events: number[] = [];
      let nowMs = 0;
      for (const gap of steps) {
        nowMs += gap;
        nowMs += window.waitMs(limit, nowMs);
        window.add(nowMs);
        events.push(nowMs);
        const inWindow = events.filter((atMs) => atMs > nowMs - 60_000).length;
        assert.ok(inWindow <= limit, `${inWindow} events in 60 s, limit ${limit}`);
      }
    }),
    { numRuns: 100 },
  );
});

test('memory stays bounded over many events', () => {
  const window = new RateWindow();
  for (let nowMs = 0; nowMs < 1_000_000_000; nowMs += 1000) window.add(nowMs);
  assert.equal(window.waitMs(61, 1_000_000_000), 0);
  assert.equal(window.waitMs(59, 1_000_000_000) > 0, true);
});
