/**
 * Observations counted by upper bounds. All that is kept are plain numbers: an observation costs a
 * look along a short list, and no memory.
 */
export class BucketCounts {
  /** Ascending; what is above the last one is counted by itself. */
  readonly bounds: readonly number[];
  /** One for each bound, and one for what is above them all. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const { bounds, counts } = this;
    let index = 0;
    while (index < bounds.length && value > (bounds[index] as number)) {
      index++;
    }
    counts[index] = (counts[index] as number) + 1;
    this.sum += value;
  }
}
