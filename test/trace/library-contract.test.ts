import assert from 'node:assert/strict';
import { test } from 'node:test';
import NodeCache from 'node-cache';
import { makeBench } from './level-store-bench.js';

/* What node-cache does that the trace store depends on, or makes good. */

test('a full cache throws at every set, also for a key that it holds', () => {
  const cache = new NodeCache({ maxKeys: 1, useClones: false });
  cache.set('a', 1);
  assert.throws(() => cache.set('a', 2));
  assert.throws(() => cache.set('b', 2));
  cache.del('a');
  cache.set('b', 2);
  assert.equal(cache.get('b'), 2);
});

test('without clones it gives back the very object', () => {
  const value = { a: 1 };
  const cache = new NodeCache({ useClones: false });
  cache.set('a', value);
  assert.equal(cache.get('a'), value);
});

test('it finds what a plain object inherits; we find nothing under such names', async (t) => {
  const cache = new NodeCache({ useClones: false });
  const store = await (await makeBench(t)).opened();
  for (const name of ['__proto__', 'constructor', 'toString']) {
    assert.equal(cache.get(name), null, 'not undefined, as for other keys that it does not have');
    assert.deepEqual(await store.find(name), []);
  }
  assert.equal(cache.get('other'), undefined);
});
