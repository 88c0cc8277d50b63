import { parentPort, workerData } from 'node:worker_threads';
import { runSeed } from './run-seed.js';

/** What a worker is asked to do; it answers with a `SeedResult` after each seed. */
export interface SeedWork {
  seeds: number[];
  /** Name of a planted defect, or null. */
  defect: string | null;
  /** Also the logs of runs that kept all promises. */
  verbose: boolean;
}

/** Rejections that nobody heard of. */
const unheard: unknown[] = [];

process.on('unhandledRejection', (reason) => {
  unheard.push(reason);
});

const { seeds, defect, verbose } = workerData as SeedWork;
for (const seed of seeds) {
  const result = await runSeed(seed, defect, verbose, () => unheard.splice(0));
  parentPort?.postMessage(result, []);
}
