import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resultsOf } from './case-result.js';
import { renderTable } from './table.js';

test('the table of the README has a line for each relay, with what was measured of it', () => {
  const round = {
    cpuUs: 250,
    peakBytes: 2e8,
    broker: null,
    busyCores: null,
    replyMs: null,
    arrivalMs: { p50: 1.25, p99: 9 },
  };
  const measured = (name: string, perSecond: number, failure: string | null = null) => ({
    name,
    description: '',
    failure,
    readyMs: null,
    startPeakBytes: null,
    syncs: 0.05,
    rounds: failure === null ? [{ ...round, perSecond }] : [],
  });
  const subjects = resultsOf(
    [measured('relaymesh', 2700), measured('floor', 3000), measured('postfix', 0, 'it ended')],
    'floor',
  );
  const machine = {
    cpu: 'a processor',
    cores: 2,
    memoryBytes: 8e9,
    kernel: '6.1',
    node: 'v20',
    syncsPerSecond: 1000,
  };
  const one = {
    name: 'base',
    title: 'the base',
    load: { sessions: 50, messages: 4000, bytes: 5000, kept: true },
    protection: 'clear' as const,
    replyDelayMs: 0,
    source: 'ours' as const,
    sink: 'ours' as const,
    rounds: 1,
    reference: 'floor',
    showsStart: false,
    drains: false,
    tiers: null,
    syncMs: null,
    subjects,
    absent: [],
  };
  const lines = renderTable([{ machine, cases: [one] }]).split('\n');
  assert.equal(
    lines[4],
    '| base: the base | relaymesh | 2700 (2700–2700) | 0.90 | 250 (250–250) | 200 | 0.05 | 1.25, 9.00 |',
  );
  assert.match(lines[5] ?? '', /^\| {2}\| floor \| 3000 \(3000–3000\) \| 1 \|/);
  assert.match(lines[6] ?? '', /^\| {2}\| postfix: it ended \|/);
  // What nobody has has no column.
  assert.doesNotMatch(lines[2] ?? '', /250:|broker|cores/);
  const broker = { cpuUs: 120, peakBytes: 1.5e8 };
  const beside = {
    ...measured('relaymesh', 1800),
    rounds: [{ ...round, perSecond: 1800, broker }],
  };
  const shared = { ...one, subjects: resultsOf([beside], 'floor') };
  assert.match(
    renderTable([{ machine, cases: [shared] }]),
    /\| 250 \(250–250\) \| 120 \| 200 \| 150 \| 0\.05 \|/,
  );
});
