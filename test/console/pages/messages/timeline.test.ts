import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeHops } from '../../../../src/console/pages/messages/timeline.js';
import { at, attempt, hop, instant, recipient } from './chain-traces.js';

test('each hop stands behind the one that sent it, whatever the order of the answer', () => {
  const edge = hop('edge', 0, { attempts: [attempt('a1', 10, 20)] });
  const core = hop('core', 25, {
    parent_span_id: 'a1',
    path: ['edge'],
    attempts: [attempt('a2', 30, 5, { next_hop: 'exit' })],
  });
  const exit = hop('exit', 33, { parent_span_id: 'a2', path: ['edge', 'core'] });
  const placed = placeHops([exit, core, edge]);
  assert.deepEqual(
    placed.map(({ hop: { node }, depth, parent }) => [node, depth, parent?.hop.node ?? null]),
    [
      ['edge', 0, null],
      ['core', 1, 'edge'],
      ['exit', 2, 'core'],
    ],
  );
});

test('a clock that differs moves the hop and its attempts, and no duration', () => {
  const edge = hop('edge', 0, { attempts: [attempt('a1', 10, 20)] });
  const core = hop('core', 3_600_025, {
    parent_span_id: 'a1',
    clock_offset_ms: 3_600_000,
    queue_wait_ms: 4.5,
    attempts: [attempt('a2', 3_600_030, 5), attempt('a3', 3_601_030, 7)],
  });
  const [, placed] = placeHops([edge, core]);
  assert.ok(placed !== undefined);
  assert.equal(placed.startMs, instant(25));
  assert.equal(placed.clockOffsetMs, 3_600_000);
  assert.deepEqual(
    placed.attempts.map(({ startMs, endMs }) => [startMs - instant(0), endMs - startMs]),
    [
      [29.5, 5],
      [1030, 7],
    ],
  );
});

test('rounding puts no hop before the attempt that brought it', () => {
  const edge = hop('edge', 0, { queue_wait_ms: 1.4, attempts: [attempt('a1', 1, 3)] });
  const core = hop('core', 0, { parent_span_id: 'a1' });
  assert.equal(placeHops([edge, core])[1]?.startMs, instant(1.4));
});

test('a report stands behind the message that it is about and moves with it', () => {
  const edge = hop('edge', 0, { attempts: [attempt('a1', 10, 20)] });
  const core = hop('core', -60_000 + 25, { parent_span_id: 'a1', clock_offset_ms: -60_000 });
  const report = hop('core', -60_000 + 40, {
    queue_id: 'Q-report',
    span_id: 'span-report',
    bounce_of: 'Q-core',
  });
  const placed = placeHops([report, core, edge]);
  assert.equal(placed[2]?.hop.queue_id, 'Q-report');
  assert.equal(placed[2].parent?.hop.node, 'core');
  assert.equal(placed[2].startMs, instant(40));
});

test('a hop of an attempt that is no longer kept is found by the answer to a later one', () => {
  const answered = attempt('a2', 2000, 5, { next_hop: 'core', remote_queue_id: 'Q-core' });
  const edge = hop('edge', 0, { attempts: [answered], attempts_dropped: 1 });
  const core = hop('core', 20, { parent_span_id: 'gone', path: ['edge'] });
  assert.equal(placeHops([core, edge])[1]?.parent?.hop.node, 'edge');
});

test('attempts are numbered over those that are no longer kept', () => {
  const attempts = [attempt('a1', 1, 1), attempt('a8', 8000, 1), attempt('a9', 9000, 1)];
  const [placed] = placeHops([hop('edge', 0, { attempts, attempts_dropped: 6 })]);
  assert.deepEqual(
    placed?.attempts.map(({ number }) => number),
    [1, 8, 9],
  );
});

test('hops that name each other as parents are all placed, once', () => {
  const one = hop('one', 0, { parent_span_id: 'span-two' });
  const two = hop('two', 1, { parent_span_id: 'span-one' });
  const nodes = placeHops([one, two]).map(({ hop: { node } }) => node);
  assert.deepEqual(nodes.toSorted(), ['one', 'two']);
});

test('a hop waits while a recipient of it is not settled', () => {
  const waits = hop('edge', 0, { recipients: [recipient('delivered'), recipient('delayed')] });
  const done = hop('core', 0, { recipients: [recipient('failed')], received_at: at(1) });
  assert.deepEqual(
    placeHops([waits, done]).map(({ waiting }) => waiting),
    [true, false],
  );
});

test('a repeat that another node of the tier recognised leads to the hop of the tier', () => {
  const repeat = attempt('again', 10, 20, { next_hop: 'core-3', remote_queue_id: 'Q' });
  const edge = hop('edge', 0, { attempts: [repeat] });
  const core = hop('core-1', 25, {
    tier: 'core',
    queue_id: 'Q',
    parent_span_id: 'never recorded',
    path: ['edge'],
  });
  assert.equal(placeHops([edge, core])[1]?.parent?.hop.node, 'edge');
});
