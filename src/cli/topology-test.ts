import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { systemClock, type Clock } from '../base/clock.js';
import { messageOf, RelayError } from '../base/errors.js';
import { runTest, type TestJob } from '../topology/lab/lab.js';
import { testDocument } from '../topology/lab/report/json.js';
import { junitXml } from '../topology/lab/report/junit.js';
import { LiveLine, progressText, type ProgressStream } from '../topology/lab/report/live-line.js';
import { INDENT, resultText, summaryText } from '../topology/lab/report/terminal.js';
import { tally, type TestRun } from '../topology/lab/report/test-run.js';
import { planTests, type PlannedTest } from '../topology/lab/test-plan.js';
import { DEFAULT_TEST_FOLDER, makeTestWorkdir } from '../topology/lab/test-workdir.js';
import type { TestResult } from '../topology/lab/verdict.js';
import { RunnerError } from '../topology/runner/runner-error.js';
import { painter } from '../trace/waterfall-text.js';
import { processSurroundings, type Output } from './api-access.js';
import { writeJson } from './json-output.js';
import type { RunUntilStopped } from './topology-up.js';

interface TestOptions {
  junit?: string;
  json?: boolean;
  filter?: string;
  bail?: boolean;
  keep?: boolean;
  repeat: number;
  seed?: number;
  workdir?: string;
}

/** Everything around the command that a test of it replaces. */
export interface TestSurroundings {
  runTest: (job: TestJob) => Promise<TestResult>;
  output: Output;
  /** Where the live line is drawn. */
  progress: ProgressStream;
  environment: Readonly<Record<string, string | undefined>>;
  clock: Clock;
}

const MAX_SEED = 4_294_967_295;
const MAX_REPEAT = 10_000;

const HELP = `
Every test starts the topology of its file anew, on loopback and with free ports,
made-up secrets and certificates; sinks stand for the hosts outside, so that no
mail leaves the machine. A run that does not pass leaves its folder, with logs and
spools, below .relaymesh/test.

A test, in the file beside the nodes and sinks that it is about:
  tests:
    - name: survives the loss of a core
      steps:
        - send: { via: edge, to: "u{n}@x.test", count: 200, rate: 100/s }
        - { after: 1s, kill: core-a }
        - { after: 3s, start: core-a }
        - wait: { drained: true }
      expect:
        delivered: { sink: mx, unique: 200, duplicates: 0 }

Exit code: 0 all passed, 1 an expectation failed, 2 bad file or usage, 3 something
could not be tested (and nothing failed), 130 interrupted.

Examples:
  $ relaymesh topology test mesh.yaml
  $ relaymesh topology test topologies/*.yaml --junit results.xml
  $ relaymesh topology test mesh.yaml --filter 'loss of a core' --repeat 20 --bail`;

/** `relaymesh topology test FILE…`: runs the tests of topology files, one after the other. */
export function topologyTestCommand(
  setExitCode: (code: number) => void,
  runUntilStopped: RunUntilStopped,
  around: TestSurroundings = ownSurroundings(),
): Command {
  return new Command('test')
    .description('run the tests of topology files: send, break things, and see what is expected')
    .argument('<files...>', 'topology files with tests')
    .option('--junit <file>', 'write the results as JUnit XML too')
    .option('--json', 'print one JSON object instead of lines')
    .option('--filter <text>', 'only tests with this text in their name')
    .option('--bail', 'stop after the first test that fails')
    .option('--keep', 'keep the folders of tests that pass too')
    .option('--repeat <number>', 'run each test so often, with seeds that follow', parseRepeat, 1)
    .option('--seed <number>', 'seed of the first run, instead of that in the file', parseSeed)
    .option('--workdir <dir>', 'folder for the runs (default: .relaymesh/test)')
    .addHelpText('after', HELP)
    .action(async (files: string[], options: TestOptions) => {
      try {
        setExitCode(await testFiles(files, options, runUntilStopped, around));
      } catch (error) {
        if (!(error instanceof RelayError)) throw error;
        around.output.notice(error.describe());
        setExitCode(error instanceof RunnerError ? error.exitCode : 2);
      }
    });
}

function ownSurroundings(): TestSurroundings {
  const { output, environment } = processSurroundings();
  return { runTest, output, progress: process.stderr, environment, clock: systemClock };
}

