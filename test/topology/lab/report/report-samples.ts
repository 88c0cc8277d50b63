import type { TestRun } from '../../../../src/topology/lab/report/test-run.js';
import type { TestResult } from '../../../../src/topology/lab/verdict.js';

export function testResult(fields: Partial<TestResult> = {}): TestResult {
  return {
    file: 'topologies/mesh.yaml',
    name: 'all mail arrives',
    run: 1,
    seed: 1,
    verdict: 'PASS',
    findings: [
      {
        kind: 'delivered',
        verdict: 'PASS',
        expected: '200 different messages at mx',
        actual: '200 different messages',
      },
    ],
    warnings: [],
    durationMs: 3214,
    reason: null,
    waterfall: null,
    workdir: null,
    ...fields,
  };
}

export const FAILED = testResult({
  name: "survives the loss of edge's core",
  seed: 7,
  verdict: 'FAIL',
  findings: [
    {
      kind: 'steps',
      verdict: 'PASS',
      expected: 'every step comes true',
      actual: '5 steps',
    },
    {
      kind: 'delivered',
      verdict: 'FAIL',
      expected: '200 different messages at mx',
      actual: '199 different messages; accepted and at no sink: message 17 to <u17>&"x"@x.test',
      offender: 'lab.17@mesh.test',
    },
    {
      kind: 'queued',
      verdict: 'INCONCLUSIVE',
      expected: '0 messages in core-a at the end',
      actual: 'core-a does not run, so its queue is not known',
    },
  ],
  warnings: ['fault mx rcpt "451\u0007 later": it never acted (nothing matched it)'],
  durationMs: 12_345,
  waterfall:
    'Message lab.17@mesh.test\n  edge  |==>  core-a\n\n  core-a: \u001b[31mlost\u001b[0m\n',
  workdir: '/tmp/run/mesh-survives',
});

export const UNCLEAR = testResult({
  file: 'topologies/other mesh.yaml',
  name: 'drains',
  verdict: 'INCONCLUSIVE',
  reason: 'start core-b: not ready within 30 s',
  findings: [],
  durationMs: 31_000,
});

export const RUN: TestRun = {
  results: [testResult(), FAILED, UNCLEAR],
  files: ['topologies/mesh.yaml', 'topologies/other mesh.yaml'],
  durationMs: 46_559,
  repeat: 1,
  interrupted: false,
};
