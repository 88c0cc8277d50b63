import type { Round } from './round.js';
import { pairedRatio, spreadOf, type Spread } from './statistics.js';
import type { Load, Protection } from './traffic.js';

/** What a case came to; its JSON form is stable. */
export interface CaseResult {
  name: string;
  title: string;
  load: Load;
  protection: Protection;
  replyDelayMs: number;
  source: 'smtp-source' | 'ours';
  sink: 'smtp-sink' | 'ours';
  rounds: number;
  reference: string;
  showsStart: boolean;
  /** What was queued before is timed on its way out, and not what comes in. */
  drains: boolean;
  /** How many nodes in a row a message passes beyond the reference, where the case asks for what each adds. */
  tiers: number | null;
  /** How long a synced append of the size of a message took beside it; where delays are measured. */
  syncMs: Spread | null;
  subjects: SubjectResult[];
  /** Who could not be had, and why. */
  absent: Array<{ name: string; reason: string }>;
}

export interface SubjectResult {
  name: string;
  description: string;
  /** Why there are no further rounds, or null. */
  failure: string | null;
  /** From the start of the process to its greeting, and the peak of its memory until then. */
  readyMs: number | null;
  startPeakBytes: number | null;
  perSecond: Spread;
  cpuUs: Spread | null;
  peakBytes: Spread | null;
  /** What of these a broker beside the relay took; null without one. */
  brokerCpuUs: Spread | null;
  brokerPeakBytes: Spread | null;
  /** Cores of the machine that were busy with whatever until the last arrival. */
  busyCores: Spread | null;
  replyP50Ms: Spread | null;
  replyP99Ms: Spread | null;
  arrivalP50Ms: Spread | null;
  arrivalP99Ms: Spread | null;
  syncs: number | null;
  /** Messages a second in proportion to the reference, round by round. */
  ofReference: Spread | null;
  /** Those of relaymesh in proportion to this one, round by round. */
  relaymeshIs: Spread | null;
}

/** What was measured of one subject. */
export interface Measured {
  name: string;
  description: string;
  failure: string | null;
  readyMs: number | null;
  startPeakBytes: number | null;
  rounds: Round[];
  syncs: number | null;
}

/** The name that the others are set in proportion to, beside the reference. */
const OURS = 'relaymesh';

/** @param reference name of the subject that the others are compared with */
export function resultsOf(measured: readonly Measured[], reference: string): SubjectResult[] {
  const ratesOf = (name: string): number[] | null => {
    const rounds = measured.find((one) => one.name === name)?.rounds ?? [];
    return rounds.length === 0 ? null : rounds.map(({ perSecond }) => perSecond);
  };
  return measured.map(({ rounds, ...subject }) => {
    const rates = rounds.map(({ perSecond }) => perSecond);
    const ratio = (above: number[] | null, below: number[] | null): Spread | null =>
      above === null || below === null || rates.length === 0 ? null : pairedRatio(above, below);
    return {
      ...subject,
      perSecond: spreadOf(rates),
      cpuUs: spreadOfKnown(rounds, ({ cpuUs }) => cpuUs),
      peakBytes: spreadOfKnown(rounds, ({ peakBytes }) => peakBytes),
      brokerCpuUs: spreadOfKnown(rounds, ({ broker }) => broker?.cpuUs),
      brokerPeakBytes: spreadOfKnown(rounds, ({ broker }) => broker?.peakBytes),
      busyCores: spreadOfKnown(rounds, ({ busyCores }) => busyCores),
      replyP50Ms: spreadOfKnown(rounds, ({ replyMs }) => replyMs?.p50),
      replyP99Ms: spreadOfKnown(rounds, ({ replyMs }) => replyMs?.p99),
      arrivalP50Ms: spreadOfKnown(rounds, ({ arrivalMs }) => arrivalMs?.p50),
      arrivalP99Ms: spreadOfKnown(rounds, ({ arrivalMs }) => arrivalMs?.p99),
      ofReference: subject.name === reference ? null : ratio(rates, ratesOf(reference)),
      relaymeshIs: subject.name === OURS ? null : ratio(ratesOf(OURS), rates),
    };
  });
}

function spreadOfKnown(
  rounds: readonly Round[],
  pick: (round: Round) => number | null | undefined,
): Spread | null {
  const values = rounds.map(pick).filter((value) => value !== null && value !== undefined);
  return values.length === 0 ? null : spreadOf(values);
}
