import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyMemory } from '../../src/queue/body-memory.js';

test('bodies hold memory up to the budget, all together', () => {
  const memory = new BodyMemory(() => 100);
  assert.equal(memory.hold('a', 60), true);
  assert.equal(memory.hold('b', 40), true);
  assert.equal(memory.hold('c', 1), false);
  assert.equal(memory.usedBytes, 100);
});

test('a body that gets no more keeps what it holds', () => {
  const memory = new BodyMemory(() => 100);
  memory.hold('a', 60);
  memory.hold('b', 30);
  assert.equal(memory.hold('b', 41), false);
  assert.equal(memory.usedBytes, 90);
  assert.equal(memory.hold('b', 40), true);
  assert.equal(memory.usedBytes, 100);
});

test('what is given back can be held by others, and only once', () => {
  const memory = new BodyMemory(() => 100);
  memory.hold('a', 100);
  memory.release('a');
  memory.release('a');
  memory.release('never held anything');
  assert.equal(memory.usedBytes, 0);
  assert.equal(memory.hold('b', 100), true);
});

test('a body can always hold less, also when the budget was lowered below what is held', () => {
  let limit = 100;
  const memory = new BodyMemory(() => limit);
  memory.hold('a', 60);
  memory.hold('b', 40);
  limit = 10;
  assert.equal(memory.hold('a', 61), false);
  assert.equal(memory.hold('a', 5), true);
  assert.equal(memory.usedBytes, 45);
  memory.release('b');
  assert.equal(memory.hold('c', 5), true);
});
