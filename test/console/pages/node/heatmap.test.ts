import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  layOutHeatmap,
  levelOf,
  LEVELS,
  quantileMs,
} from '../../../../src/console/pages/node/heatmap.js';
import { history } from './histories.js';

test('one slow message shows beside a thousand quick ones, and darker is more', () => {
  const heatmap = layOutHeatmap(history());
  assert.deepEqual(
    heatmap.cells.map(({ step, row, count, level }) => [step, row, count, level]),
    [
      [1, 0, 1000, LEVELS],
      [1, 1, 3, 1],
      [2, 0, 900, LEVELS],
      [2, 3, 1, 1],
    ],
  );
  assert.equal(heatmap.total, 1904);
});

test('slow ranges without messages are left out, time without the node is marked', () => {
  const heatmap = layOutHeatmap(history());
  assert.deepEqual(
    heatmap.rows.map(({ fromMs, toMs }) => [fromMs, toMs]),
    [
      [0, 10],
      [10, 100],
      [100, 1000],
      [1000, 10_000],
    ],
  );
  assert.deepEqual(heatmap.gaps, [{ from: 0, to: 1 }]);
  const slow = history({ latency: { bounds_ms: [10], counts: [[0, 2]] } });
  assert.deepEqual(layOutHeatmap(slow).rows.at(-1), { fromMs: 10, toMs: null, count: 2 });
});

test('the legend names the smallest count of each shade', () => {
  const { levelsFrom, most } = layOutHeatmap(history());
  assert.equal(levelsFrom.length, LEVELS);
  for (const [at, from] of levelsFrom.entries()) {
    assert.equal(levelOf(from, most), at + 1);
    assert.ok(from === 1 || levelOf(from - 1, most) === at);
  }
  assert.equal(levelOf(1, 1), LEVELS);
  assert.equal(levelOf(0, 5), 0);
});

test('quantiles are the upper bounds of their ranges', () => {
  const bounds = [10, 100];
  assert.equal(quantileMs([1, 1, 0], bounds, 0.5), 10);
  assert.equal(quantileMs([1, 1, 0], bounds, 0.99), 100);
  assert.equal(quantileMs([0, 0, 4], bounds, 0.5), Infinity);
  assert.equal(quantileMs([0, 0, 0], bounds, 0.5), null);
});

test('of a long time several steps are one column, the latest ones whole', () => {
  const counts = Array.from({ length: 250 }, (_, step) => (step < 100 ? null : [1, 0]));
  const heatmap = layOutHeatmap(history({ latency: { bounds_ms: [10], counts } }));
  assert.equal(heatmap.stepsPerColumn, 3);
  assert.equal(heatmap.steps, 84);
  assert.equal(heatmap.total, 150);
  assert.deepEqual(heatmap.gaps, [{ from: 0, to: 34 }]);
  assert.ok(heatmap.cells.every(({ count }) => count === 3));
});
