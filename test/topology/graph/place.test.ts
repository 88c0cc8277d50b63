import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeColumn } from '../../../src/topology/graph/place.js';
import type { Spot } from '../../../src/topology/graph/spot.js';

function spots(count: number): Spot[] {
  return Array.from({ length: count }, () => ({
    box: null,
    line: null,
    rank: 0,
    width: 10,
    height: 20,
    margin: 5,
    y: 0,
  }));
}

test('spots with room get what they wish for', () => {
  const column = spots(2);
  placeColumn(column, (spot) => ({ y: spot === column[0] ? 10 : 90, weight: 1 }));
  assert.deepEqual(
    column.map(({ y }) => y),
    [10, 90],
  );
});

test('spots that want the same place share it around that place, in their order', () => {
  const column = spots(3);
  placeColumn(column, () => ({ y: 100, weight: 1 }));
  assert.deepEqual(
    column.map(({ y }) => y),
    [75, 100, 125],
  );
});

test('of two that cannot both have their place the weightier one comes closer to it', () => {
  const column = spots(2);
  placeColumn(column, (spot) => ({ y: 0, weight: spot === column[0] ? 4 : 1 }));
  assert.deepEqual(
    column.map(({ y }) => y),
    [-5, 20],
  );
});
