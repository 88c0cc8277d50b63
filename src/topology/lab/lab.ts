import { rm } from 'node:fs/promises';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { ApiClient } from '../../api/client.js';
import { systemClock } from '../../base/clock.js';
import { messageOf, RelayError } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import type { StepEntry, TestEntry } from '../schema-tests.js';
import type { RunState } from '../state.js';
import type { Evidence, SentMessage } from './evidence.js';
import { judge, offenderOf, verdictOf, warningsOf } from './expect/judge.js';
import { gather } from './gather.js';
import { Load } from './load/load.js';
import { LocalRun } from './local-run.js';
import { runSteps, type StepsProgress, type StepsResult } from './steps/run-steps.js';
import { durationMs } from './units.js';
import type { Finding, TestResult } from './verdict.js';

/** One test, in one run of it. */
export interface TestJob {
  /** Absolute path of the topology file. */
  file: string;
  /** The same, as it was named. */
  shownFile: string;
  test: TestEntry;
  /** From 1; with `--repeat`. */
  run: number;
  seed: number;
  /** Absolute and empty; removed when the test passes, unless `keep`. */
  workdir: string;
  keep: boolean;
  /** Columns (40 to 400) that the path of an offending message may take; default 100. */
  waterfallWidth?: number;
  signal: AbortSignal;
  onProgress: (progress: TestProgress) => void;
}

export interface TestProgress {
  phase: 'starting' | 'steps' | 'gathering';
  step: string;
  stepNumber: number;
  steps: number;
  sent: number;
  toSend: number;
}

/** What is known of a test at its end. */
type Outcome = Pick<TestResult, 'verdict' | 'findings' | 'warnings' | 'reason' | 'waterfall'>;

/** How long traces that are not settled are asked for again. */
const TRACES_DEADLINE_MS = 5000;
/** Of a test's time, what is kept for the steps when the start has taken all of it. */
const LEAST_STEPS_MS = 1000;
const API_TIMEOUT_MS = 5000;
const DEFAULT_WIDTH = 100;
const MS_PER_NS = 1e-6;
/** The histogram counts its own resolution as delay. */
const DELAY_RESOLUTION_MS = 10;

/** Runs one test from start to end. Never rejects; nothing is left running. */
export async function runTest(job: TestJob): Promise<TestResult> {
  const { shownFile, test, run, seed, workdir, keep } = job;
  const startMs = performance.now();
  let outcome: Outcome;
  try {
    outcome = await startAndRun(job);
  } catch (error) {
    outcome = inconclusive(job.signal.aborted ? 'interrupted' : wordsOf(error));
  }
  const isKept = keep || (outcome.verdict !== 'PASS' && !job.signal.aborted);
  if (!isKept) await rm(workdir, { recursive: true, force: true }).catch(() => undefined);
  return {
    file: shownFile,
    name: test.name,
    run,
    seed,
    ...outcome,
    durationMs: performance.now() - startMs,
    workdir: isKept ? workdir : null,
  };
}

async function startAndRun(job: TestJob): Promise<Outcome> {
  const { file, test, seed, workdir, signal } = job;
  const timeoutMs = durationMs(test.timeout);
  const startMs = performance.now();
  const progress = new Progress(job);
  const overdue = AbortSignal.timeout(timeoutMs);
  const notices: string[] = [];
  let run: LocalRun;
  try {
    run = await LocalRun.start({
      file,
      workdir,
      seed,
      signal: AbortSignal.any([signal, overdue]),
      ...(test.change === undefined ? {} : { change: test.change }),
      journaledSinks: thoseThatEnd(test.steps),
      notice: (text) => notices.push(text),
    });
  } catch (error) {
    const late = overdue.aborted && !signal.aborted;
    return inconclusive(late ? `it did not start within ${test.timeout}` : wordsOf(error));
  }
  try {
    const leftMs = Math.max(LEAST_STEPS_MS, timeoutMs - (performance.now() - startMs));
    const outcome = await runAndJudge(job, run, leftMs, progress);
    return { ...outcome, warnings: [...notices, ...outcome.warnings] };
  } finally {
    await run.end();
  }
}

