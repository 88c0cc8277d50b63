/**
 * The time axis of a waterfall, from 0 at its left end to 1 at its right. Time runs to scale, but for
 * waits that dwarf everything else: they get a fixed width and are marked, so that attempts of a few
 * milliseconds stay visible beside a retry after an hour.
 */

/** From and to, in milliseconds on the time line. */
export interface Interval {
  fromMs: number;
  toMs: number;
}

/** A stretch of the axis; within it time runs to scale. */
export interface Segment extends Interval {
  from: number;
  to: number;
  /** Narrower than its time. */
  shortened: boolean;
}

export interface Axis extends Interval {
  segments: Segment[];
}

export interface Mark {
  at: number;
  /** Since the begin of the axis. */
  ms: number;
}

/** Waits are shortened, longest first, until all others are at most so often the busy time. */
const IDLE_TO_BUSY = 4;
/** Of the whole axis, where there is room. */
const SHORTENED_SHARE = 0.14;
/** What all shortened waits take at most. */
const ALL_SHORTENED_SHARE = 0.5;
/** Marks that stand closer together would overlap. */
const MARK_DISTANCE = 0.12;

/** An axis over `span`. In the intervals of `busy` something happened; the rest is waiting. */
export function buildAxis(span: Interval, busy: readonly Interval[]): Axis {
  const stretches = splitByActivity(span, busy);
  const idle = stretches.filter((one) => !one.busy).sort((a, b) => lengthOf(b) - lengthOf(a));
  const busyMs = Math.max(1, sumOf(stretches.filter((one) => one.busy)));
  const shortened = new Set<Interval>();
  let idleMs = sumOf(idle);
  for (const stretch of idle) {
    if (idleMs <= IDLE_TO_BUSY * busyMs) break;
    shortened.add(stretch);
    idleMs -= lengthOf(stretch);
  }
  const linearMs = sumOf(stretches.filter((one) => !shortened.has(one)));
  const most = linearMs === 0 ? 1 : ALL_SHORTENED_SHARE;
  const share = Math.min(linearMs === 0 ? 1 : SHORTENED_SHARE, most / Math.max(1, shortened.size));
  const perMs = linearMs === 0 ? 0 : (1 - share * shortened.size) / linearMs;
  let at = 0;
  const segments = stretches.map((stretch): Segment => {
    const from = at;
    at += shortened.has(stretch) ? share : lengthOf(stretch) * perMs;
    const { fromMs, toMs } = stretch;
    return { fromMs, toMs, from, to: at, shortened: shortened.has(stretch) };
  });
  return { ...span, segments };
}

/** Where an instant stands, from 0 to 1; what is outside of the axis stands at its end. */
export function placeOf(axis: Axis, instantMs: number): number {
  for (const { fromMs, toMs, from, to } of axis.segments) {
    if (instantMs > toMs) continue;
    const length = toMs - fromMs;
    const share = length === 0 ? 0 : Math.max(0, instantMs - fromMs) / length;
    return from + share * (to - from);
  }
  return axis.segments.at(-1)?.to ?? 0;
}

/** Round times where the axis is to scale, else the ends of its shortened waits; the end is last. */
export function marksOf(axis: Axis): Mark[] {
  const totalMs = axis.toMs - axis.fromMs;
  const candidates: Mark[] = [];
  if (axis.segments.some(({ shortened }) => shortened)) {
    for (const { shortened, toMs, to } of axis.segments) {
      if (shortened) candidates.push({ at: to, ms: toMs - axis.fromMs });
    }
  } else if (totalMs > 0) {
    const step = roundStep(totalMs / 6);
    for (let ms = step; ms < totalMs; ms += step) {
      candidates.push({ at: placeOf(axis, axis.fromMs + ms), ms });
    }
  }
  const marks: Mark[] = [{ at: 0, ms: 0 }];
  for (const mark of candidates) {
    const free = mark.at - (marks.at(-1)?.at ?? 0) >= MARK_DISTANCE;
    if (free && 1 - mark.at >= MARK_DISTANCE) marks.push(mark);
  }
  marks.push({ at: 1, ms: totalMs });
  return marks;
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
  const stretches: (Interval & { busy: boolean })[] = [];
  let reachedMs = span.fromMs;
  for (const { fromMs, toMs } of busy.toSorted((a, b) => a.fromMs - b.fromMs)) {
    if (toMs <= reachedMs) continue;
    if (fromMs > reachedMs) {
      stretches.push({ fromMs: reachedMs, toMs: fromMs, busy: false });
      reachedMs = fromMs;
    }
    const last = stretches.at(-1);
    if (last?.busy === true) last.toMs = toMs;
    else stretches.push({ fromMs: reachedMs, toMs, busy: true });
    reachedMs = toMs;
  }
  if (span.toMs > reachedMs) stretches.push({ fromMs: reachedMs, toMs: span.toMs, busy: false });
  return stretches;
}

/** The next larger of 1, 2 or 5 times a power of ten. */
function roundStep(atLeastMs: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(atLeastMs, 1)));
  const factor = [1, 2, 5].find((candidate) => candidate * power >= atLeastMs) ?? 10;
  return factor * power;
}
