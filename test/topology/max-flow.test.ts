import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maxFlow, type FlowEdge } from '../../src/topology/max-flow.js';

/** `a b 3` for three from a to b. */
function edges(...texts: string[]): FlowEdge[] {
  return texts.map((text) => {
    const [from = '', to = '', capacity] = text.split(' ');
    return { from, to, capacity: Number(capacity) };
  });
}

test('the narrowest place of a way is its flow, and ways add up', () => {
  assert.equal(maxFlow(edges('s a 5', 'a t 3'), 's', 't'), 3);
  assert.equal(maxFlow(edges('s a 5', 'a t 3', 's b 2', 'b t 9'), 's', 't'), 5);
  assert.equal(maxFlow(edges('s t 1', 's t 2'), 's', 't'), 3);
});

test('what parts and meets again counts once', () => {
  assert.equal(maxFlow(edges('s a 4', 'a b 9', 'a c 9', 'b t 9', 'c t 9'), 's', 't'), 4);
});

test('a first way that is in the way of others gives room back', () => {
  const crossed = edges('s a 1', 's b 1', 'a c 1', 'a d 1', 'b c 1', 'c t 1', 'd t 1');
  assert.equal(maxFlow(crossed, 's', 't'), 2);
});

test('without any limit the flow is infinite, and without a way it is 0', () => {
  assert.equal(maxFlow(edges('s a Infinity', 'a t Infinity'), 's', 't'), Infinity);
  assert.equal(maxFlow(edges('s a Infinity', 'a t 7'), 's', 't'), 7);
  assert.equal(maxFlow(edges('a s 3', 'b t 3'), 's', 't'), 0);
});

test('a circle does not add to the flow', () => {
  assert.equal(maxFlow(edges('s a 2', 'a b 5', 'b a 5', 'b t 5'), 's', 't'), 2);
});
