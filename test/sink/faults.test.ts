import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { RelayError } from '../../src/base/errors.js';
import { loadFaults, parseFaults } from '../../src/sink/faults-file.js';
import { faultRuleSchema, writeFaultRule } from '../../src/sink/fault-rule.js';
import {
  FaultPlan,
  MAX_FAULT_RULES,
  matchesGlob,
  type FaultDelay,
  type FaultRule,
  type FaultVerdict,
} from '../../src/sink/faults.js';
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

function codeOf({ action }: FaultVerdict): number | null {
  return action?.kind === 'reply' ? action.reply.code : null;
}

/** A delay of always the same length. */
function fixed(delayMs: number): FaultDelay {
  return { minMs: delayMs, maxMs: delayMs, distribution: 'uniform' };
}

/** Which of eight messages are closed upon. */
function closes(plan: FaultPlan): boolean[] {
  return Array.from({ length: 8 }, () => plan.judge('message', ['a@x']).action !== null);
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
  const codes = ['a@busy', 'a@idle', 'b@busy', 'c@busy'].map((address) =>
    codeOf(plan.judge('rcpt', [address])),
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
    { at: 'mail', delay: fixed(10) },
    { at: 'mail', delay: fixed(5), reply: { code: 451, text: '' }, first: 1 },
    { at: 'mail', reply: { code: 550, text: '' }, first: 1 },
  ]);
  const judged = Array.from({ length: 3 }, () => plan.judge('mail', ['']));
  assert.deepEqual(
    judged.map((verdict) => [verdict.delayMs, codeOf(verdict)]),
    [
      [15, 451],
      [10, 550],
      [10, null],
    ],
  );
});

test('any of the subjects can match, and other stages are left alone', () => {
  const plan = new FaultPlan([{ at: 'data', match: 'b@*', close: true }]);
  assert.equal(plan.judge('data', ['a@x', 'b@x']).action?.kind, 'close');
  assert.equal(plan.judge('message', ['b@x']).action, null);
});

