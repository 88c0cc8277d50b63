import type { Attempt } from './timeline.js';

/** In the order of the dialogue. */
const PHASES = ['connect', 'greeting', 'tls', 'auth', 'mail', 'rcpt', 'data', 'dot'] as const;

export interface Phase {
  name: (typeof PHASES)[number];
  ms: number;
  /** Where it stands in the attempt, from 0 to 1. */
  from: number;
  to: number;
}

/** The phases that happened, one behind the other; what is left of the attempt belongs to none. */
export function phasesOf({ phases_ms: durations, duration_ms: durationMs }: Attempt): Phase[] {
  const known = PHASES.flatMap((name) => {
    const ms = durations[name];
    return ms === undefined ? [] : [{ name, ms }];
  });
  const sumMs = known.reduce((sum, { ms }) => sum + ms, 0);
  const wholeMs = Math.max(durationMs, sumMs) || 1;
  const phases: Phase[] = [];
  for (const { name, ms } of known) {
    const from = phases.at(-1)?.to ?? 0;
    phases.push({ name, ms, from, to: from + ms / wholeMs });
  }
  return phases;
}
