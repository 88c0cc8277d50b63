import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  fatesOf,
  hasFailed,
  holderOf,
  isOpen,
} from '../../../../src/console/pages/messages/fates.js';
import { phasesOf } from '../../../../src/console/pages/messages/phases.js';
import { isNews, positionIn } from '../../../../src/console/pages/messages/position.js';
import { attempt, chain, hop, recipient } from './chain-traces.js';

test('a recipient is told of where the last node that knows of it has it', () => {
  const [bob, eve] = [{ address: 'bob@x.test' }, { address: 'eve@x.test' }];
  const edge = hop('edge', 0, {
    attempts: [attempt('a1', 1, 5), attempt('a2', 2, 5)],
    recipients: [recipient('transferred', bob), recipient('transferred', eve)],
  });
  const core = hop('core', 3, {
    parent_span_id: 'a1',
    recipients: [recipient('delayed', bob)],
  });
  assert.deepEqual(
    fatesOf(chain(edge, core)).map(({ node, record }) => [record.address, node, record.action]),
    [
      // The node that has eve's could not be asked.
      ['eve@x.test', 'edge', 'transferred'],
      ['bob@x.test', 'core', 'delayed'],
    ],
  );
});

test('the recipient of a report is told of as such, after the others', () => {
  const edge = hop('edge', 0, { recipients: [recipient('failed')] });
  const report = hop('edge', 9, {
    queue_id: 'R',
    bounce_of: 'Q-edge',
    recipients: [recipient('delivered', { address: 'ann@x.test' })],
  });
  assert.deepEqual(
    fatesOf(chain(report, edge)).map(({ record, reportOf }) => [record.address, reportOf]),
    [
      ['bob@x.test', null],
      ['ann@x.test', 'Q-edge'],
    ],
  );
});

test('a message is at a node while a recipient of it is not settled there', () => {
  assert.ok(isOpen(hop('edge', 0, { recipients: [recipient('failed'), recipient('queued')] })));
  const relayed = hop('edge', 0, { recipients: [recipient('relayed')] });
  assert.ok(!isOpen(relayed) && !hasFailed(relayed));
  assert.ok(hasFailed(hop('edge', 0, { recipients: [recipient('relayed'), recipient('failed')] })));
});

test('phases stand one behind the other in the order of the dialogue', () => {
  const record = attempt('a', 0, 100, { phases_ms: { dot: 50, connect: 10, greeting: 15 } });
  assert.deepEqual(phasesOf(record), [
    { name: 'connect', ms: 10, from: 0, to: 0.1 },
    { name: 'greeting', ms: 15, from: 0.1, to: 0.25 },
    { name: 'dot', ms: 50, from: 0.25, to: 0.75 },
  ]);
  assert.deepEqual(phasesOf(attempt('a', 0, 100)), []);
});

test('the sentence of a trace is its second paragraph', () => {
  const text = 'Trace  1\nFrom   a@x.test\n\nWaiting at core:\nthe login failed.\n\n  0  1 ms\n';
  assert.equal(positionIn(text), 'Waiting at core: the login failed.');
  assert.equal(positionIn(null), null);
  assert.equal(positionIn('Trace 1\n'), null);
});

test('a sentence is news when more than its times has changed', () => {
  const before = 'Waiting at core for exit since 5 s: 535 no; exit is asked again in 2 s.';
  const later = 'Waiting at core for exit since 2 min 3 s: 535 no; exit is asked again now.';
  assert.ok(!isNews(later.replace('now', 'in 1 min'), before));
  assert.ok(isNews('Delivered: mx has it since 12:00:01.123.', before));
  assert.ok(isNews(before.replace('535', '451'), before));
});

test('of a tier the node is named that holds the message, failed it or has the last word', () => {
  const waiting = {
    queue: 'exit',
    next_hop: 'exit',
    state: 'active' as const,
    next_attempt_at: null,
    last_fault: null,
    recipients: ['bob@x.test'],
  };
  const tier = hop('core-1', 0, { tier: 'core', recipients: [recipient('queued')] });
  assert.equal(holderOf(tier), null);
  assert.equal(holderOf({ ...tier, waiting: [waiting] }), 'core-1');
  assert.equal(holderOf({ ...tier, waiting: [{ ...waiting, node: 'core-2' }] }), 'core-2');
  const failed = { ...tier, recipients: [recipient('failed', { node: 'core-3' })] };
  assert.equal(holderOf(failed), 'core-3');
  assert.deepEqual(
    fatesOf(chain(failed)).map(({ node }) => node),
    ['core-3'],
  );
  assert.equal(holderOf(hop('edge', 0, { recipients: [recipient('queued')] })), 'edge');
});
