import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isoTime } from '../../src/format/iso-time.js';

test('a time is written as toISOString writes it', () => {
  const near = fc.integer({ min: -5000, max: 5000 }).map((ms) => 1_790_000_000_000 + ms);
  const any = fc.date({ noInvalidDate: true }).map((date) => date.getTime());
  fc.assert(
    fc.property(fc.array(fc.oneof(near, any), { minLength: 1, maxLength: 20 }), (times) => {
      for (const ms of times) assert.equal(isoTime(ms), new Date(ms).toISOString());
    }),
  );
});

test('a fraction of a millisecond is cut off', () => {
  assert.equal(isoTime(1_790_000_000_007.9), new Date(1_790_000_000_007).toISOString());
  assert.equal(isoTime(-0.5), new Date(0).toISOString());
});

test('what is no time is refused', () => {
  assert.throws(() => isoTime(Number.NaN), RangeError);
  assert.throws(() => isoTime(9e15), RangeError);
});
