import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orderOfRound, pairedRatio, quantile, spreadOf } from './statistics.js';

test('a spread has the median, the ends and what was measured', () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, min: 1, max: 3, values: [3, 1, 2] });
  assert.deepEqual(spreadOf([4, 1]), { median: 2.5, min: 1, max: 4, values: [4, 1] });
  assert.equal(spreadOf([]).median, NaN);
  assert.equal(spreadOf([]).max, NaN);
});

test('a quantile lies between the two values nearest to its place', () => {
  const values = Array.from({ length: 101 }, (_, at) => 100 - at);
  assert.equal(quantile(values, 0.99), 99);
  assert.equal(quantile([10, 20], 0.25), 12.5);
  assert.equal(quantile([10], 0.99), 10);
  assert.equal(quantile([], 0.5), NaN);
});

test('ratios are those of the rounds, so that a slow minute changes none', () => {
  assert.deepEqual(pairedRatio([100, 10, 90], [200, 20, 180]).values, [0.5, 0.5, 0.5]);
  assert.deepEqual(pairedRatio([1, 2], [4]).values, [0.25]);
});

test('every second round goes backwards', () => {
  assert.deepEqual(orderOfRound(['a', 'b', 'c'], 0), ['a', 'b', 'c']);
  assert.deepEqual(orderOfRound(['a', 'b', 'c'], 1), ['c', 'b', 'a']);
});
