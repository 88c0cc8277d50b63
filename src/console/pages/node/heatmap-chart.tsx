import { useId, useMemo, type ReactNode } from 'react';
import type { NodeHistory } from '../../../api/shape/node.js';
import { formatCount, formatMilliseconds } from '../../quantities.js';
import { layOutHeatmap, quantileMs, type Heatmap, type HeatRow } from './heatmap.js';

const TIMES = 4;

/** How long messages took, over the last hour: the darker, the more of them. */
export function HeatmapChart({ history }: { history: NodeHistory }): ReactNode {
  const heatmap = useMemo(() => layOutHeatmap(history), [history]);
  const rows = heatmap.rows.toReversed();
  const { startMs, stepMs } = timesOf(heatmap, history);
  const timeAt = (share: number): string => clockTime(startMs + share * heatmap.steps * stepMs);
  return (
    <figure className="chart heatmap">
      <figcaption>
        Latencies <span className="soft">from 250 to the last settled recipient</span>
      </figcaption>
      <HeatLegend heatmap={heatmap} />
      <div className="heatmap-plot">
        <ol className="heatmap-rows" aria-hidden="true">
          {rows.map((row) => (
            <li key={row.fromMs}>{boundOf(row)}</li>
          ))}
        </ol>
        <Cells heatmap={heatmap} history={history} />
        <ol className="heatmap-times" aria-hidden="true">
          {Array.from({ length: TIMES + 1 }, (_, at) => (
            <li key={at}>{timeAt(at / TIMES)}</li>
          ))}
        </ol>
      </div>
    </figure>
  );
}

function Cells({ heatmap, history }: { heatmap: Heatmap; history: NodeHistory }): ReactNode {
  const id = useId();
  const { steps, rows, cells, gaps } = heatmap;
  const { startMs, stepMs } = timesOf(heatmap, history);
  return (
    <svg
      className="heatmap-cells"
      viewBox={`0 0 ${Math.max(1, steps)} ${rows.length}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`Latencies. ${summaryOf(heatmap, history)} The table below has all values.`}
    >
      <defs>
        <pattern id={id} width="3" height="1" patternUnits="userSpaceOnUse">
          <rect className="heat-gap" width="1.5" height="1" />
        </pattern>
      </defs>
      {gaps.map(({ from, to }) => (
        <rect key={from} x={from} width={to - from} y="0" height={rows.length} fill={`url(#${id})`}>
          <title>{`${clockTime(startMs + from * stepMs)} to ${clockTime(startMs + to * stepMs)}: the node did not run`}</title>
        </rect>
      ))}
      {cells.map(({ step, row, count, level }) => (
        <rect
          key={`${step} ${row}`}
          className="heat-cell"
          data-level={level}
          x={step}
          y={rows.length - 1 - row}
          width="1"
          height="1"
        >
          <title>{`${clockTime(startMs + step * stepMs)}, ${boundOf(rows[row])}: ${formatCount(count)} messages`}</title>
        </rect>
      ))}
    </svg>
  );
}

function HeatLegend({ heatmap: { levelsFrom, most } }: { heatmap: Heatmap }): ReactNode {
  if (most === 0) return <p className="chart-legend soft">no message was settled</p>;
  return (
    <ul className="chart-legend">
      {levelsFrom.map((from, at) => {
        const to = (levelsFrom[at + 1] ?? most + 1) - 1;
        return (
          <li key={from}>
            <svg className="heat-swatch" aria-hidden="true" focusable="false">
              <rect
                className="heat-cell"
                data-level={at + 1 + (levelsFrom.length === 1 ? 4 : 0)}
                width="100%"
                height="100%"
              />
            </svg>
            <span className="number">
              {to <= from ? formatCount(from) : `${formatCount(from)}–${formatCount(to)}`}
            </span>
          </li>
        );
      })}
      <li className="soft">messages</li>
    </ul>
  );
}

function summaryOf({ total }: Heatmap, { latency }: NodeHistory): string {
  if (total === 0) return 'No message was settled in the last hour.';
  const totals = [...latency.bounds_ms, 0].map((_, row) =>
    latency.counts.reduce((sum, step) => sum + (step?.[row] ?? 0), 0),
  );
  const [half, most] = [0.5, 0.99].map((share) => quantileMs(totals, latency.bounds_ms, share));
  return `${formatCount(total)} messages in the last hour, half of them within ${within(half)}, 99 % within ${within(most)}.`;
}

/** Where the first column begins, which may have fewer steps than the others, and how long one is. */
function timesOf(
  { steps, stepsPerColumn }: Heatmap,
  { from, step_seconds: seconds, latency }: NodeHistory,
): { startMs: number; stepMs: number } {
  const lacking = steps * stepsPerColumn - latency.counts.length;
  const startMs = Date.parse(from) - lacking * seconds * 1000;
  return { startMs, stepMs: stepsPerColumn * seconds * 1000 };
}

function within(ms: number | null | undefined): string {
  return ms == null || !Number.isFinite(ms) ? 'more than all ranges' : formatMilliseconds(ms);
}

function boundOf(row: HeatRow | undefined): string {
  if (row === undefined) return '';
  return row.toMs === null
    ? `> ${formatMilliseconds(row.fromMs)}`
    : `≤ ${formatMilliseconds(row.toMs)}`;
}

function clockTime(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 16);
}
