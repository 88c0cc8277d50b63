import type { ExpectationKind } from '../../schema-tests.js';
import type { TestResult, Verdict } from '../verdict.js';
import { commandFor, tally, type TestRun } from './test-run.js';

/**
 * What `topology test --json` prints: one document, also when it was interrupted. Its names are
 * stable, further ones may come.
 */
export interface TestDocument {
  version: 1;
  /** How many runs ended so. */
  passed: number;
  failed: number;
  inconclusive: number;
  /** Ctrl-C came before all tests had run. */
  interrupted: boolean;
  duration_ms: number;
  /** Runs of tests, in the order in which they ran. */
  tests: {
    /** The topology file as it was named. */
    file: string;
    name: string;
    /** From 1; with `--repeat`. */
    run: number;
    seed: number;
    verdict: Verdict;
    duration_ms: number;
    /** Why nothing can be said; null unless INCONCLUSIVE. */
    reason: string | null;
    /** The steps first, then the expectations, also those that hold. */
    findings: {
      kind: ExpectationKind | 'steps';
      verdict: Verdict;
      /** In words. */
      expected: string;
      actual: string;
      /** Message-ID, without brackets, of a message that shows it, or null. */
      message_id: string | null;
    }[];
    /** Strange, and no failure by itself. */
    warnings: string[];
    /** The path of one offending message as text, or null. */
    waterfall: string | null;
    /** Folder of the run where it was kept, or null. */
    workdir: string | null;
    /** Runs this test again as it ran. */
    command: string;
  }[];
}

export function testDocument(run: TestRun): TestDocument {
  const counts = tally(run.results);
  return {
    version: 1,
    passed: counts.PASS,
    failed: counts.FAIL,
    inconclusive: counts.INCONCLUSIVE,
    interrupted: run.interrupted,
    duration_ms: Math.round(run.durationMs),
    tests: run.results.map(testOf),
  };
}

function testOf(result: TestResult): TestDocument['tests'][number] {
  return {
    file: result.file,
    name: result.name,
    run: result.run,
    seed: result.seed,
    verdict: result.verdict,
    duration_ms: Math.round(result.durationMs),
    reason: result.reason,
    findings: result.findings.map(({ kind, verdict, expected, actual, offender }) => ({
      kind,
      verdict,
      expected,
      actual,
      message_id: offender ?? null,
    })),
    warnings: result.warnings,
    waterfall: result.waterfall,
    workdir: result.workdir,
    command: commandFor(result),
  };
}
