import path from 'node:path';
import { RelayError } from '../../base/errors.js';
import { checkTopology } from '../check.js';
import { describeFault, type Fault, type RuleId } from '../fault.js';
import type { TestEntry } from '../schema-tests.js';
import type { Topology } from '../schema.js';
import { RunnerError } from '../runner/runner-error.js';
import { localTopology, NOT_OF_THE_RUN, patchedTopology } from './local-topology.js';

/** One run of a test that is about to begin. */
export interface PlannedTest {
  /** Absolute. */
  file: string;
  shownFile: string;
  topology: Topology;
  test: TestEntry;
  run: number;
  seed: number;
}

export interface PlanOptions {
  /** Part of the names, in any case. */
  filter?: string | undefined;
  repeat: number;
  /** Instead of the seeds in the files. */
  seed?: number | undefined;
  env: Readonly<Record<string, string | undefined>>;
  notice: (text: string) => void;
}

const SEEDS = 4_294_967_296;
const MAX_NAMED = 12;

/** Warnings about the tests themselves; `validate` shows all the others. */
const ABOUT_TESTS: ReadonlySet<RuleId> = new Set(['unfit-step', 'unfit-expectation']);

/**
 * Checks all files and says what is to run: the tests in the order of the files, each as often as
 * it is repeated. A topology that cannot run here, as it is or with the `change` of a test, is
 * refused before anything is started.
 *
 * @throws RunnerError TOPOLOGY_REFUSED, LAB_NO_TESTS or LAB_NOTHING_MATCHES; what is wrong with the
 *   files is noticed before.
 */
export async function planTests(
  files: readonly string[],
  options: PlanOptions,
): Promise<PlannedTest[]> {
  const { filter, repeat, seed } = options;
  const found: { shownFile: string; topology: Topology; test: TestEntry }[] = [];
  for (const { shownFile, topology } of await checkAll(files, options)) {
    if (topology.tests.length === 0) {
      throw refusal('LAB_NO_TESTS', `${shownFile} has no tests`, 'Give it some in `tests:`.');
    }
    found.push(...topology.tests.map((test) => ({ shownFile, topology, test })));
  }
  const wanted = found.filter(
    ({ test }) => filter === undefined || test.name.toLowerCase().includes(filter.toLowerCase()),
  );
  if (wanted.length === 0) {
    const names = found.slice(0, MAX_NAMED).map(({ test }) => test.name);
    const more = found.length > names.length ? ', …' : '';
    throw refusal(
      'LAB_NOTHING_MATCHES',
      `no test has '${filter ?? ''}' in its name`,
      `There are: ${names.join(', ')}${more}`,
    );
  }
  return wanted.flatMap(({ shownFile, topology, test }) =>
    Array.from({ length: repeat }, (_, index) => ({
      file: path.resolve(shownFile),
      shownFile,
      topology,
      test,
      run: index + 1,
      seed: ((seed ?? test.seed) + index) % SEEDS,
    })),
  );
}

async function checkAll(
  files: readonly string[],
  { env, notice }: PlanOptions,
): Promise<{ shownFile: string; topology: Topology }[]> {
  const sound: { shownFile: string; topology: Topology }[] = [];
  const faulty: string[] = [];
  for (const shownFile of files) {
    const checked = await check(shownFile, env, notice);
    if (checked === null) faulty.push(shownFile);
    else sound.push({ shownFile, topology: checked });
  }
  if (faulty.length === 0) return sound;
  const which = faulty.length === 1 ? `${faulty[0] ?? ''} has` : `${faulty.join(' and ')} have`;
  throw refusal('TOPOLOGY_REFUSED', `${which} errors: nothing was started`);
}

/** The topology, or null when it has errors, which were noticed. */
async function check(
  file: string,
  env: PlanOptions['env'],
  notice: (text: string) => void,
): Promise<Topology | null> {
  try {
    const { faults, loaded } = await checkTopology(file, { env });
    const matters = (fault: Fault): boolean =>
      fault.severity === 'error'
        ? !NOT_OF_THE_RUN.has(fault.ruleId)
        : ABOUT_TESTS.has(fault.ruleId);
    const shown = faults.filter(matters);
    for (const fault of shown) notice(describeFault(fault));
    const failed = shown.some(({ severity }) => severity === 'error');
    if (loaded === undefined || failed) return null;
    return (await runsHere(file, loaded.topology, notice)) ? loaded.topology : null;
  } catch (error) {
    if (!(error instanceof RelayError)) throw error;
    notice(error.describe());
    return null;
  }
}

/** Whether a topology, and what each of its tests makes of it, can run on this machine. */
async function runsHere(
  file: string,
  { tests }: Topology,
  notice: (text: string) => void,
): Promise<boolean> {
  const runFile = `${file} as it runs here`;
  const local = await localTopology(file, runFile);
  let all = true;
  for (const { name, change } of tests) {
    if (change === undefined) continue;
    try {
      patchedTopology(local, change, runFile);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      notice(`${error.describe()}\n  This comes of the change of the test '${name}'.`);
      all = false;
    }
  }
  return all;
}

function refusal(code: string, message: string, hint?: string): RunnerError {
  return new RunnerError(code, message, 2, {
    fault: 'operator',
    ...(hint === undefined ? {} : { hint }),
  });
}
