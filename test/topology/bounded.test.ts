import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mapBounded } from '../../src/topology/bounded.js';

test('no more are under way than allowed, and the results keep their order', async () => {
  let open = 0;
  let most = 0;
  const results = await mapBounded([5, 4, 3, 2, 1], 2, async (turns) => {
    most = Math.max(most, ++open);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    open--;
    return turns * 10;
  });
  assert.deepEqual(results, [50, 40, 30, 20, 10]);
  assert.equal(most, 2);
});

test('after an error nothing further begins', async () => {
  const begun: number[] = [];
  const work = async (item: number): Promise<void> => {
    begun.push(item);
    await Promise.resolve();
    if (item === 1) throw new Error('no');
  };
  await assert.rejects(mapBounded([1, 2, 3, 4, 5], 1, work), /no/);
  assert.deepEqual(begun, [1]);
});

test('nothing to do is done', async () => {
  assert.deepEqual(await mapBounded([], 3, () => Promise.reject(new Error('called'))), []);
});
