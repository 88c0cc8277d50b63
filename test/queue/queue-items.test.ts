import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Parked } from '../../src/queue/parked.js';
import { QueueItems } from '../../src/queue/queue-items.js';
import { anItem, idOf } from './samples.js';

const TRAITS = { found: false, tried: false, deferred: false, movable: false };

test('an item is found whether it is in memory or only in the spool, and is counted once', () => {
  const items = new QueueItems();
  const [one, two] = [1, 2].map((number) => anItem(idOf(number)));
  assert.ok(one && two);
  items.add(one);
  items.add(two);
  const parked = items.park(one, 0, TRAITS);
  assert.ok(items.get(one.id) instanceof Parked);
  assert.deepEqual([items.size, items.has(one.id), [...items.residents]], [2, true, [two]]);
  const again = anItem(one.id);
  items.unpark(parked, again);
  assert.equal(items.get(one.id), again);
  assert.deepEqual([items.size, items.rows.size], [2, 0]);
  items.delete(again);
  items.drop(items.park(two, 0, TRAITS));
  assert.deepEqual([items.size, items.has(one.id), items.has(two.id)], [0, false, false]);
});
