import type { NodeHistory } from '../../../api/shape/node.js';
import { quantileMs } from './heatmap.js';

/** The last hour of a node as lines and as a table. */

/** Values that count what happened in a step. */
const COUNTED = ['received', 'received_bytes', 'delivered', 'delayed', 'failed'] as const;
/** Values at the end of a step. */
const MEASURED = ['queued', 'rss_bytes'] as const;

export type Counted = (typeof COUNTED)[number];
export type Measured = (typeof MEASURED)[number];

/** The begin of each step in seconds since 1970. */
export function timesOf({ from, step_seconds: stepSeconds, received }: NodeHistory): number[] {
  const startSeconds = Date.parse(from) / 1000;
  return received.map((_, step) => startSeconds + step * stepSeconds);
}

/** What happened a minute. The last step is not over: its value would be too low, so it is left out. */
export function perMinute(history: NodeHistory, name: Counted): (number | null)[] {
  const factor = 60 / history.step_seconds;
  return history[name].map((count, step, all) =>
    count === null || step === all.length - 1 ? null : count * factor,
  );
}

/** Time that is shown at least, so that a node that was just started has room to the left. */
const MIN_SHOWN_SECONDS = 600;

/** The history without the time before the node was started, as far as that leads. */
export function sinceStart(history: NodeHistory): NodeHistory {
  const { received, step_seconds: stepSeconds, latency } = history;
  const begun = received.findIndex((count) => count !== null);
  const least = Math.ceil(MIN_SHOWN_SECONDS / stepSeconds);
  const left = Math.max(0, received.length - least);
  const from = begun === -1 ? left : Math.min(begun, left);
  if (from === 0) return history;
  const names = [...COUNTED, ...MEASURED];
  return {
    ...history,
    from: new Date(Date.parse(history.from) + from * stepSeconds * 1000).toISOString(),
    ...mapNames(names, (name) => history[name].slice(from)),
    latency: { ...latency, counts: latency.counts.slice(from) },
  };
}

/** Some steps put together. Counts are of the whole stretch; null: the node did not run. */
export interface HistoryRow {
  fromMs: number;
  toMs: number;
  counts: Record<Counted, number | null>;
  /** At the end. */
  ends: Record<Measured, number | null>;
  p50Ms: number | null;
  p99Ms: number | null;
}

/** The hour in at most `rows` stretches of whole minutes, the latest first. */
export function historyRows(history: NodeHistory, rows: number): HistoryRow[] {
  const steps = history.received.length;
  const aMinute = Math.max(1, Math.round(60 / history.step_seconds));
  const size = aMinute * Math.max(1, Math.ceil(steps / rows / aMinute));
  const startMs = Date.parse(history.from);
  const stepMs = history.step_seconds * 1000;
  const stretches: HistoryRow[] = [];
  for (let to = steps; to > 0; to -= size) {
    const from = Math.max(0, to - size);
    const { bounds_ms: bounds, counts } = history.latency;
    const latency = bounds
      .concat(0)
      .map((_, row) => sum(counts.slice(from, to).map((step) => step?.[row] ?? null)) ?? 0);
    stretches.push({
      fromMs: startMs + from * stepMs,
      toMs: startMs + to * stepMs,
      counts: mapNames(COUNTED, (name) => sum(history[name].slice(from, to))),
      ends: mapNames(
        MEASURED,
        (name) => history[name].slice(from, to).findLast((one) => one !== null) ?? null,
      ),
      p50Ms: quantileMs(latency, bounds, 0.5),
      p99Ms: quantileMs(latency, bounds, 0.99),
    });
  }
  return stretches;
}

function sum(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
}

function mapNames<Name extends string, Value>(
  names: readonly Name[],
  valueOf: (name: Name) => Value,
): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, valueOf(name)])) as Record<Name, Value>;
}
