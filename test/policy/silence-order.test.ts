import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SilenceOrder } from '../../src/policy/silence-order.js';

function inOrder(order: SilenceOrder<string>): string[] {
  const items: string[] = [];
  for (let first = order.first; first !== null; first = order.first) {
    items.push(first);
    order.remove(first);
  }
  return items;
}

test('who was heard of last stands last, wherever it stood, and who is gone nowhere', () => {
  const order = new SilenceOrder<string>();
  for (const item of ['a', 'b', 'c', 'd', 'e']) order.heard(item);
  for (const item of ['a', 'c', 'e', 'e']) order.heard(item);
  order.remove('b');
  order.remove('b');
  assert.deepEqual([order.has('a'), order.has('b')], [true, false]);
  assert.deepEqual(inOrder(order), ['d', 'a', 'c', 'e']);
  assert.equal(order.first, null);
  order.heard('f');
  order.remove('f');
  order.heard('g');
  assert.deepEqual(inOrder(order), ['g']);
});
