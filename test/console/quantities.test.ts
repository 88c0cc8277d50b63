import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatFromNow,
  formatInstant,
  formatMilliseconds,
  formatShortCount,
} from '../../src/console/quantities.js';

function assertEach<Value>(format: (value: Value) => string, cases: [Value, string][]): void {
  assert.deepEqual(
    cases.map(([value]) => format(value)),
    cases.map(([, text]) => text),
  );
}

test('counts have separators, and short ones no more than five characters', () => {
  assertEach(formatCount, [
    [0, '0'],
    [999, '999'],
    [100_000, '100,000'],
  ]);
  assertEach(formatShortCount, [
    [0, '0'],
    [999, '999'],
    [1000, '1k'],
    [1999, '1.9k'],
    [100_000, '100k'],
    [999_999, '999k'],
    [3_450_000, '3.4M'],
  ]);
});

test('bytes are binary units', () => {
  assertEach(formatBytes, [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [10_240, '10 KiB'],
    [1024 ** 2 - 1, '1.0 MiB'],
    [5 * 1024 ** 3, '5.0 GiB'],
    [5000 * 1024 ** 4, '5000 TiB'],
  ]);
});

test('durations have their two largest units', () => {
  assertEach(formatDuration, [
    [-1, '0 s'],
    [0.4, '0 s'],
    [59.6, '1 min'],
    [200, '3 min 20 s'],
    [3600, '1 h'],
    [3605, '1 h'],
    [18_120, '5 h 2 min'],
    [1_047_600, '12 d 3 h'],
  ]);
  assertEach(formatMilliseconds, [
    [0, '0 ms'],
    [4.25, '4.3 ms'],
    [850.4, '850 ms'],
    [999.6, '1 s'],
    [1240, '1.24 s'],
    [59_994, '59.99 s'],
    [60_000, '1 min'],
  ]);
});

test('an instant is told from now, and in UTC', () => {
  const now = Date.parse('2026-05-04T12:30:05.750Z');
  assert.equal(formatFromNow(now + 20_000, now), 'in 20 s');
  assert.equal(formatFromNow(now - 90_000, now), '1 min 30 s ago');
  assert.equal(formatFromNow(now + 400, now), 'now');
  assert.equal(formatInstant(now), '2026-05-04 12:30:05Z');
});
