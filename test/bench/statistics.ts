/** Several measurements of one thing. `median` is NaN without any. */
export interface Spread {
  median: number;
  min: number;
  max: number;
  /** As they were taken, in the order of the rounds. */
  values: number[];
}

export function spreadOf(values: readonly number[]): Spread {
  return {
    median: quantile(values, 0.5),
    min: values.length === 0 ? NaN : Math.min(...values),
    max: values.length === 0 ? NaN : Math.max(...values),
    values: [...values],
  };
}

/** Between the two nearest values where none lies at the place. @param share 0 to 1 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  if (below === undefined || above === undefined) return NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/**
 * The spread of `a / b`, round by round: both of a round were measured one after the other, so that
 * what else the machine did in that minute disturbs their ratio least.
 */
export function pairedRatio(a: readonly number[], b: readonly number[]): Spread {
  const pairs = Math.min(a.length, b.length);
  return spreadOf(Array.from({ length: pairs }, (_, at) => (a[at] ?? NaN) / (b[at] ?? NaN)));
}

/** Who goes when: one round forwards, the next backwards, so that nobody is always the first. */
export function orderOfRound<T>(contenders: readonly T[], round: number): T[] {
  return round % 2 === 0 ? [...contenders] : contenders.toReversed();
}
