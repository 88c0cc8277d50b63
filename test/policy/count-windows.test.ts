import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CountWindows } from '../../src/policy/count-windows.js';

test('a window begins with its first event and ends after its length, whatever comes meanwhile', () => {
  const windows = new CountWindows(10);
  assert.equal(windows.add('a', 1000, 0), 1);
  assert.equal(windows.add('a', 1000, 999), 2);
  assert.equal(windows.count('a', 999), 2);
  assert.equal(windows.count('a', 1000), 0);
  assert.equal(windows.add('a', 1000, 1000), 1);
  assert.equal(windows.count('b', 1000), 0);
});

test('beyond its keys the windows that began first are forgotten', () => {
  const windows = new CountWindows(4);
  for (const [index, key] of ['a', 'b', 'c', 'd'].entries()) windows.add(key, 1000, index);
  assert.equal(windows.add('a', 1000, 4), 2);
  windows.add('e', 1000, 5);
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'e'].map((key) => windows.count(key, 6)),
    [0, 0, 1, 1, 1],
  );
  assert.ok(windows.size <= 4);
});

test('a million keys take no more room than is allowed, and the last ones are remembered', () => {
  const windows = new CountWindows(10_000);
  for (let index = 0; index < 1_000_000; index++) windows.add(`${index}`, 60_000, index / 1000);
  assert.ok(windows.size <= 10_000);
  for (let index = 995_000; index < 1_000_000; index++) {
    assert.equal(windows.count(`${index}`, 1000), 1, `${index}`);
  }
});
