import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StepOutcome } from '../../../../src/topology/lab/evidence.js';
import {
  judgeSteps,
  offenderOf,
  verdictOf,
  warningsOf,
} from '../../../../src/topology/lab/expect/judge.js';
import type { Finding, Verdict } from '../../../../src/topology/lab/verdict.js';

function step(fields: Partial<StepOutcome>): StepOutcome {
  return {
    index: 0,
    title: 'wait drained',
    startedMs: 0,
    endedMs: 1,
    failure: null,
    broken: null,
    ...fields,
  };
}

test('a step that failed is a failure, one that broke makes the test inconclusive', () => {
  const failed = judgeSteps([step({}), step({ failure: 'not in 30 s' })]);
  assert.deepEqual(failed, [
    { kind: 'steps', verdict: 'FAIL', expected: 'wait drained', actual: 'not in 30 s' },
  ]);
  assert.deepEqual(verdictOf(failed), { verdict: 'FAIL', reason: null });
  const broken = judgeSteps([
    step({ failure: 'not in 30 s' }),
    step({ title: 'start core', broken: 'never ready' }),
  ]);
  assert.deepEqual(verdictOf(broken), {
    verdict: 'INCONCLUSIVE',
    reason: 'start core: never ready',
  });
});

test('the verdict: a failure counts more than what is uncertain, a start that failed most', () => {
  const finding = (verdict: Verdict, offender?: string): Finding => ({
    kind: 'path',
    verdict,
    expected: 'a',
    actual: 'b',
    ...(offender === undefined ? {} : { offender }),
  });
  const all = [finding('PASS'), finding('INCONCLUSIVE', 'unclear'), finding('FAIL', 'wrong')];
  assert.deepEqual(verdictOf(all), { verdict: 'FAIL', reason: null });
  assert.equal(offenderOf(all), 'wrong');
  assert.deepEqual(verdictOf(all.slice(0, 2)), { verdict: 'INCONCLUSIVE', reason: 'path: b' });
  assert.equal(offenderOf(all.slice(0, 2)), 'unclear');
  assert.deepEqual(verdictOf(all.slice(0, 1)), { verdict: 'PASS', reason: null });
  assert.equal(offenderOf(all.slice(0, 1)), null);
  assert.deepEqual(verdictOf(all, 'port busy'), { verdict: 'INCONCLUSIVE', reason: 'port busy' });
});

test('a fault that never acted is a warning', () => {
  const steps = [
    step({ title: 'fault mx rcpt', fault: { matched: 0, acted: 0 } }),
    step({ title: 'fault mx data', fault: { matched: 3, acted: 0 } }),
    step({ title: 'fault mx mail', fault: { matched: 3, acted: 1 } }),
    step({}),
  ];
  assert.deepEqual(warningsOf(steps), [
    'fault mx rcpt: it never acted (nothing matched it)',
    'fault mx data: it never acted (3 matched it)',
  ]);
});
