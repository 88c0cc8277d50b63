import { PLANTED } from './planted-defects.js';
import type { Stats } from './stats.js';
import { World, type RunResult } from './world.js';

/** What came of one seed, as text that can be sent to another thread. */
export interface SeedResult {
  seed: number;
  stats: Stats;
  failure: SeedFailure | null;
  /** The whole log and its digest, when asked for. */
  log: string[] | null;
  digest: string | null;
}

export interface SeedFailure {
  /** Kinds of all that was broken. */
  kinds: string[];
  text: string;
  /** Of what the first is about. */
  log: string[];
}

const MAX_LINES = 200;

/**
 * Runs one seed.
 *
 * @param defect name of a planted defect, or null
 * @param unheard gives the rejections that nobody heard of during the run
 */
export async function runSeed(
  seed: number,
  defect: string | null = null,
  verbose = false,
  unheard: () => unknown[] = () => [],
): Promise<SeedResult> {
  const run = await World.run(seed, defect === null ? undefined : PLANTED[defect]);
  for (const reason of unheard()) {
    const text = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
    run.violations.push({ kind: 'unheard rejection', text, about: [] });
  }
  return {
    seed,
    stats: run.stats,
    failure: failureOf(run),
    log: verbose ? run.log.all() : null,
    digest: verbose ? run.log.digest() : null,
  };
}

function failureOf(run: RunResult): SeedFailure | null {
  const [first] = run.violations;
  if (first === undefined) return null;
  return {
    kinds: [...new Set(run.violations.map(({ kind }) => kind))],
    text: run.violations.map(({ kind, text }) => `${kind}: ${text}`).join('\n'),
    log: run.logAbout(first).slice(0, MAX_LINES),
  };
}
