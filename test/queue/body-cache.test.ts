import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyCache } from '../../src/queue/body-cache.js';
import { BodyMemory } from '../../src/queue/body-memory.js';

test('a body is kept until it is forgotten, and gives its memory back then', () => {
  const memory = new BodyMemory(() => 1000);
  const cache = new BodyCache(memory);
  const body = Buffer.alloc(300);
  cache.keep('a', body);
  assert.equal(cache.get('a'), body);
  assert.equal(memory.usedBytes, 300);
  cache.forget('a');
  cache.forget('a');
  assert.equal(cache.get('a'), undefined);
  assert.equal(memory.usedBytes, 0);
});

test('what a body held on its way in is taken over, not held twice', () => {
  const memory = new BodyMemory(() => 1000);
  const cache = new BodyCache(memory);
  memory.hold('a', 300);
  cache.keep('a', Buffer.alloc(300));
  assert.equal(memory.usedBytes, 300);
});

test('bodies that are kept leave half of the memory to those on their way in', () => {
  const memory = new BodyMemory(() => 1000);
  const cache = new BodyCache(memory);
  cache.keep('a', Buffer.alloc(300));
  memory.hold('b', 300);
  cache.keep('b', Buffer.alloc(300));
  assert.notEqual(cache.get('a'), undefined);
  assert.equal(cache.get('b'), undefined);
  assert.equal(memory.usedBytes, 300, 'what is not kept is given back');
  cache.keep('c', Buffer.alloc(200));
  assert.notEqual(cache.get('c'), undefined, 'a smaller one still fits');
});

test('nothing is kept when bodies on their way in have used the memory up', () => {
  const memory = new BodyMemory(() => 1000);
  const cache = new BodyCache(memory);
  memory.hold('on its way', 950);
  cache.keep('a', Buffer.alloc(100));
  assert.equal(cache.get('a'), undefined);
  assert.equal(memory.usedBytes, 950);
});
