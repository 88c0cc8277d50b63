import { displayWidth, formatDuration, type Paint, type Style } from './waterfall-text.js';

/**
 * The time axis of a waterfall and the rows of bars on it. Time runs to scale from left to right,
 * but for waits that dwarf everything else: they get a fixed width, so that attempts of a few
 * milliseconds stay visible beside a retry after an hour. Shortened waits carry their duration.
 */

/** From and to, in milliseconds on the time line. */
export interface Interval {
  fromMs: number;
  toMs: number;
}

interface Segment extends Interval {
  fromColumn: number;
  toColumn: number;
  shortened: boolean;
}

export interface Axis {
  columns: number;
  segments: Segment[];
}

export type BarKind = 'wait' | 'accepted' | 'refused';

export interface Bar extends Interval {
  kind: BarKind;
}

/** Waits are shortened, longest first, until all others are at most so often the busy time. */
const IDLE_TO_BUSY = 4;
/** Columns of a shortened wait when there is room: `┄ 59.8 s ┄` and a little more. */
const SHORTENED_COLUMNS = 14;
/** Narrower than this, an axis carries no shorter marks. */
const TICK_COLUMNS = 12;

/**
 * An axis of `columns` columns from `span.fromMs` to `span.toMs`. `busy` are the intervals in which
 * something happened; the rest is waiting.
 */
export function buildAxis(span: Interval, busy: readonly Interval[], columns: number): Axis {
  const segments = splitByActivity(span, busy);
  const idle = segments
    .filter((segment) => !segment.busy)
    .sort((a, b) => lengthOf(b) - lengthOf(a));
  const busyMs = Math.max(1, sumOf(segments.filter((segment) => segment.busy)));
  const shortened = new Set<Interval>();
  let idleMs = sumOf(idle);
  for (const segment of idle) {
    if (idleMs <= IDLE_TO_BUSY * busyMs) break;
    shortened.add(segment);
    idleMs -= lengthOf(segment);
  }
  const fixed = Math.min(SHORTENED_COLUMNS, columns / 2 / Math.max(1, shortened.size));
  const linearMs = sumOf(segments.filter((segment) => !shortened.has(segment)));
  const perMs = linearMs === 0 ? 0 : (columns - fixed * shortened.size) / linearMs;
  let column = 0;
  return {
    columns,
    segments: segments.map((segment) => {
      const fromColumn = column;
      column += shortened.has(segment) ? fixed : lengthOf(segment) * perMs;
      const { fromMs, toMs } = segment;
      return { fromMs, toMs, fromColumn, toColumn: column, shortened: shortened.has(segment) };
    }),
  };
}

/** True when the axis is not to scale everywhere. */
export function isShortened(axis: Axis): boolean {
  return axis.segments.some((segment) => segment.shortened);
}

function lengthOf(interval: Interval): number {
  return interval.toMs - interval.fromMs;
}

function sumOf(intervals: readonly Interval[]): number {
  return intervals.reduce((sum, interval) => sum + lengthOf(interval), 0);
}

/** Cuts the span into stretches where something happens and stretches where nothing does. */
function splitByActivity(
  span: Interval,
  busy: readonly Interval[],
): (Interval & { busy: boolean })[] {
  const segments: (Interval & { busy: boolean })[] = [];
  let reachedMs = span.fromMs;
  for (const { fromMs, toMs } of [...busy].sort((a, b) => a.fromMs - b.fromMs)) {
    if (toMs <= reachedMs) continue;
    if (fromMs > reachedMs) {
      segments.push({ fromMs: reachedMs, toMs: fromMs, busy: false });
      reachedMs = fromMs;
    }
    const last = segments.at(-1);
    if (last?.busy === true) last.toMs = toMs;
    else segments.push({ fromMs: reachedMs, toMs, busy: true });
    reachedMs = toMs;
  }
  if (span.toMs > reachedMs) segments.push({ fromMs: reachedMs, toMs: span.toMs, busy: false });
  return segments;
}

/** Column of an instant, with its fraction, from 0 to `columns`. */
function columnOf(axis: Axis, instantMs: number): number {
  for (const segment of axis.segments) {
    if (instantMs > segment.toMs) continue;
    const length = lengthOf(segment);
    const share = length === 0 ? 0 : Math.max(0, instantMs - segment.fromMs) / length;
    return segment.fromColumn + share * (segment.toColumn - segment.fromColumn);
  }
  return axis.segments.at(-1)?.toColumn ?? 0;
}

/** Right ends of a bar in eighths of a column. */
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const STYLES: Record<BarKind, Style> = { wait: 'wait', accepted: 'good', refused: 'bad' };

interface Cell {
  character: string;
  style: Style | null;
}

