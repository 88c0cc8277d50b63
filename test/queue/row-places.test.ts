import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RowPlaces } from '../../src/queue/row-places.js';

test('a place has one number while a row lies there, and the next one takes it over', () => {
  const places = new RowPlaces<{ name: string }>();
  const [a, b] = [{ name: 'a' }, { name: 'b' }];
  const first = places.enter(a);
  assert.equal(places.enter(a), first);
  const second = places.enter(b);
  assert.deepEqual([places.of(first), places.of(second), places.of(0)], [a, b, undefined]);
  places.leave(first);
  assert.equal(places.of(first), a);
  places.leave(first);
  assert.equal(places.of(first), undefined);
  assert.equal(places.enter({ name: 'c' }), first);
  assert.equal(places.of(second), b);
});
