import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { collectChain, collectLocal } from '../../src/trace/collect.js';
import type { ChainHop, ChainTrace, HopRecord } from '../../src/trace/record.js';
import { joinTiers, joinWorkers } from '../../src/trace/tier-hops.js';
import { aRecipientRecord } from './hop-records.js';
import { hop, mesh, nodesOf, span, TRACE } from './sample-mesh.js';
import {
  at,
  deferredAt,
  deliveredAt,
  throughTier,
  tierAttempt,
  tierRecord,
} from './tier-records.js';

function tierHop(found: ChainTrace | null): ChainHop {
  const hops = found?.hops.filter(({ tier }) => tier === 'core') ?? [];
  assert.equal(hops.length, 1, 'the tier is one hop');
  return hops[0] as ChainHop;
}

/** One message at the tier, as its nodes together tell of it. */
function joined(...records: ChainHop[]): ChainHop {
  const hops = joinTiers(records);
  assert.equal(hops.length, 1);
  return hops[0] as ChainHop;
}

function attemptsOf({ attempts }: ChainHop): Array<[string | undefined, string]> {
  return attempts.map(({ node, result }) => [node, result]);
}

test('the nodes of a tier are one hop, whichever node is asked and by whichever id', async () => {
  for (const node of ['a', 'core-1', 'core-2', 'core-3', 'd', 'stranger']) {
    for (const id of [TRACE, 'QA', 'QTIER', 'QD']) {
      const found = await collectChain(id, mesh(node, throughTier()));
      assert.deepEqual(nodesOf(found), ['a', 'core-1', 'd'], `${id} from ${node}`);
      assert.deepEqual([found?.complete, found?.unreachable], [true, []], `${id} from ${node}`);
      const one = tierHop(found);
      assert.deepEqual(attemptsOf(one), [
        ['core-3', 'error'],
        ['core-2', 'accepted'],
      ]);
      assert.deepEqual(
        one.recipients.map(({ action, node: by }) => [action, by]),
        [['transferred', 'core-2']],
      );
      assert.deepEqual([one.action, one.finished_at], ['transferred', at(61_012)]);
      assert.equal(one.accepted_by, undefined);
    }
  }
});

test('records in any order give the same hop', () => {
  const records = throughTier();
  const expected = joinTiers(records).find(({ tier }) => tier !== undefined);
  fc.assert(
    fc.property(fc.shuffledSubarray(records, { minLength: records.length }), (shuffled) => {
      assert.deepEqual(
        joinTiers(shuffled).find(({ tier }) => tier !== undefined),
        expected,
      );
    }),
  );
});

test('each node of a tier shows its own record where the others are not asked', async () => {
  const found = await collectLocal('QTIER', mesh('core-2', throughTier()));
  assert.deepEqual(nodesOf(found), ['core-2']);
  assert.deepEqual(attemptsOf(tierHop(found)), [[undefined, 'accepted']]);
  assert.equal(tierHop(found).accepted_by, 'core-1');
});

test('what another node failed is final, and what was only accepted is no open end', async () => {
  const failed = tierRecord('core-2', {
    action: 'failed',
    finished_at: at(500),
    attempts: [tierAttempt('core-2', 400, { result: 'error', code: 550 })],
    recipients: [aRecipientRecord({ action: 'failed', code: 550, description: 'no such user' })],
  });
  const records = [hop('a', 'core-1', []), tierRecord('core-1'), failed];
  const found = await collectChain(TRACE, mesh('a', records));
  assert.equal(found?.complete, true);
  const one = tierHop(found);
  assert.deepEqual([one.node, one.action, one.recipients[0]?.node], ['core-1', 'failed', 'core-2']);
});

test('a report that a node of the tier made stands behind the hop of the tier', async () => {
  const failed = tierRecord('core-2', {
    action: 'failed',
    recipients: [aRecipientRecord({ action: 'failed' })],
  });
  const report = tierRecord('core-2', {
    queue_id: 'QREPORT',
    span_id: span('report'),
    parent_span_id: failed.span_id,
    bounce_of: 'QTIER',
    path: [],
    action: 'relayed',
    recipients: [aRecipientRecord()],
  });
  const { accepted_by: _acceptedHere, ...made } = report;
  const sent = { ...report, node: 'core-3', accepted_by: 'core-2' };
  const found = await collectChain(
    TRACE,
    mesh('a', [hop('a', 'core-1', []), tierRecord('core-1'), failed, made, sent]),
  );
  assert.deepEqual(
    found?.hops.map(({ node, queue_id: id }) => [node, id]),
    [
      ['a', 'QA'],
      ['core-1', 'QTIER'],
      ['core-2', 'QREPORT'],
    ],
  );
});

test('the last word on a recipient counts, and a node that took it up later has none yet', () => {
  const one = joined(tierRecord('core-1'), deferredAt('core-3', 1000), tierRecord('core-2'));
  assert.deepEqual([one.node, one.action, one.finished_at], ['core-1', 'delayed', null]);
  assert.equal(one.recipients[0]?.next_attempt_at, at(61_000));
  const again = joined(one, deferredAt('core-2', 70_000));
  assert.deepEqual(attemptsOf(again), [
    ['core-3', 'error'],
    ['core-2', 'error'],
  ]);
  assert.equal(again.recipients[0]?.next_attempt_at, at(130_000));
});

