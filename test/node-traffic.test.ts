import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeTraffic, OTHER_HOP } from '../src/node-traffic.js';
import type { RouteTable } from '../src/route/table.js';
import type { Action, AttemptRecord, HopRecord, RecipientRecord } from '../src/trace/record.js';
import { localHop } from './api/running-node.js';
import { aHopRecord, anAttempt, aRecipientRecord } from './trace/hop-records.js';

function recipients(...actions: Action[]): RecipientRecord[] {
  return actions.map((action) => aRecipientRecord({ action }));
}

/** A table with one hop. */
function tableTo(name: string): RouteTable {
  return { sink: localHop(name, 'sink', 25) } as RouteTable;
}

function attemptTo(hop: string, more: Partial<AttemptRecord> = {}): AttemptRecord {
  return anAttempt({ next_hop: hop, ...more });
}

function accepted(traffic: NodeTraffic, hop: string): number | undefined {
  return traffic.hops.get(hop)?.attempts.get('message')?.get('accepted');
}

test('a recipient counts once for being delayed and once for its end', () => {
  const traffic = new NodeTraffic();
  const steps: Action[][] = [
    ['queued', 'queued'],
    ['delayed', 'queued'],
    ['delayed', 'relayed'],
    ['transferred', 'transferred'],
  ];
  for (let step = 1; step < steps.length; step++) {
    const hop: HopRecord = aHopRecord('Q', {
      recipients: recipients(...(steps[step] as Action[])),
    });
    traffic.settled(hop, recipients(...(steps[step - 1] as Action[])));
  }
  assert.deepEqual(Object.fromEntries(traffic.recipients), {
    delayed: 1,
    relayed: 1,
    transferred: 1,
  });
});

test('hops that the table does not name are one, however many there are', () => {
  const traffic = new NodeTraffic();
  traffic.reload(tableTo('core'));
  traffic.attempt(aHopRecord('Q'), attemptTo('core'));
  for (let index = 0; index < 1000; index++) {
    traffic.attempt(aHopRecord('Q'), attemptTo(`mx${index}.example`));
  }
  assert.deepEqual([...traffic.hops.keys()], ['core', OTHER_HOP]);
  assert.deepEqual([accepted(traffic, 'core'), accepted(traffic, OTHER_HOP)], [1, 1000]);
});

test('a reload keeps the counts of the hops that stay, and forgets the others', () => {
  const traffic = new NodeTraffic();
  traffic.reload(tableTo('core'));
  traffic.attempt(aHopRecord('Q'), attemptTo('core'));
  traffic.attempt(aHopRecord('Q'), attemptTo('gone'));
  traffic.reload(tableTo('core'));
  assert.deepEqual([accepted(traffic, 'core'), accepted(traffic, OTHER_HOP)], [1, 1]);
  traffic.reload(tableTo('exit'));
  assert.deepEqual([...traffic.hops.keys()], ['exit', OTHER_HOP]);
  assert.equal(accepted(traffic, OTHER_HOP), 1);
});

test('a connection counts when it is made, not when it is used again', () => {
  const traffic = new NodeTraffic();
  const tls = { protocol: 'TLSv1.3', cipher: 'x', verified: true };
  traffic.attempt(aHopRecord('Q'), attemptTo('a', { remote: '192.0.2.1:25', reused: false, tls }));
  traffic.attempt(aHopRecord('Q'), attemptTo('a', { remote: '192.0.2.1:25', reused: true, tls }));
  traffic.attempt(aHopRecord('Q'), attemptTo('a', { remote: null, reused: false, tls: null }));
  const hop = traffic.hops.get(OTHER_HOP);
  assert.equal(hop?.connections, 1);
  assert.deepEqual([...(hop?.tls ?? [])], [['TLSv1.3', 1]]);
});

test('a report counts, and one that has to wait for its rate counts twice', () => {
  const traffic = new NodeTraffic();
  const report = (at: string | null): HopRecord =>
    aHopRecord('Q', {
      bounce_of: 'Q1',
      recipients: [aRecipientRecord({ action: 'queued', next_attempt_at: at })],
    });
  traffic.accepted(aHopRecord('Q'));
  traffic.accepted(report(null));
  traffic.accepted(report('2026-01-01T00:00:00.000Z'));
  assert.deepEqual([traffic.reports, traffic.reportsPostponed], [2, 1]);
});

test('times are observed in seconds, and what is not known is not observed', () => {
  const traffic = new NodeTraffic();
  traffic.attempt(aHopRecord('Q'), attemptTo('a', { duration_ms: 1500, phases_ms: { dot: 300 } }));
  traffic.finished(aHopRecord('Q', { queue_wait_ms: 20, total_ms: 2500 }));
  traffic.finished(aHopRecord('Q', { queue_wait_ms: null, total_ms: 1000 }));
  assert.equal(traffic.hops.get(OTHER_HOP)?.seconds.sum, 1.5);
  assert.equal(traffic.phaseSeconds.get('dot')?.sum, 0.3);
  assert.equal(traffic.phaseSeconds.get('tls')?.sum, 0);
  assert.equal(traffic.queueSeconds.sum, 3.5);
  assert.equal(traffic.waitSeconds.sum, 0.02);
  assert.equal(traffic.finishedMessages, 2);
});
