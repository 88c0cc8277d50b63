import { TARGET_NAMES, type TargetName } from './target.js';

/** Of a number of cases, how many are for each target: more where a case costs less. */
const SHARES: Readonly<Record<TargetName, number>> = {
  smtp: 0.4,
  hop: 0.04,
  json: 0.26,
  yaml: 0.04,
  spool: 0.26,
};

/** The cases of each target; those left out leave theirs to the others. */
export function casesOf(
  total: number,
  targets: readonly TargetName[] = TARGET_NAMES,
): Array<[TargetName, number]> {
  const sum = targets.reduce((sofar, target) => sofar + SHARES[target], 0);
  return targets.map((target) => [target, Math.max(1, Math.round((total * SHARES[target]) / sum))]);
}