test('a faults file may be YAML or JSON', () => {
  const rule = { at: 'rcpt', match: '*@x', reply: { code: 451, text: '4.7.1 later' }, first: 3 };
  assert.deepEqual(
    parseFaults('- { at: rcpt, match: "*@x", reply: "451 4.7.1 later", first: 3 }\n', 'f'),
    [rule],
  );
  assert.deepEqual(parseFaults(JSON.stringify([{ at: 'connect', 'delay-ms': 5, every: 2 }]), 'f'), [
    { at: 'connect', delay: fixed(5), every: 2 },
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

test('every key of a rule is read, and written again as it was', () => {
  const rule: FaultRule = {
    at: 'message',
    match: '*@x',
    first: 2,
    every: 3,
    rate: 0.25,
    lose: true,
    delay: { minMs: 100, maxMs: 2000, distribution: 'normal' },
    bytesPerSecond: 500,
    seed: 7,
  };
  const written =
    '- { at: message, match: "*@x", first: 2, every: 3, rate: 0.25, lose: true, delay: 100ms-2s, distribution: normal, bytes-per-second: 500, seed: 7 }';
  assert.deepEqual(parseFaults(written, 'f'), [rule]);
  assert.deepEqual(faultRuleSchema.parse(JSON.parse(JSON.stringify(writeFaultRule(rule)))), rule);
  for (const action of ['close', 'reset', 'stall'] as const) {
    const plain: FaultRule = { at: 'auth', [action]: true, delay: fixed(1500) };
    assert.deepEqual(parseFaults(`- { at: auth, ${action}: true, delay: 1.5s }`, 'f'), [plain]);
    assert.deepEqual(faultRuleSchema.parse(writeFaultRule(plain)), plain);
  }
  const reply: FaultRule = { at: 'starttls', reply: { code: 454, text: '' } };
  assert.deepEqual(faultRuleSchema.parse(writeFaultRule(reply)), reply);
});

test('rules that contradict themselves are refused', () => {
  assert.match(errorOf('- { at: rcpt, reset: true, stall: true }').message, /exclude/);
  assert.match(errorOf('- { at: rcpt, delay: 1s, delay-ms: 5 }').message, /exclude/);
  assert.match(errorOf('- { at: rcpt, lose: true }').message, /message/);
  assert.match(errorOf('- { at: rcpt, delay: 2s-1s }').message, /shorter/);
  assert.match(errorOf('- { at: rcpt, delay: 1h }').message, /10m/);
  assert.match(errorOf('- { at: rcpt, delay: 5 }').message, /string/);
  assert.match(errorOf('- { at: rcpt, close: true, rate: 1.5 }').message, /1/);
  assert.match(errorOf('- { at: rcpt, close: false }').message, /does nothing/);
});

test('a rate is drawn with the seed, and other rules do not change what is drawn', () => {
  const rule: FaultRule = { at: 'rcpt', rate: 0.3, close: true };
  const draw = (plan: FaultPlan): string =>
    Array.from({ length: 400 }, () => (plan.judge('rcpt', ['a']).action ? 'x' : '.')).join('');
  const drawn = draw(new FaultPlan([rule], 5));
  const share = drawn.replaceAll('.', '').length / 400;
  assert.ok(share > 0.22 && share < 0.38, String(share));
  assert.equal(draw(new FaultPlan([rule], 5)), drawn);
  assert.notEqual(draw(new FaultPlan([rule], 6)), drawn);
  assert.equal(
    draw(new FaultPlan([{ ...rule, seed: 9 }], 5)),
    draw(new FaultPlan([{ ...rule, seed: 9 }])),
  );
  const others: FaultRule[] = [
    { at: 'rcpt', rate: 0.5, delay: { minMs: 1, maxMs: 9, distribution: 'uniform' } },
    { at: 'mail', close: true },
  ];
  assert.equal(draw(new FaultPlan([...others, rule], 5)), drawn);
  const both = new FaultPlan([rule], 5);
  both.disarm(both.counts()[0]?.id ?? '');
  both.arm(rule);
  assert.notEqual(draw(both), drawn, 'an equal rule does not begin the same stream again');
});

test('delays keep to their range and to their distribution', () => {
  const mean = (delay: FaultDelay): number => {
    const plan = new FaultPlan([{ at: 'mail', delay }], 3);
    const drawn = Array.from({ length: 2000 }, () => plan.judge('mail', ['']).delayMs);
    assert.ok(drawn.every((ms) => ms >= delay.minMs && ms <= delay.maxMs && Number.isInteger(ms)));
    return drawn.reduce((sum, ms) => sum + ms, 0) / drawn.length;
  };
  const range = { minMs: 100, maxMs: 1100 };
  const near = (value: number, expected: number): void =>
    assert.ok(Math.abs(value - expected) < 25, `${value} is not about ${expected}`);
  near(mean({ ...range, distribution: 'uniform' }), 600);
  near(mean({ ...range, distribution: 'normal' }), 600);
  near(mean({ ...range, distribution: 'exponential' }), 345);
});

test('rules come and go while the plan is in use, and are counted until they go', () => {
  const plan = new FaultPlan();
  assert.equal(plan.judge('rcpt', ['a']).action, null);
  const id = plan.arm({ at: 'rcpt', match: 'a', every: 2, close: true });
  const other = plan.arm({ at: 'rcpt', bytesPerSecond: 10 });
  const [pace] = plan.judge('rcpt', ['a']).paces;
  plan.judge('rcpt', ['a']);
  plan.judge('rcpt', ['b']);
  assert.deepEqual(
    plan.counts().map(({ id, matched, acted }) => [id, matched, acted]),
    [
      [id, 2, 1],
      [other, 2, 2],
    ],
  );
  assert.deepEqual(plan.disarm(id), { matched: 2, acted: 1 });
  assert.equal(plan.disarm(id), null);
  assert.equal(plan.judge('rcpt', ['a']).action, null);
  assert.equal(pace?.isLifted, false);
  plan.disarm(other);
  assert.equal(pace?.isLifted, true);
});

test('the number of rules is bounded', () => {
  const rule: FaultRule = { at: 'rcpt', close: true };
  const plan = new FaultPlan(Array.from({ length: MAX_FAULT_RULES }, () => rule));
  assert.throws(() => plan.arm(rule), { code: 'FAULTS_FULL' });
  plan.disarm('1');
  plan.arm(rule);
});
