import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecentKeys } from '../../src/policy/recent-keys.js';

test('a key is remembered for its time since it was last seen', () => {
  const keys = new RecentKeys(10, 1000);
  keys.add('a', 0);
  keys.add('a', 500);
  assert.equal(keys.has('a', 1499), true);
  assert.equal(keys.has('a', 1500), false);
  assert.equal(keys.has('b', 0), false);
});

test('beyond its room the keys seen longest ago are forgotten', () => {
  const keys = new RecentKeys(4, 1000);
  for (const [index, key] of ['a', 'b', 'c', 'a', 'd'].entries()) keys.add(key, index);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => keys.has(key, 5)),
    [true, false, true, true],
  );
});
