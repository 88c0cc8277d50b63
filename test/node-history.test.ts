import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeHistory } from '../src/api/shape/node.js';
import { NodeHistory } from '../src/node-history.js';
import type { Action, RecipientRecord } from '../src/trace/record.js';
import { VirtualClock } from './base/virtual-clock.js';
import { aHopRecord, anAttempt, aRecipientRecord, queueId } from './trace/hop-records.js';

const START = '2026-01-05T12:00:00.000Z';

function started() {
  const clock = new VirtualClock(Date.parse(START));
  const gauges = { queued: 0, rssBytes: 1000 };
  const history = new NodeHistory({
    node: 'edge',
    clock,
    queued: () => gauges.queued,
    rssBytes: () => gauges.rssBytes,
  });
  history.start();
  return { clock, gauges, history };
}

function recipients(...actions: Action[]): RecipientRecord[] {
  return actions.map((action, index) =>
    aRecipientRecord({ address: `r${index}@b.example`, action }),
  );
}

/** An attempt for the recipients that `asked` names by their places. */
function attempted(history: NodeHistory, before: Action[], after: Action[], asked: number[]): void {
  const hop = aHopRecord(queueId(1), { recipients: recipients(...after) });
  history.attempt(hop, anAttempt({ recipients: asked.map((index) => `r${index}@b.example`) }));
  history.settled(hop, recipients(...before));
}

test('what happens is counted in the step in which it happens', (t) => {
  const { clock, gauges, history } = started();
  t.after(() => history.stop());
  history.accepted(aHopRecord(queueId(1), { size_bytes: 300 }));
  history.accepted(aHopRecord(queueId(2), { size_bytes: 400 }));
  gauges.queued = 2;
  clock.advance(10_000);
  history.accepted(aHopRecord(queueId(3), { size_bytes: 50 }));
  gauges.queued = 1;
  gauges.rssBytes = 2000;
  clock.advance(3000);
  const shown = nodeHistory.parse(history.history);
  assert.equal(shown.node, 'edge');
  assert.deepEqual(
    [shown.received, shown.received_bytes, shown.queued, shown.rss_bytes].map((series) =>
      series.slice(-3),
    ),
    [
      [null, 2, 1],
      [null, 700, 50],
      [null, 2, 1],
      [null, 1000, 2000],
    ],
  );
  assert.deepEqual([shown.received.length, shown.latency.counts.length], [360, 360]);
  // the last step began ten seconds after the start
  const lastAtMs = Date.parse(shown.from) + 359 * shown.step_seconds * 1000;
  assert.equal(new Date(lastAtMs).toISOString(), '2026-01-05T12:00:10.000Z');
});

test('each recipient counts once for its end, and once for each attempt that left it waiting', (t) => {
  const { history } = started();
  t.after(() => history.stop());
  attempted(history, ['queued'], ['delayed'], [0]);
  attempted(history, ['delayed'], ['delayed'], [0]);
  attempted(history, ['delayed'], ['relayed'], [0]);
  attempted(
    history,
    ['queued', 'queued', 'queued', 'delayed', 'delivered', 'failed'],
    ['transferred', 'failed', 'queued', 'delayed', 'delivered', 'failed'],
    [0, 1, 2],
  );
  // an end that no attempt brought: expiry, or an operator
  const hop = aHopRecord(queueId(2), { recipients: recipients('failed', 'delayed') });
  history.settled(hop, recipients('delayed', 'delayed'));
  const { delivered, delayed, failed } = history.history;
  assert.deepEqual([delivered.at(-1), delayed.at(-1), failed.at(-1)], [2, 3, 2]);
});

test('two hosts that were asked in one attempt leave a recipient waiting once', (t) => {
  const { history } = started();
  t.after(() => history.stop());
  const hop = aHopRecord(queueId(1), { recipients: recipients('delayed') });
  for (const remote of ['192.0.2.1:25', '192.0.2.2:25']) {
    history.attempt(hop, anAttempt({ remote, recipients: ['r0@b.example'] }));
  }
  history.settled(hop, recipients('queued'));
  assert.equal(history.history.delayed.at(-1), 1);
});

test('latencies fall into the row of the first bound that they do not exceed', (t) => {
  const { history } = started();
  t.after(() => history.stop());
  const { bounds_ms: bounds } = history.history.latency;
  for (const totalMs of [0, 1, 1.001, 10_000, 86_400_001]) {
    history.finished(aHopRecord(queueId(1), { total_ms: totalMs }));
  }
  history.finished(aHopRecord(queueId(1), { total_ms: null }));
  const counts = history.history.latency.counts.at(-1) as number[];
  assert.equal(counts.length, bounds.length + 1);
  const filled = counts.flatMap((count, row) => (count > 0 ? [[bounds[row] ?? null, count]] : []));
  assert.deepEqual(filled, [
    [1, 2],
    [2, 1],
    [10_000, 1],
    [null, 1],
  ]);
});

test('an hour is kept and no more, and a wall clock that jumps moves nothing', (t) => {
  const { clock, history } = started();
  t.after(() => history.stop());
  history.accepted(aHopRecord(queueId(1)));
  for (let step = 0; step < 359; step++) clock.advance(10_000);
  assert.equal(history.history.received[0], 1);
  clock.setWall(Date.parse(START) - 86_400_000);
  clock.advance(10_000);
  assert.equal(history.history.received.length, 360);
  assert.deepEqual([...new Set(history.history.received)], [0]);
  for (let step = 0; step < 1000; step++) clock.advance(10_000);
  assert.equal(history.history.received.length, 360);
  assert.equal(clock.timers, 1);
});

test('steps in which the process did not run are gaps', (t) => {
  const { clock, history } = started();
  t.after(() => history.stop());
  history.accepted(aHopRecord(queueId(1)));
  // its timers fire late, as of a process that was stopped
  clock.perLookMs = 35_000;
  clock.advance(10_000);
  clock.perLookMs = 0;
  const { received, latency } = history.history;
  const known = received.findIndex((count) => count === 1);
  assert.ok(known > 0 && received.slice(known + 1, -1).length >= 2, String(received));
  assert.deepEqual([...new Set(received.slice(known + 1, -1))], [null]);
  assert.deepEqual([...new Set(latency.counts.slice(known + 1, -1))], [null]);
  assert.equal(received.at(-1), 0);
});

test('a history that was stopped keeps no timer', () => {
  const { clock, history } = started();
  history.stop();
  assert.equal(clock.timers, 0);
});
