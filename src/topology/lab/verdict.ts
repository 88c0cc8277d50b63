import type { ExpectationKind } from '../schema-tests.js';

/** INCONCLUSIVE: something that is no fault of the topology kept the test from saying anything. */
export type Verdict = 'PASS' | 'FAIL' | 'INCONCLUSIVE';

/** What came of one expectation. */
export interface Finding {
  /** `steps`: a wait or a reload that did not come true. */
  kind: ExpectationKind | 'steps';
  verdict: Verdict;
  /** As the file has it, in words: `200 different messages at mx`. */
  expected: string;
  /** What came instead, or what came. */
  actual: string;
  /** Message-ID, without brackets, of one message that shows it. */
  offender?: string;
}

/** What came of one test, in one run of it. */
export interface TestResult {
  /** The topology file as it was named. */
  file: string;
  name: string;
  /** From 1; with `--repeat`. */
  run: number;
  seed: number;
  verdict: Verdict;
  findings: Finding[];
  /** What was strange and fails nothing by itself: a fault that never acted. */
  warnings: string[];
  durationMs: number;
  /** Why nothing can be said; null unless INCONCLUSIVE. */
  reason: string | null;
  /** Path of one offending message as text (waterfall), when there is one. */
  waterfall: string | null;
  /** The run's folder, where `--keep` or a failure left it; null: removed. */
  workdir: string | null;
}
