import { Worker } from 'node:worker_threads';
import type { CaseFailure, FuzzResult, FuzzWork } from './fuzz-worker.js';
import type { TargetName } from './target.js';

/** A case takes milliseconds. One that does not come to its end in this time never does. */
const HANG_MS = 40_000;
const SHARED_BYTES = 64 * 1024;
const MB = 1024 * 1024;
/** What a run may add to the memory, however long it is. */
export const MAX_GROWN_BYTES = 50 * MB;

export interface FuzzOptions {
  target: TargetName;
  seed: number;
  cases: number;
  /** Number of the first case. */
  from?: number;
}

/** What became of the cases of one target. */
export interface FuzzReport extends FuzzResult {
  target: TargetName;
  seed: number;
  tookMs: number;
}

/**
 * Runs cases in a thread of their own: one that never gives the processor back, and one that would
 * end the process, are found like all others.
 */
export async function runFuzz({ target, seed, cases, from = 0 }: FuzzOptions): Promise<FuzzReport> {
  const shared = new SharedArrayBuffer(SHARED_BYTES);
  const startMs = performance.now();
  const result = await runWorker({ target, seed, from, cases, shared });
  return { ...result, target, seed, tookMs: performance.now() - startMs };
}

function runWorker(work: FuzzWork): Promise<FuzzResult> {
  const numbers = new Int32Array(work.shared, 0, 2);
  const under = (what: string): CaseFailure => ({
    index: Atomics.load(numbers, 0),
    what,
    input: Buffer.from(work.shared, 8).toString('latin1', 0, Atomics.load(numbers, 1)),
  });
  return new Promise((resolve) => {
    const worker = new Worker(new URL('fuzz-worker.js', import.meta.url), { workerData: work });
    const settle = (result: FuzzResult): void => {
      clearInterval(watch);
      resolve(result);
    };
    const failed = (what: string): void => {
      const failure = under(what);
      void worker.terminate();
      const slowest = { index: failure.index, ms: 0 };
      settle({ failures: [failure], cases: failure.index - work.from + 1, grownBytes: 0, slowest });
    };
    let before = -1;
    const watch = setInterval(() => {
      const now = Atomics.load(numbers, 0);
      if (now === before) failed(`a hang: no end within ${HANG_MS / 1000} s`);
      before = now;
    }, HANG_MS);
    worker.on('message', settle);
    worker.on('error', (error) => failed(`a crash: ${error.stack ?? error.message}`));
    worker.on('exit', (code) => failed(`the thread ended with ${code}`));
  });
}

/** What is wrong with a run, or null. Each failure with what was sent and how to see it again. */
export function describeFailures({
  target,
  seed,
  failures,
  grownBytes,
}: FuzzReport): string | null {
  const texts = failures.map(({ index, what, input }) =>
    [
      `${target}, seed ${seed}, case ${index}: ${what}`,
      input,
      `again: npm run fuzz -- --target ${target} --seed ${seed} --case ${index}`,
    ].join('\n'),
  );
  if (grownBytes > MAX_GROWN_BYTES) {
    texts.push(`${target}, seed ${seed}: the memory grew by ${Math.round(grownBytes / MB)} MB`);
  }
  return texts.length === 0 ? null : texts.join('\n\n');
}

/** One line on a run. */
export function summarise({ target, cases, tookMs, grownBytes, slowest }: FuzzReport): string {
  const rate = Math.round(cases / (tookMs / 1000));
  return (
    `${target}: ${cases} cases in ${(tookMs / 1000).toFixed(1)} s (${rate} a second), ` +
    `memory ${(grownBytes / MB).toFixed(1)} MB more, the longest took ${Math.round(slowest.ms)} ms (case ${slowest.index})`
  );
}
