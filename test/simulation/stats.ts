/** What a run, or many of them, came to. */
export interface Stats {
  messages: number;
  acknowledged: number;
  recipients: number;
  delivered: number;
  reported: number;
  quarantined: number;
  /** Failed, and its sender did not want to hear of it. */
  dropped: number;
  attempts: number;
  kills: number;
  powerCuts: number;
  refusedWrites: number;
  /** At a last hop, after a lost reply or with what a node knew lost in a crash. */
  duplicatesAllowed: number;
  /** Delivered, and reported as failed by a node that never heard of it. */
  contradictions: number;
  happenings: number;
  virtualMs: number;
}

export function newStats(): Stats {
  return {
    messages: 0,
    acknowledged: 0,
    recipients: 0,
    delivered: 0,
    reported: 0,
    quarantined: 0,
    dropped: 0,
    attempts: 0,
    kills: 0,
    powerCuts: 0,
    refusedWrites: 0,
    duplicatesAllowed: 0,
    contradictions: 0,
    happenings: 0,
    virtualMs: 0,
  };
}

export function addStats(sum: Stats, one: Stats): void {
  for (const key of Object.keys(sum) as Array<keyof Stats>) sum[key] += one[key];
}