test('after a lost reply the node that asked again has the last word', () => {
  const lost = tierRecord('core-3', {
    action: 'delayed',
    attempts: [tierAttempt('core-3', 1000, { result: 'lost', code: null })],
    recipients: [aRecipientRecord({ action: 'delayed', code: null })],
  });
  // Its clock is behind: what is final stands all the same.
  const one = joined(lost, tierRecord('core-1'), deliveredAt('core-2', 900));
  assert.equal(one.action, 'transferred');
  assert.equal(one.attempts.length, 2);
});

test('recipients that went to several nodes are told of together', () => {
  const two = (action: HopRecord['action']) =>
    aRecipientRecord({ action, address: 'two@b.example' });
  const accepted = tierRecord('core-1', {
    recipients: [aRecipientRecord({ action: 'queued' }), two('queued')],
  });
  const part = tierRecord('core-3', {
    queue: 'mx',
    action: 'relayed',
    finished_at: at(90),
    attempts: [tierAttempt('core-3', 80, { recipients: ['two@b.example'] })],
    recipients: [two('relayed')],
  });
  const open = joined(part, accepted);
  assert.deepEqual(
    open.recipients.map(({ address, action }) => [address, action]),
    [
      ['one@b.example', 'queued'],
      ['two@b.example', 'relayed'],
    ],
  );
  assert.deepEqual([open.action, open.finished_at], ['queued', null]);
  const done = joined(part, accepted, deliveredAt('core-2', 200));
  assert.deepEqual([done.action, done.finished_at], ['relayed', at(212)]);
  assert.deepEqual(done.envelope.recipients, ['one@b.example', 'two@b.example']);
});

test('a node that is down is named where it may have the message, and only there', async () => {
  const accepted = [hop('a', 'core-1', []), tierRecord('core-1')];
  const waiting = await collectChain(TRACE, mesh('a', accepted, ['core-2', 'stranger']));
  assert.deepEqual(
    [waiting?.complete, waiting?.unreachable.map(({ node }) => node)],
    [false, ['core-2']],
  );
  // It has been delivered elsewhere.
  const records = throughTier().filter(({ node }) => node !== 'core-3');
  const delivered = await collectChain(TRACE, mesh('a', records, ['core-3']));
  assert.deepEqual([delivered?.complete, delivered?.unreachable], [true, []]);
});

test('the node that accepted heads the hop also when it cannot be asked', async () => {
  const records = throughTier().filter(({ node }) => !['a', 'core-1'].includes(node));
  const found = await collectChain('QTIER', mesh('core-2', records, ['core-1']));
  assert.deepEqual(nodesOf(found), ['core-1', 'd']);
  assert.equal(found?.complete, false);
  assert.deepEqual(
    found.unreachable.map(({ node }) => node),
    ['core-1'],
  );
});

test('in a large mesh the nodes of the tier are asked, and no bystander', async () => {
  const others = Array.from({ length: 70 }, (_, index) => `other${index}`);
  const view = mesh('a', throughTier(), [], others);
  const found = await collectChain(TRACE, view);
  assert.deepEqual(attemptsOf(tierHop(found)).length, 2);
  assert.deepEqual(view.asked.map(([node]) => node).sort(), ['core-1', 'core-2', 'core-3', 'd']);
});

test('a repeat that another node of the tier recognised leads to what it has', async () => {
  const repeat = { ...tierAttempt('a', 5), next_hop: 'core-3', remote_queue_id: 'QTIER' };
  const [, ...behind] = throughTier();
  const records = [
    hop('a', 'core-1', [], { attempts: [repeat] }),
    ...behind.filter(({ node }) => node !== 'core-3'),
  ];
  const found = await collectChain(TRACE, mesh('a', records, [], ['core-3']));
  assert.deepEqual([nodesOf(found), found?.complete], [['a', 'core-1', 'd'], true]);
});

test('who holds the message now is named', () => {
  const waiting = [
    {
      queue: 'd',
      next_hop: 'd',
      state: 'active' as const,
      next_attempt_at: null,
      last_fault: null,
      recipients: ['one@b.example'],
    },
  ];
  const held = joined(tierRecord('core-1'), { ...tierRecord('core-2'), waiting });
  assert.deepEqual(
    held.waiting?.map(({ node, queue }) => [node, queue]),
    [['core-2', 'd']],
  );
  const own = joined({ ...tierRecord('core-1'), waiting }, tierRecord('core-2'));
  assert.deepEqual(own.waiting, waiting);
});

test('the workers of a node are one hop of it, which says who accepted for the tier', () => {
  const workers = [tierRecord('core-2'), deliveredAt('core-2', 200), hop('b', 'c', ['a'])];
  const [own, other, ...more] = joinWorkers(workers);
  assert.deepEqual([own?.node, own?.accepted_by, own?.action], ['core-2', 'core-1', 'transferred']);
  assert.deepEqual(attemptsOf(own as ChainHop), [[undefined, 'accepted']]);
  assert.deepEqual([other, more], [workers[2], []]);
});

test('another message, or another tier, is another hop', () => {
  const other = tierRecord('core-2', { queue_id: 'QOTHER' });
  const elsewhere = tierRecord('exit-1', { tier: 'exit' });
  assert.equal(joinTiers([tierRecord('core-1'), other, elsewhere]).length, 3);
});
