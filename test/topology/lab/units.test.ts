import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { RelayError } from '../../../src/base/errors.js';
import {
  bound,
  durationMs,
  durationRangeMs,
  isWithin,
  ratePerSecond,
  shareRange,
  sizeRangeBytes,
} from '../../../src/topology/lab/units.js';

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const unit = fc.constantFrom(...(Object.keys(UNITS) as Array<keyof typeof UNITS>));
const number = fc.integer({ min: 0, max: 9_999_999 });

test('a duration is its number times its unit, with or without a space', () => {
  fc.assert(
    fc.property(number, unit, fc.constantFrom('', ' '), (value, name, space) => {
      assert.equal(durationMs(`${value}${space}${name}`), value * UNITS[name]);
    }),
  );
  assert.equal(durationMs('1.5s'), 1500);
});

test('a range has its two ends, and one value is both of them', () => {
  fc.assert(
    fc.property(number, number, unit, (one, other, name) => {
      const [min, max] = [Math.min(one, other), Math.max(one, other)];
      const ends = { min: min * UNITS[name], max: max * UNITS[name] };
      assert.deepEqual(durationRangeMs(`${min}${name}-${max}${name}`), ends);
      assert.deepEqual(durationRangeMs(`${min}${name}`), { min: ends.min, max: ends.min });
    }),
  );
  assert.deepEqual(sizeRangeBytes('1kB-50kB'), { min: 1000, max: 50_000 });
  assert.deepEqual(sizeRangeBytes('512B-1 KiB'), { min: 512, max: 1024 });
  assert.deepEqual(sizeRangeBytes('2.5MB'), { min: 2_500_000, max: 2_500_000 });
  assert.deepEqual(shareRange('60%-90%'), { min: 0.6, max: 0.9 });
  assert.deepEqual(shareRange('75%'), { min: 0.75, max: 0.75 });
});

test('a rate is per second whatever it is written in', () => {
  assert.equal(ratePerSecond('100/s'), 100);
  assert.equal(ratePerSecond('600/m'), 10);
  assert.equal(ratePerSecond('3600/h'), 1);
  assert.equal(ratePerSecond('0.5/s'), 0.5);
});

test('a bound says on which side of its limit a value has to be', () => {
  const table: ReadonlyArray<[text: string, below: boolean, at: boolean, above: boolean]> = [
    ['< 2s', true, false, false],
    ['<=2s', true, true, false],
    ['> 2s', false, false, true],
    ['>= 2 s', false, true, true],
  ];
  for (const [text, below, at, above] of table) {
    const limit = bound(text);
    assert.equal(limit.limitMs, 2000);
    assert.deepEqual(
      [1999, 2000, 2001].map((value) => isWithin(value, limit)),
      [below, at, above],
      text,
    );
  }
});

test('what means nothing is refused with the text that was written', () => {
  const wrong = [
    () => durationMs('5'),
    () => durationMs('soon'),
    () => durationRangeMs('2s-1s'),
    () => durationRangeMs('1s-2s-3s'),
    () => ratePerSecond('0/s'),
    () => ratePerSecond('5'),
    () => sizeRangeBytes('50kB-1kB'),
    () => sizeRangeBytes('1TB'),
    () => shareRange('90%-60%'),
    () => shareRange('101%'),
    () => bound('2s'),
  ];
  for (const parse of wrong) {
    assert.throws(
      parse,
      (error) => error instanceof RelayError && error.code === 'LAB_VALUE_INVALID',
      parse.toString(),
    );
  }
});
