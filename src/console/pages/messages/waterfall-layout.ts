import { buildAxis, placeOf, type Axis } from './axis.js';
import { placeHops, type ChainTrace, type PlacedAttempt, type PlacedHop } from './timeline.js';

/** What a waterfall is drawn from: the axis, and for each hop its bars. Places are from 0 to 1. */

export interface WaitBar {
  kind: 'queue' | 'wait' | 'pending';
  from: number;
  to: number;
  durationMs: number;
}

export interface AttemptBar {
  kind: 'accepted' | 'refused';
  from: number;
  to: number;
  durationMs: number;
  attempt: PlacedAttempt;
  /** Unique in the picture. */
  id: string;
}

export interface HopRow {
  id: string;
  placed: PlacedHop;
  waits: WaitBar[];
  attempts: AttemptBar[];
  /** Attempts that are no longer kept. */
  dropped: number;
}

export interface Waterfall {
  axis: Axis;
  rows: HopRow[];
  /** Hops that are only counted. */
  hiddenHops: number;
}

/** A node keeps no more hops of a trace than can be looked at. */
const MAX_ROWS = 100;
/** Shorter waits between attempts are not drawn. */
const MIN_WAIT_MS = 1;

/** `nowMs`: where waits end that still go on. */
export function layOut(chain: ChainTrace, nowMs: number): Waterfall {
  const all = placeHops(chain.hops);
  const shown = all.slice(0, MAX_ROWS);
  const span = { fromMs: Infinity, toMs: -Infinity };
  for (const { startMs, endMs, waiting } of shown) {
    span.fromMs = Math.min(span.fromMs, startMs);
    span.toMs = Math.max(span.toMs, endMs, waiting ? nowMs : endMs);
  }
  if (shown.length === 0) span.fromMs = span.toMs = nowMs;
  const busy = shown.flatMap(({ attempts }) =>
    attempts.map(({ startMs, endMs }) => ({ fromMs: startMs, toMs: endMs })),
  );
  const axis = buildAxis(span, busy);
  const rows = shown.map((placed) => rowOf(placed, axis, nowMs));
  return { axis, rows, hiddenHops: all.length - shown.length };
}

function rowOf(placed: PlacedHop, axis: Axis, nowMs: number): HopRow {
  const { hop, startMs, endMs } = placed;
  const id = `${hop.node}-${hop.queue_id}`;
  const waits: WaitBar[] = [];
  const addWait = (kind: WaitBar['kind'], fromMs: number, toMs: number): void => {
    if (toMs - fromMs < MIN_WAIT_MS) return;
    const [from, to] = [placeOf(axis, fromMs), placeOf(axis, toMs)];
    waits.push({ kind, from, to, durationMs: toMs - fromMs });
  };
  let reachedMs = startMs;
  for (const [index, attempt] of placed.attempts.entries()) {
    addWait(index === 0 ? 'queue' : 'wait', reachedMs, attempt.startMs);
    reachedMs = Math.max(reachedMs, attempt.endMs);
  }
  if (placed.waiting) addWait('pending', endMs, nowMs);
  const attempts = placed.attempts.map((attempt): AttemptBar => ({
    kind: attempt.record.result === 'accepted' ? 'accepted' : 'refused',
    from: placeOf(axis, attempt.startMs),
    to: placeOf(axis, attempt.endMs),
    durationMs: attempt.endMs - attempt.startMs,
    attempt,
    id: attempt.record.span_id || `${id}-${attempt.number}`,
  }));
  return { id, placed, waits, attempts, dropped: hop.attempts_dropped };
}

/**
 * The attempt that answers "why": of the hop where the message waits or was given up the last one,
 * else the last of all.
 */
export function tellingAttempt(waterfall: Waterfall): AttemptBar | null {
  const open = waterfall.rows.findLast(
    ({ placed, attempts }) =>
      attempts.length > 0 &&
      placed.hop.recipients.some(({ action }) => action === 'delayed' || action === 'failed'),
  );
  const row = open ?? waterfall.rows.findLast(({ attempts }) => attempts.length > 0);
  return row?.attempts.at(-1) ?? null;
}
