import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFailure, runFleet } from './fleet.js';
import { runSeed } from './run-seed.js';

/** Fewer or more than the 10,000 of a full run. */
const SEEDS = Number(process.env['RELAYMESH_SIMULATION_SEEDS'] ?? 10_000);

test(`${SEEDS} seeds: nothing is lost, and nothing comes twice between own tiers`, async (t) => {
  const { failures, failed, stats } = await runFleet({ from: 0, seeds: SEEDS });
  t.diagnostic(
    `${stats.acknowledged} messages acknowledged, ${stats.kills} kills, ${stats.powerCuts} power cuts, ${stats.refusedWrites} refused writes, ${stats.attempts} attempts`,
  );
  const [first] = failures;
  assert.equal(failed, 0, first === undefined ? '' : describeFailure(first));
  // A world in which nothing goes wrong proves nothing.
  assert.ok(stats.kills > SEEDS / 2 && stats.powerCuts > SEEDS / 5, 'processes and machines die');
  assert.ok(stats.refusedWrites > SEEDS / 2, 'drives refuse');
  assert.ok(stats.acknowledged > SEEDS, 'clients are served all the same');
  assert.ok(stats.duplicatesAllowed > 0, 'foreign hops lose their replies');
});

test('one seed is one run, byte for byte', async () => {
  for (const seed of [1, 22, 333, 4444]) {
    const [one, other] = [await runSeed(seed, null, true), await runSeed(seed, null, true)];
    assert.deepEqual(one.log, other.log, `seed ${seed}`);
    assert.equal(one.digest, other.digest);
  }
});

test('two seeds are two runs', async () => {
  const [one, other] = [await runSeed(1, null, true), await runSeed(2, null, true)];
  assert.notEqual(one.digest, other.digest);
});