async function runAndJudge(
  job: TestJob,
  run: LocalRun,
  deadlineMs: number,
  progress: Progress,
): Promise<Outcome> {
  const { test, seed, signal, file } = job;
  const delays = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  const load = new Load({ run, clock: systemClock, testName: test.name, seed });
  let evidence: Evidence | null = null;
  const look = async (sent: SentMessage[]): Promise<void> => {
    delays.disable();
    if (signal.aborted) return;
    progress.gathering();
    evidence = await gather({
      state: run.state,
      topology: run.topology,
      sent,
      steps: [],
      run,
      earlier: await run.journals(sent),
      seed,
      signal,
      deadlineMs: TRACES_DEADLINE_MS,
      stallMs: Math.max(0, delays.max * MS_PER_NS - DELAY_RESOLUTION_MS),
    });
  };
  delays.enable();
  const { outcomes }: StepsResult = await runSteps({
    steps: test.steps,
    run,
    load,
    clock: systemClock,
    signal,
    deadlineMs,
    folder: path.dirname(file),
    onProgress: (now) => progress.steps(now),
    beforeUndo: look,
  });
  const seen = evidence as Evidence | null;
  if (seen === null) return inconclusive('interrupted');
  const findings = judge({ ...seen, steps: outcomes }, test.expect);
  return {
    ...verdictOf(findings),
    findings,
    warnings: warningsOf(outcomes),
    waterfall: await waterfallOf(findings, seen.sent, run.state, job.waterfallWidth),
  };
}

/** The path of one offending message as text; null when there is none, or nobody knows of it. */
async function waterfallOf(
  findings: readonly Finding[],
  sent: readonly SentMessage[],
  state: RunState,
  width = DEFAULT_WIDTH,
): Promise<string | null> {
  const messageId = offenderOf(findings);
  const message = sent.find((one) => one.messageId === messageId);
  if (messageId === null || message === undefined) return null;
  const nodes = Object.entries(state.nodes).toSorted(
    ([a], [b]) => Number(b === message.via) - Number(a === message.via),
  );
  for (const [, { pid, api, apiToken = state.apiToken }] of nodes) {
    if (pid === null || api === null) continue;
    const token = new Secret(apiToken);
    const client = new ApiClient({ url: api, token, timeoutMs: API_TIMEOUT_MS });
    const target = `/trace/${encodeURIComponent(messageId)}?chain=true&width=${width}`;
    const text = await client.getText(target, 'text/plain').catch(() => null);
    if (text !== null) return text;
  }
  return null;
}

/** Sinks forget what they have when they end: what these take is written down. Nodes among them
 * are no matter. */
function thoseThatEnd(steps: readonly StepEntry[]): string[] {
  return [...new Set(steps.flatMap(({ kill = [], stop = [] }) => [kill, stop].flat()))];
}

function inconclusive(reason: string): Outcome {
  return { verdict: 'INCONCLUSIVE', findings: [], warnings: [], reason, waterfall: null };
}

function wordsOf(error: unknown): string {
  return error instanceof RelayError ? error.describe() : messageOf(error);
}

/** Puts together what is told while a test runs. */
class Progress {
  readonly #job: TestJob;
  readonly #now: TestProgress;
  readonly #sends = new Map<number, { settled: number; total: number }>();

  constructor(job: TestJob) {
    this.#job = job;
    const steps = job.test.steps.length;
    this.#now = { phase: 'starting', step: '', stepNumber: 0, steps, sent: 0, toSend: 0 };
    this.#tell();
  }

  steps(progress: StepsProgress): void {
    this.#now.phase = 'steps';
    if (progress.kind === 'begun') {
      this.#now.step = progress.title;
      this.#now.stepNumber = progress.index + 1;
    } else if (progress.kind === 'sent') {
      this.#sends.set(progress.index, progress);
      const sends = [...this.#sends.values()];
      this.#now.sent = sends.reduce((sum, { settled }) => sum + settled, 0);
      this.#now.toSend = sends.reduce((sum, { total }) => sum + total, 0);
    }
    this.#tell();
  }

  gathering(): void {
    this.#now.phase = 'gathering';
    this.#tell();
  }

  #tell(): void {
    this.#job.onProgress({ ...this.#now });
  }
}
