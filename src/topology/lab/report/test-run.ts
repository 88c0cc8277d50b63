import type { TestResult, Verdict } from '../verdict.js';

/** All that one `topology test` did, for the reports. */
export interface TestRun {
  results: readonly TestResult[];
  /** Topology files, as they were named. */
  files: readonly string[];
  durationMs: number;
  /** How often each test was to run. */
  repeat: number;
  /** Ctrl-C came before all tests had run. */
  interrupted: boolean;
}

export function tally(results: readonly TestResult[]): Record<Verdict, number> {
  const counts = { PASS: 0, FAIL: 0, INCONCLUSIVE: 0 };
  for (const { verdict } of results) counts[verdict]++;
  return counts;
}

/** The command that runs one test again as it ran. */
export function commandFor({ file, name, seed }: TestResult): string {
  const parts = ['relaymesh topology test', quoted(file), '--filter', quoted(name, true)];
  return [...parts, '--seed', String(seed), '--keep'].join(' ');
}

/** For a POSIX shell. */
function quoted(text: string, always = false): string {
  return !always && /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
