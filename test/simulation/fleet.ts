import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { SeedFailure, SeedResult } from './run-seed.js';
import type { SeedWork } from './seed-worker.js';
import { addStats, newStats, type Stats } from './stats.js';

/** A run takes milliseconds; one that takes so long has lost its way. */
const STUCK_MS = 120_000;
/** Of broken runs, so many are kept with their logs. */
const MAX_FAILURES = 20;

export interface FleetOptions {
  from: number;
  seeds: number;
  defect?: string | null;
  verbose?: boolean;
  onResult?: (result: SeedResult, done: number) => void;
}

export interface FleetReport {
  seeds: number;
  stats: Stats;
  /** Lowest seeds first. */
  failures: Array<{ seed: number } & SeedFailure>;
  failed: number;
  /** In how many runs each promise was broken. */
  byKind: Record<string, number>;
}

/** Runs seeds on all cores, each worker every n-th one. */
export async function runFleet(options: FleetOptions): Promise<FleetReport> {
  const { from, seeds, defect = null, verbose = false } = options;
  const report: FleetReport = { seeds, stats: newStats(), failures: [], failed: 0, byKind: {} };
  const workers = Math.min(availableParallelism(), seeds);
  let done = 0;
  const hear = (result: SeedResult): void => {
    addStats(report.stats, result.stats);
    note(report, result);
    options.onResult?.(result, ++done);
  };
  const all = Array.from({ length: seeds }, (_, index) => from + index);
  await Promise.all(
    Array.from({ length: workers }, (_, worker) => {
      const own = all.filter((_, index) => index % workers === worker);
      return runWorker({ seeds: own, defect, verbose }, hear);
    }),
  );
  report.failures.sort((one, other) => one.seed - other.seed);
  return report;
}

function note(report: FleetReport, { seed, failure }: SeedResult): void {
  if (failure === null) return;
  report.failed++;
  for (const kind of failure.kinds) report.byKind[kind] = (report.byKind[kind] ?? 0) + 1;
  if (report.failures.length < MAX_FAILURES) report.failures.push({ seed, ...failure });
}

function runWorker(work: SeedWork, hear: (result: SeedResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('seed-worker.js', import.meta.url), {
      workerData: work,
      // Everything in a run is short-lived.
      resourceLimits: { maxYoungGenerationSizeMb: 64 },
    });
    let heard = 0;
    let before = -1;
    const watch = setInterval(() => {
      if (heard === before) {
        const seed = String(work.seeds[heard]);
        void worker.terminate();
        reject(new Error(`seed ${seed} did not end within ${STUCK_MS / 1000} s`));
      }
      before = heard;
    }, STUCK_MS);
    worker.on('message', (result: SeedResult) => {
      heard++;
      hear(result);
    });
    worker.on('error', reject);
    worker.on('exit', () => {
      clearInterval(watch);
      if (heard === work.seeds.length) resolve();
      else reject(new Error(`the worker ended in the middle of seed ${String(work.seeds[heard])}`));
    });
  });
}

/** One failure as text: the seed, what was broken, the log of it, and how to see it again. */
export function describeFailure({ seed, text, log }: FleetReport['failures'][number]): string {
  return [
    `seed ${seed}`,
    text,
    ...log,
    `again: npm run test:simulation -- --seeds 1 --from ${seed} --verbose`,
  ].join('\n');
}
