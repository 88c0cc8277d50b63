import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLANTED } from './planted-defects.js';
import { runSeed } from './run-seed.js';

/** Within how many seeds, from 0 on, each planted defect has to be found, and by which account. */
const DUE: Readonly<Record<string, { withinSeeds: number; by: string }>> = {
  'answered before the sync': { withinSeeds: 3, by: 'not durable' },
  'removed before the 2xx': { withinSeeds: 10, by: 'lost' },
  'delivery key not stored': { withinSeeds: 50, by: 'duplicated' },
  'doubt lost at a restart': { withinSeeds: 2000, by: 'duplicated' },
  'retry forgets a recipient': { withinSeeds: 50, by: 'lost' },
  'failure stored before its report': { withinSeeds: 2000, by: 'lost' },
  'folder not synced': { withinSeeds: 10, by: 'not durable' },
  'refused write acknowledged': { withinSeeds: 500, by: 'lost' },
  'times by the wall clock': { withinSeeds: 2000, by: 'held up' },
};

test('each planted defect has a limit within which it is found', () => {
  assert.deepEqual(Object.keys(DUE).sort(), Object.keys(PLANTED).sort());
});

for (const [defect, { withinSeeds, by }] of Object.entries(DUE)) {
  test(`planted: ${defect} — found within ${withinSeeds} seeds as "${by}"`, async (t) => {
    for (let seed = 0; seed < withinSeeds; seed++) {
      const { failure } = await runSeed(seed, defect);
      if (failure?.kinds.includes(by) === true) {
        t.diagnostic(`by seed ${seed}: ${failure.text.split('\n')[0] ?? ''}`);
        return;
      }
    }
    assert.fail(`${withinSeeds} seeds did not find it`);
  });
}
