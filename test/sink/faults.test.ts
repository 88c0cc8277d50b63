import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { RelayError } from '../../src/base/errors.js';
import { loadFaults, parseFaults } from '../../src/sink/faults-file.js';
import { FaultPlan, matchesGlob } from '../../src/sink/faults.js';
import { scratchDirectory } from './client.js';

function errorOf(text: string): RelayError {
  try {
    parseFaults(text, 'faults.yaml');
  } catch (error) {
    assert.ok(error instanceof RelayError);
    return error;
  }
  throw new Error('the file was taken');
}

/** Which of eight messages are closed upon. */
function closes(plan: FaultPlan): boolean[] {
  return Array.from({ length: 8 }, () => plan.judge('message', ['a@x']).close);
}

test('a glob fits exactly what its regular expression fits', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '@', '.'), maxLength: 8 });
  const glob = fc.string({ unit: fc.constantFrom('a', 'b', '@', '.', '*', '?'), maxLength: 8 });
  fc.assert(
    fc.property(glob, letters, (pattern, text) => {
      const source = pattern.replace(/[.]/g, '\\.').replaceAll('*', '.*').replaceAll('?', '.');
      assert.equal(matchesGlob(pattern, text), new RegExp(`^${source}$`).test(text));
    }),
    { numRuns: 2000 },
  );
});

test('a glob ignores the case of letters', () => {
  assert.ok(matchesGlob('*@Busy.example', 'JOE@busy.EXAMPLE'));
});

test('`first` acts on the first hits only, and only hits count', () => {
  const plan = new FaultPlan([
    { at: 'rcpt', match: '*@busy', reply: { code: 451, text: 'later' }, first: 2 },
  ]);
  const codes = ['a@busy', 'a@idle', 'b@busy', 'c@busy'].map(
    (address) => plan.judge('rcpt', [address]).reply?.code ?? null,
  );
  assert.deepEqual(codes, [451, null, 451, null]);
});

test('`every` acts on each Nth hit, with `first` at most so many times', () => {
  assert.deepEqual(closes(new FaultPlan([{ at: 'message', every: 3, close: true }])), [
    false,
    false,
    true,
    false,
    false,
    true,
    false,
    false,
  ]);
  assert.deepEqual(closes(new FaultPlan([{ at: 'message', every: 3, first: 1, close: true }])), [
    false,
    false,
    true,
    false,
    false,
    false,
    false,
    false,
  ]);
});

test('delays add up until a rule decides, and rules behind it are not counted', () => {
  const plan = new FaultPlan([
    { at: 'mail', delayMs: 10 },
    { at: 'mail', delayMs: 5, reply: { code: 451, text: '' }, first: 1 },
    { at: 'mail', reply: { code: 550, text: '' }, first: 1 },
  ]);
  const judged = Array.from({ length: 3 }, () => plan.judge('mail', ['']));
  assert.deepEqual(
    judged.map(({ delayMs, reply }) => [delayMs, reply?.code ?? null]),
    [
      [15, 451],
      [10, 550],
      [10, null],
    ],
  );
});

test('any of the subjects can match, and other stages are left alone', () => {
  const plan = new FaultPlan([{ at: 'data', match: 'b@*', close: true }]);
  assert.equal(plan.judge('data', ['a@x', 'b@x']).close, true);
  assert.equal(plan.judge('message', ['b@x']).close, false);
});

test('a faults file may be YAML or JSON', () => {
  const rule = { at: 'rcpt', match: '*@x', reply: { code: 451, text: '4.7.1 later' }, first: 3 };
  assert.deepEqual(
    parseFaults('- { at: rcpt, match: "*@x", reply: "451 4.7.1 later", first: 3 }\n', 'f'),
    [rule],
  );
  assert.deepEqual(parseFaults(JSON.stringify([{ at: 'connect', 'delay-ms': 5, every: 2 }]), 'f'), [
    { at: 'connect', delayMs: 5, every: 2 },
  ]);
  assert.deepEqual(parseFaults('[]', 'f'), []);
});

test('every fault of a faults file is named with its place', () => {
  const error = errorOf(
    '- at: rcpt\n  reply: 451 4.7.1 later\n  frist: 3\n- at: nowhere\n  close: true\n',
  );
  assert.equal(error.code, 'SINK_FAULTS_INVALID');
  const lines = error.describe().split('\n');
  assert.match(lines[0] as string, /^faults\.yaml:3:3: .*frist/);
  assert.match(lines[1] as string, /^faults\.yaml:4:7: /);
});

test('files that are not a list of rules, or more than one, are refused', () => {
  assert.match(errorOf('').describe(), /^faults\.yaml:1:1: must be a list/);
  assert.match(errorOf('at: rcpt\n').describe(), /^faults\.yaml:1:1: must be a list/);
  assert.match(errorOf('[]\n---\n[]\n').describe(), /one YAML document/);
  assert.match(errorOf('- { at: rcpt\n').describe(), /^faults\.yaml:\d+:\d+: /);
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]'];
  for (const [name, inner] of ['b a', 'c b', 'd c', 'e d'].map((pair) => pair.split(' '))) {
    bomb.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${inner}`).join(',')}]`);
  }
  assert.match(errorOf(bomb.join('\n')).describe(), /alias/i);
});

test('a rule that does nothing, or replies and closes, is refused', () => {
  assert.match(errorOf('- { at: rcpt }').message, /does nothing/);
  assert.match(errorOf('- { at: rcpt, close: true, reply: "451" }').message, /exclude/);
  assert.match(errorOf('- { at: rcpt, reply: "no" }').message, /reply/);
  assert.match(errorOf('- { at: rcpt, reply: "451 a\\r\\nb" }').message, /reply/);
});

test('a faults file that cannot be read is an error of the operator', async (t) => {
  const file = join(scratchDirectory(t), 'faults.yaml');
  await assert.rejects(loadFaults(file), { code: 'SINK_FAULTS_UNREADABLE', fault: 'operator' });
  writeFileSync(file, '- { at: connect, close: true }\n');
  assert.deepEqual(await loadFaults(file), [{ at: 'connect', close: true }]);
});
