import { useMemo, type ReactNode } from 'react';
import type { NodeHistory } from '../../../api/shape/node.js';
import { AsOf } from '../../pieces/as-of.js';
import { Table, type Column } from '../../pieces/table.js';
import { Bytes, Count, Unknown } from '../../pieces/value.js';
import { formatBytes, formatMilliseconds, formatShortCount } from '../../quantities.js';
import type { Live } from '../../queries.js';
import { HeatmapChart } from './heatmap-chart.js';
import { historyRows, perMinute, sinceStart, timesOf, type HistoryRow } from './history.js';
import { LineChart, type Line } from './line-chart.js';

/** Stretches of the table. */
const ROWS = 12;
const COUNTED = ['received', 'delivered', 'delayed', 'failed'] as const;
const NOT_RUNNING = 'the node did not run then';

/** Rates, latencies, depth and memory over the last hour: as charts, and the same as a table. */
export function LastHour({ of }: { of: Live<NodeHistory> }): ReactNode {
  const history = useMemo(() => of.value && sinceStart(of.value), [of.value]);
  return (
    <section className="panel" aria-labelledby="hour">
      <div className="toolbar">
        <h2 id="hour">The last hour</h2>
        <AsOf of={of} />
      </div>
      {history !== undefined && <Charts history={history} />}
      {history !== undefined && (
        <details className="hour-table">
          <summary>As a table</summary>
          <Table
            caption="The last hour"
            columns={COLUMNS}
            rows={historyRows(history, ROWS)}
            keyOf={({ fromMs }) => String(fromMs)}
            empty="Nothing is known."
          />
        </details>
      )}
    </section>
  );
}

const RATES: readonly Line[] = [
  { name: 'received', color: 1 },
  { name: 'delivered', color: 3 },
  { name: 'delayed', color: 2, isDashed: true },
  { name: 'failed', color: 5, isDashed: true },
];
const DEPTH: readonly Line[] = [{ name: 'messages', color: 4 }];
const MEMORY: readonly Line[] = [{ name: 'memory', color: 6 }];

function Charts({ history }: { history: NodeHistory }): ReactNode {
  const times = useMemo(() => timesOf(history), [history]);
  const rates = useMemo(() => COUNTED.map((name) => perMinute(history, name)), [history]);
  const depth = useMemo(() => [history.queued], [history]);
  const memory = useMemo(() => [history.rss_bytes], [history]);
  return (
    <div className="charts">
      <LineChart
        title="Rates"
        unit="a minute"
        times={times}
        lines={RATES}
        values={rates}
        format={formatShortCount}
      />
      <HeatmapChart history={history} />
      <LineChart
        title="Messages in the queues"
        unit=""
        times={times}
        lines={DEPTH}
        values={depth}
        format={formatShortCount}
      />
      <LineChart
        title="Memory of the process"
        unit=""
        times={times}
        lines={MEMORY}
        values={memory}
        format={formatBytes}
        isBinary
      />
    </div>
  );
}

const COLUMNS: ReadonlyArray<Column<HistoryRow>> = [
  {
    key: 'time',
    title: 'From (UTC)',
    isHeader: true,
    sortBy: ({ fromMs }) => fromMs,
    cell: ({ fromMs, toMs }) => `${clockTime(fromMs)}–${clockTime(toMs)}`,
  },
  ...COUNTED.map((name): Column<HistoryRow> => ({
    key: name,
    title: `${name.charAt(0).toUpperCase()}${name.slice(1)}`,
    align: 'end',
    cell: ({ counts }) => <Count value={counts[name]} why={NOT_RUNNING} />,
  })),
  {
    key: 'p50',
    title: 'Half within',
    align: 'end',
    cell: ({ p50Ms }) => <Within ms={p50Ms} />,
  },
  {
    key: 'p99',
    title: '99 % within',
    align: 'end',
    cell: ({ p99Ms }) => <Within ms={p99Ms} />,
  },
  {
    key: 'queued',
    title: 'In the queues',
    align: 'end',
    cell: ({ ends }) => <Count value={ends.queued} why={NOT_RUNNING} />,
  },
  {
    key: 'memory',
    title: 'Memory',
    align: 'end',
    cell: ({ ends }) => <Bytes value={ends.rss_bytes} why={NOT_RUNNING} />,
  },
];

function Within({ ms }: { ms: number | null }): ReactNode {
  if (ms === null) return <Unknown why="no message was settled" />;
  return Number.isFinite(ms) ? formatMilliseconds(ms) : 'more';
}

function clockTime(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 19);
}
