import { parentPort, workerData } from 'node:worker_threads';
import { collectGarbage } from '../base/collect-garbage.js';
import { Chance } from '../simulation/chance.js';
import { openHop } from './hop/hop-target.js';
import { openJson } from './json-target.js';
import { openSmtp } from './smtp/smtp-target.js';
import { openSpool } from './spool/spool-target.js';
import { printable, type Target, type TargetName } from './target.js';
import { openYaml } from './yaml-target.js';

/** What a worker is asked to do. */
export interface FuzzWork {
  target: TargetName;
  seed: number;
  from: number;
  cases: number;
  /** Two numbers, the case that is under way and how long its text is; then the text. */
  shared: SharedArrayBuffer;
}

export interface CaseFailure {
  index: number;
  what: string;
  input: string;
}

/** What it answers at its end. */
export interface FuzzResult {
  failures: CaseFailure[];
  cases: number;
  /** Of the heap and what hangs on it, from after the warm-up to the end, both after a collection. */
  grownBytes: number;
  /** The longest case. */
  slowest: { index: number; ms: number };
}

const OPEN: Readonly<Record<TargetName, (seed: number) => Promise<Target>>> = {
  smtp: openSmtp,
  hop: openHop,
  json: openJson,
  yaml: openYaml,
  spool: openSpool,
};

/** A target is built anew after so many cases: what it may keep for a while does not add up. */
const CASES_EACH = 10_000;
const WARM_UP_CASES = 300;
const MAX_FAILURES = 5;

const { target: name, seed, from, cases, shared } = workerData as FuzzWork;
const numbers = new Int32Array(shared, 0, 2);
const text = Buffer.from(shared, 8);
/** Errors that nobody caught: of the case that is under way. */
const crashes: unknown[] = [];
process.on('uncaughtException', (error) => crashes.push(error));
process.on('unhandledRejection', (reason) => crashes.push(reason));

async function runAll(): Promise<FuzzResult> {
  const failures: CaseFailure[] = [];
  const slowest = { index: from, ms: 0 };
  let target: Target | null = null;
  let baseBytes = 0;
  let done = 0;
  for (; done < cases && failures.length < MAX_FAILURES; done++) {
    const index = from + done;
    if (target === null || done % CASES_EACH === 0) {
      await target?.close();
      target = await OPEN[name](seed);
    }
    const startMs = performance.now();
    const what = await runCase(target, index);
    const ms = performance.now() - startMs;
    if (ms > slowest.ms) Object.assign(slowest, { index, ms });
    if (what !== null) {
      failures.push({ index, what, input: text.toString('latin1', 0, numbers[1]) });
      // Nothing that went wrong spoils the next case.
      await target.close().catch(() => undefined);
      target = null;
    }
    if (done + 1 === Math.min(WARM_UP_CASES, Math.ceil(cases / 2))) baseBytes = await heapBytes();
  }
  await target?.close();
  return { failures, cases: done, grownBytes: (await heapBytes()) - baseBytes, slowest };
}

/** What was not as promised, or null. */
async function runCase(target: Target, index: number): Promise<string | null> {
  Atomics.store(numbers, 1, 0);
  Atomics.store(numbers, 0, index);
  const chance = new Chance(`${seed}/${name}/${index}`);
  try {
    await target.run(chance, (input) => {
      Atomics.store(numbers, 1, text.write(printable(input), 'latin1'));
    });
  } catch (error) {
    crashes.unshift(error);
  }
  const [first] = crashes.splice(0);
  return first === undefined ? null : describe(first);
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'Violation' ? error.message : (error.stack ?? error.message);
}

/** After two collections: the first only marks what has finalizers. */
async function heapBytes(): Promise<number> {
  for (let time = 0; time < 2; time++) {
    collectGarbage();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const result = await runAll();
parentPort?.postMessage(result, []);
