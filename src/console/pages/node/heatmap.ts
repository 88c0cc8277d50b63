import type { NodeHistory } from '../../../api/shape/node.js';

/**
 * The heatmap of latencies: a column for each step of time, a row for each range of durations, the
 * quick ones at the bottom. How dark a cell is grows with the logarithm of its count, so that the one
 * message that took an hour shows beside thousands that took no time.
 */

/** Shades of cells that are not empty: 1 to LEVELS. */
export const LEVELS = 5;

export interface Cell {
  step: number;
  row: number;
  count: number;
  level: number;
}

export interface HeatRow {
  /** Upper bound; null: everything above. */
  toMs: number | null;
  fromMs: number;
  /** Of all steps. */
  count: number;
}

export interface Heatmap {
  /** Columns; `step` of a cell counts them. */
  steps: number;
  /** Steps of the history that are one column. */
  stepsPerColumn: number;
  /** From quick to slow. */
  rows: HeatRow[];
  /** Cells that have messages. */
  cells: Cell[];
  /** Stretches of steps in which the node did not run. */
  gaps: { from: number; to: number }[];
  most: number;
  total: number;
  /** The counts at which the shades begin. */
  levelsFrom: number[];
}

/** More columns would be too narrow to be seen. */
const MAX_COLUMNS = 120;
/** Rows that are empty above all others are left out, but this many are there at least. */
const MIN_ROWS = 4;

export function layOutHeatmap({ latency }: NodeHistory): Heatmap {
  const { bounds_ms: bounds } = latency;
  const stepsPerColumn = Math.max(1, Math.ceil(latency.counts.length / MAX_COLUMNS));
  const counts = columnsOf(latency.counts, stepsPerColumn);
  const totals = Array.from({ length: bounds.length + 1 }, (_, row) =>
    counts.reduce((sum, step) => sum + (step?.[row] ?? 0), 0),
  );
  const used = totals.findLastIndex((count) => count > 0) + 1;
  const rowCount = Math.min(totals.length, Math.max(MIN_ROWS, used));
  const most = counts.reduce((max, step) => Math.max(max, ...(step ?? [])), 0);
  const cells: Cell[] = [];
  const gaps: Heatmap['gaps'] = [];
  for (const [step, ofStep] of counts.entries()) {
    if (ofStep === null) {
      const last = gaps.at(-1);
      if (last?.to === step) last.to = step + 1;
      else gaps.push({ from: step, to: step + 1 });
      continue;
    }
    for (const [row, count] of ofStep.entries()) {
      if (count > 0) cells.push({ step, row, count, level: levelOf(count, most) });
    }
  }
  return {
    steps: counts.length,
    stepsPerColumn,
    rows: totals.slice(0, rowCount).map((count, row) => ({
      fromMs: bounds[row - 1] ?? 0,
      toMs: bounds[row] ?? null,
      count,
    })),
    cells,
    gaps,
    most,
    total: totals.reduce((sum, count) => sum + count, 0),
    levelsFrom: levelStarts(most),
  };
}

/** So many steps put together each time, counted from the latest; null: the node did not run in any. */
function columnsOf(
  counts: readonly (readonly number[] | null)[],
  size: number,
): (readonly number[] | null)[] {
  const columns: (readonly number[] | null)[] = [];
  for (let to = counts.length; to > 0; to -= size) {
    const run = counts.slice(Math.max(0, to - size), to).filter((step) => step !== null);
    const [first] = run;
    columns.push(
      first === undefined
        ? null
        : first.map((_, row) => run.reduce((sum, step) => sum + (step[row] ?? 0), 0)),
    );
  }
  return columns.toReversed();
}

/** The shade of a count, from 1 to LEVELS; 0 for none. */
export function levelOf(count: number, most: number): number {
  if (count <= 0) return 0;
  if (most <= 1) return LEVELS;
  return 1 + Math.min(LEVELS - 1, Math.floor((LEVELS * Math.log(count)) / Math.log(most + 1)));
}

/** The smallest count of each shade that has one. */
function levelStarts(most: number): number[] {
  const starts: number[] = [];
  for (let level = 1; level <= LEVELS; level++) {
    const from = Math.max(1, Math.ceil((most + 1) ** ((level - 1) / LEVELS) - 1e-9));
    if (from <= most && levelOf(from, most) === level) starts.push(from);
  }
  return starts;
}

/**
 * The duration within which this share of the messages was settled, as far as the ranges tell: the
 * upper bound of the range. Null: there are no messages; Infinity: above all bounds.
 */
export function quantileMs(
  counts: readonly number[],
  bounds: readonly number[],
  share: number,
): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let seen = 0;
  for (const [row, count] of counts.entries()) {
    seen += count;
    if (seen >= total * share) return bounds[row] ?? Infinity;
  }
  return Infinity;
}
