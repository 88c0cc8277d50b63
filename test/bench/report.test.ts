import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resultsOf, type CaseResult, type Measured } from './case-result.js';
import { renderCase } from './report.js';
import type { Round } from './round.js';
import { spreadOf } from './statistics.js';

function round(perSecond: number, changes: Partial<Round> = {}): Round {
  return {
    perSecond,
    cpuUs: 1e6 / perSecond,
    peakBytes: perSecond * 1e5,
    broker: null,
    busyCores: null,
    replyMs: null,
    arrivalMs: null,
    ...changes,
  };
}

function measured(name: string, rounds: Round[], changes: Partial<Measured> = {}): Measured {
  return {
    name,
    description: '',
    failure: null,
    readyMs: null,
    startPeakBytes: null,
    syncs: null,
    rounds,
    ...changes,
  };
}

function caseOf(subjects: Measured[], changes: Partial<CaseResult> = {}): CaseResult {
  return {
    name: 'base',
    title: 'what everything is measured from',
    load: { sessions: 50, messages: 4000, bytes: 5000, kept: true },
    protection: 'clear',
    replyDelayMs: 0,
    source: 'smtp-source',
    sink: 'smtp-sink',
    rounds: 3,
    reference: 'floor',
    showsStart: false,
    drains: false,
    tiers: null,
    syncMs: null,
    subjects: resultsOf(subjects, 'floor'),
    absent: [],
    ...changes,
  };
}

test('a case is a heading and a table, with ratios of the rounds', () => {
  const result = caseOf(
    [
      measured('relaymesh', [round(1000), round(500), round(1100)], { syncs: 0.123 }),
      measured('floor', [round(2000), round(1000), round(2000)], { syncs: 0 }),
      measured('postfix', [round(200), round(100), round(300)], { syncs: 1 }),
    ],
    { absent: [{ name: 'haraka', reason: 'not installed' }] },
  );
  assert.equal(
    renderCase(result),
    `base: what everything is measured from
  5 kB, 50 sessions, connections kept, clear, 4,000 messages a round, 3 rounds, source smtp-source, sink smtp-sink
           messages/s    min..max  of floor  relaymesh is  CPU us/message     min..max  peak MB  syncs/message
relaymesh        1000   500..1100      0.50             -            1000    909..2000      110           0.12
floor            2000  1000..2000         -        0.50 x             500    500..1000      200           0.00
postfix           200    100..300      0.10        5.00 x            5000  3333..10000       30           1.00
haraka is not here: not installed
`,
  );
});

test('who failed has what it did until then, and the reason', () => {
  const failed = measured('relaymesh', [round(1000)], { failure: '3 of 10 messages arrived' });
  const text = renderCase(caseOf([failed, measured('floor', [], { failure: 'no greeting' })]));
  assert.match(text, /^relaymesh +1000 /m);
  assert.match(text, /^relaymesh failed: 3 of 10 messages arrived$/m);
  assert.match(text, /^floor +- +- +- +- +-$/m);
});

test('what nobody measured has no column', () => {
  const blind = round(10, { cpuUs: null, peakBytes: null });
  const text = renderCase(caseOf([measured('relaymesh', [blind])]));
  assert.doesNotMatch(text, /CPU|peak|syncs|of floor|250/);
});

test('a broker beside a relay is told apart, and a drain says what it times', () => {
  const beside = round(1000, { broker: { cpuUs: 400, peakBytes: 150e6 }, busyCores: 1.5 });
  const text = renderCase(caseOf([measured('relaymesh', [beside])], { drains: true }));
  assert.match(
    text,
    /4,000 messages a round, queued before, timed from their release on, 3 rounds/,
  );
  assert.match(
    text,
    / CPU us\/message +min\.\.max +of it the broker +peak MB +of it the broker +cores busy\n/,
  );
  assert.match(text, / 1000 +1000\.\.1000 +400 +100 +150 +1\.50\n/);
});

test('a case about delays shows them, and the sync time beside them', () => {
  const timed = round(100, { replyMs: { p50: 2, p99: 5 }, arrivalMs: { p50: 3, p99: 7.125 } });
  const text = renderCase(
    caseOf([measured('relaymesh', [timed, timed])], {
      syncMs: spreadOf([1, 2, 1.5]),
      load: { sessions: 1, messages: 1, bytes: 50_000_000, kept: false, perSecond: 100 },
      rounds: 1,
      protection: 'tls-login',
      replyDelayMs: 20,
      source: 'ours',
      sink: 'ours',
    }),
  );
  assert.match(text, /250 p50 ms {3}p99 {2}arrival p50 ms {3}p99\n/);
  assert.match(text, /2\.00 {2}5\.00 {12}3\.00 {2}7\.13\n/);
  assert.match(text, /1\.50 ms \(1\.00\.\.2\.00\); 1\.5 times that and 2 ms: 4\.25 ms/);
  assert.match(
    text,
    /50 MB, 1 session, a connection a message, TLS and login on both sides, next hop 20 ms away, 100 messages\/s, 1 message a round, 1 round, source of our own, sink of our own/,
  );
});

test('where the start belongs to the case, its time and memory are shown', () => {
  const subject = measured('relaymesh', [round(10)], { readyMs: 1234, startPeakBytes: 90e6 });
  const text = renderCase(caseOf([subject], { showsStart: true }));
  assert.match(text, /ready s {2}peak MB then\n/);
  assert.match(text, /1\.23 {12}90\n/);
});

test('what each of several nodes in a row adds is the difference to none, shared out evenly', () => {
  const arrival = (p50: number, p99: number): Round[] => [
    round(100, { arrivalMs: { p50, p99 } }),
    round(100, { arrivalMs: { p50, p99 } }),
  ];
  const subjects = [
    measured('direct', arrival(1, 4)),
    measured('chain of 3', arrival(10, 64)),
    measured('chain of 1', [], { failure: 'it ended' }),
  ];
  const text = renderCase(caseOf(subjects, { reference: 'direct', tiers: 3 }));
  assert.match(text, /^chain of 3: each adds 3\.00 ms at p50 and 20\.00 ms at p99$/m);
  assert.doesNotMatch(text, /^(?:direct|chain of 1): each/m);
});

test('fewer than ten a second are shown with a decimal', () => {
  const text = renderCase(caseOf([measured('relaymesh', [round(3.14), round(2.72), round(14)])]));
  assert.match(text, /relaymesh {2,}3\.1 {2,}2\.7\.\.14\.0/);
});