async function testFiles(
  files: readonly string[],
  options: TestOptions,
  runUntilStopped: RunUntilStopped,
  around: TestSurroundings,
): Promise<number> {
  const { output, clock, environment: env } = around;
  const { filter, repeat, seed, junit } = options;
  const notice = (text: string): void => output.notice(text);
  const plan = await planTests(files, { filter, repeat, seed, env, notice });
  if (junit !== undefined) await makeFolderOf(junit);
  const stopping = new AbortController();
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  // Ctrl-C ends the test that runs, which ends its children; then comes what is known so far.
  const stopped = runUntilStopped(async () => {
    stopping.abort();
    await ended;
  });
  try {
    const startMs = clock.monotonicMs();
    const results = await runAll(plan, options, stopping.signal, around);
    const run: TestRun = {
      results,
      files: [...new Set(plan.map(({ shownFile }) => shownFile))],
      durationMs: clock.monotonicMs() - startMs,
      repeat,
      interrupted: stopping.signal.aborted,
    };
    const written = await report(run, options, output);
    return exitCodeOf(run, written);
  } finally {
    end();
    if (stopping.signal.aborted) await stopped;
  }
}

function exitCodeOf({ interrupted, results }: TestRun, written: boolean): number {
  const { FAIL, INCONCLUSIVE } = tally(results);
  if (interrupted) return 130;
  if (FAIL > 0) return 1;
  if (!written) return 2;
  return INCONCLUSIVE > 0 ? 3 : 0;
}

/** One test after the other, until all have run, one failed with `--bail`, or Ctrl-C. */
async function runAll(
  plan: readonly PlannedTest[],
  options: TestOptions,
  signal: AbortSignal,
  { output, progress, runTest, clock }: TestSurroundings,
): Promise<TestResult[]> {
  const paint = painter(output.color);
  const line = new LiveLine(progress, clock);
  const results: TestResult[] = [];
  const folder = options.workdir ?? DEFAULT_TEST_FOLDER;
  // timers and children of a test may not keep this process alive between two of them
  const alive = setInterval(() => undefined, 3_600_000);
  let heading = '';
  const several = new Set(plan.map(({ shownFile }) => shownFile)).size > 1;
  try {
    for (const planned of plan) {
      if (signal.aborted) break;
      const { test, topology, shownFile, file, run, seed } = planned;
      const workdir = await makeTestWorkdir(folder, topology.name, test.name);
      line.show(test.name);
      const result = await runTest({
        file,
        shownFile,
        test,
        run,
        seed,
        workdir,
        signal,
        keep: options.keep === true,
        ...waterfallWidth(output, options),
        onProgress: (now) => line.show(progressText(test.name, now)),
      });
      line.clear();
      results.push(result);
      // one that holds something stays
      await rmdir(workdir).catch(() => undefined);
      if (options.json !== true) {
        if (several && heading !== shownFile) output.write(`${paint('strong', shownFile)}\n`);
        const columns = output.isTerminal ? output.size().columns : undefined;
        output.write(resultText(result, options.repeat, paint, columns));
        heading = shownFile;
      }
      if (options.bail === true && result.verdict === 'FAIL') break;
    }
  } finally {
    clearInterval(alive);
    line.clear();
    if (options.workdir === undefined) await rmdir(folder).catch(() => undefined);
  }
  return results;
}

/** What fits a terminal behind the indent of a report; where it is for programs, the default. */
function waterfallWidth(output: Output, { json, junit }: TestOptions): { waterfallWidth?: number } {
  if (!output.isTerminal || json === true || junit !== undefined) return {};
  return { waterfallWidth: Math.min(400, Math.max(40, output.size().columns - INDENT.length)) };
}

/** Prints and writes what came of it. False when the file could not be written. */
async function report(run: TestRun, options: TestOptions, output: Output): Promise<boolean> {
  if (options.json === true) writeJson(output, testDocument(run));
  else output.write(`\n${summaryText(run, painter(output.color))}`);
  const { junit } = options;
  if (junit === undefined) return true;
  try {
    await writeFile(junit, junitXml(run));
    return true;
  } catch (error) {
    output.notice(`error: cannot write ${junit}: ${messageOf(error)}`);
    return false;
  }
}

async function makeFolderOf(file: string): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
  } catch (error) {
    throw new RunnerError('LAB_REPORT_UNWRITABLE', `cannot write there: ${messageOf(error)}`, 2, {
      fault: 'operator',
      where: file,
      hint: 'Name another file with --junit.',
    });
  }
}

function parseRepeat(text: string): number {
  const number = Number(text);
  if (!/^\d{1,5}$/.test(text) || number < 1 || number > MAX_REPEAT) {
    throw new InvalidArgumentError(`Give a number from 1 to ${MAX_REPEAT}.`);
  }
  return number;
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (!/^\d{1,10}$/.test(text) || seed > MAX_SEED) {
    throw new InvalidArgumentError(`Give a number from 0 to ${MAX_SEED}.`);
  }
  return seed;
}
