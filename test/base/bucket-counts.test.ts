import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BucketCounts } from '../../src/base/bucket-counts.js';

test('a value counts at the first bound that it does not pass, and above the last by itself', () => {
  const counts = new BucketCounts([1, 2, 5]);
  for (const value of [0, 1, 1.01, 2, 5, 5.01, Infinity]) {
    counts.observe(value);
  }
  assert.deepEqual(counts.counts, [2, 2, 1, 2]);
});

test('the sum is that of the values', () => {
  const counts = new BucketCounts([1]);
  counts.observe(0.5);
  counts.observe(3);
  assert.equal(counts.sum, 3.5);
});
