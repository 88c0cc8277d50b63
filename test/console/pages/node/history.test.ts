import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  historyRows,
  perMinute,
  sinceStart,
  timesOf,
} from '../../../../src/console/pages/node/history.js';
import { FROM, history } from './histories.js';

test('rates leave the step out that is not over, and time without the node', () => {
  assert.deepEqual(perMinute(history(), 'received'), [null, 20, 40, null]);
  assert.deepEqual(
    timesOf(history()).map((seconds) => seconds - Date.parse(FROM) / 1000),
    [0, 30, 60, 90],
  );
});

test('the table has the latest stretch first, and says nothing of time without the node', () => {
  const [latest, first] = historyRows(history(), 2);
  assert.equal(latest?.counts.received, 23);
  assert.equal(latest.ends.queued, 1);
  assert.equal(latest.p99Ms, 10);
  assert.equal(first?.counts.received, 10);
  assert.equal(first.toMs - first.fromMs, 60_000);
  const early = history({ received: Array(4).fill(null), rss_bytes: Array(4).fill(null) });
  early.latency.counts = Array(4).fill(null);
  const [none] = historyRows(early, 1);
  assert.equal(none?.counts.received, null);
  assert.equal(none.ends.rss_bytes, null);
  assert.equal(none.p50Ms, null);
});

test('time before the start of the node is left out, but for ten minutes', () => {
  const steps = (value: number | null): (number | null)[] => [
    ...Array<null>(50).fill(null),
    ...Array<number | null>(10).fill(value),
  ];
  const long = history({
    received: steps(1),
    received_bytes: steps(1),
    delivered: steps(1),
    delayed: steps(0),
    failed: steps(0),
    queued: steps(0),
    rss_bytes: steps(1),
    latency: { bounds_ms: [10], counts: steps(1).map((one) => (one === null ? null : [one, 0])) },
  });
  const shown = sinceStart(long);
  assert.equal(shown.received.length, 20);
  assert.equal(shown.latency.counts.length, 20);
  assert.equal(shown.received.indexOf(1), 10);
  assert.equal(Date.parse(shown.from) - Date.parse(FROM), 40 * 30_000);
  assert.deepEqual(perMinute(shown, 'received').at(10), 2);
  // A node that was down in between keeps its gap.
  const whole = { ...long, received: [1, ...long.received.slice(1)] };
  assert.equal(sinceStart(whole), whole);
});
