import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Notices } from '../../src/policy/notices.js';

test('one record about each client and cause in a minute, which says how many were left out', () => {
  const notices = new Notices();
  assert.equal(notices.take('x', 'a', 0), 0);
  assert.equal(notices.take('x', 'a', 1000), null);
  assert.equal(notices.take('x', 'a', 59_999), null);
  assert.equal(notices.take('y', 'a', 59_999), 2);
  assert.equal(notices.take('x', 'b', 59_999), 0);
  assert.equal(notices.take('x', 'a', 60_000), 0);
});

test('a hundred records in a minute, however many clients there are', () => {
  const notices = new Notices();
  const taken = Array.from({ length: 10_000 }, (_, index) => notices.take('x', `${index}`, index));
  assert.equal(taken.filter((suppressed) => suppressed !== null).length, 100);
  assert.equal(notices.take('x', 'next', 70_000), 9900);
});