/** Draws bars in one row. Each takes at least one column; the later ones are above. */
export function drawRow(axis: Axis, bars: readonly Bar[], paint: Paint): string {
  const cells: Cell[] = [];
  for (const bar of bars) {
    const start = columnOf(axis, bar.fromMs);
    const from = Math.min(Math.floor(start), axis.columns - 1);
    const to = Math.max(from, Math.min(columnOf(axis, bar.toMs), axis.columns));
    if (bar.kind === 'wait') {
      drawWait(cells, from, Math.max(from + 1, Math.floor(to)), lengthOf(bar));
    } else if (Math.floor(to) > from) {
      drawAttempt(cells, from, to, bar.kind);
    } else {
      // A blink within one column: its length shows, not where in the column it ends.
      const eighth = EIGHTHS[Math.max(1, Math.floor((to - start) * 8))] ?? '▏';
      const character = bar.kind === 'accepted' ? eighth : '▒';
      cells[from] = { character, style: STYLES[bar.kind] };
    }
  }
  return paintCells(cells, paint);
}

function drawWait(cells: Cell[], from: number, to: number, durationMs: number): void {
  const label = ` ${formatDuration(durationMs)} `;
  const labelFrom = from + Math.floor((to - from - label.length) / 2);
  for (let column = from; column < to; column++) {
    const inLabel = column - labelFrom;
    // At least one stroke on each side, or the duration would stand alone.
    const character = labelFrom > from ? label[inLabel] : undefined;
    cells[column] = { character: character ?? '┄', style: 'wait' };
  }
}

function drawAttempt(cells: Cell[], from: number, to: number, kind: BarKind): void {
  const style = STYLES[kind];
  const full = Math.floor(to);
  const fill = kind === 'accepted' ? '█' : '▒';
  for (let column = from; column < full; column++) cells[column] = { character: fill, style };
  const eighth = EIGHTHS[Math.floor((to - full) * 8)] ?? '';
  if (kind === 'accepted' && eighth !== '') cells[full] = { character: eighth, style };
}

/** Joins cells, one colour code for a run of the same style. */
function paintCells(cells: readonly Cell[], paint: Paint): string {
  let text = '';
  let run = '';
  let style: Style | null = null;
  for (let column = 0; column <= cells.length; column++) {
    const cell = cells[column];
    if (column === cells.length || (cell?.style ?? null) !== style) {
      text += style === null ? run : paint(style, run);
      run = '';
      style = cell?.style ?? null;
    }
    run += cell?.character ?? ' ';
  }
  return text;
}

/** Two lines: times and the rule under them, dashed where waits are shortened. */
export function drawRuler(axis: Axis, span: Interval): [string, string] {
  const rule = Array.from({ length: axis.columns }, () => '─');
  const total = formatDuration(lengthOf(span));
  const labels: { column: number; text: string }[] = [];
  const room = axis.columns - displayWidth(total) - 2;
  let free = 0;
  for (const mark of marksOf(axis, span)) {
    const text = mark.ms === 0 ? '0' : formatDuration(mark.ms);
    const column = Math.floor(mark.column);
    if (column < free || column + text.length > room) continue;
    labels.push({ column, text });
    free = column + text.length + 2;
  }
  for (const segment of axis.segments) {
    if (!segment.shortened) continue;
    const to = Math.floor(segment.toColumn);
    for (let column = Math.floor(segment.fromColumn); column < to; column++) rule[column] = '┄';
  }
  for (const { column } of labels) rule[column] = '┬';
  rule[0] = '├';
  rule[axis.columns - 1] = '┤';
  let line = '';
  for (const { column, text } of labels) line = line.padEnd(column) + text;
  return [line.padEnd(axis.columns - displayWidth(total)) + total, rule.join('')];
}

/** Round times on an axis that is to scale, else the ends of shortened waits. */
function marksOf(axis: Axis, span: Interval): { ms: number; column: number }[] {
  const marks = [{ ms: 0, column: 0 }];
  if (isShortened(axis)) {
    for (const segment of axis.segments) {
      if (segment.shortened) {
        marks.push({ ms: segment.toMs - span.fromMs, column: segment.toColumn });
      }
    }
    return marks;
  }
  const totalMs = lengthOf(span);
  const step = roundStep((totalMs * TICK_COLUMNS) / axis.columns);
  for (let ms = step; ms < totalMs; ms += step) {
    marks.push({ ms, column: columnOf(axis, span.fromMs + ms) });
  }
  return marks;
}

/** The next larger of 1, 2 or 5 times a power of ten. */
function roundStep(atLeastMs: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(atLeastMs, 1)));
  const factor = [1, 2, 5].find((candidate) => candidate * power >= atLeastMs) ?? 10;
  return factor * power;
}
