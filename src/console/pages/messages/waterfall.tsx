import './waterfall.css';
import { useId, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { Link } from 'wouter';
import { formatMilliseconds } from '../../quantities.js';
import { AttemptDetails } from './attempt-details.js';
import { marksOf, type Axis } from './axis.js';
import { HopLabel, hopNotes } from './hop-label.js';
import type { ChainTrace } from './timeline.js';
import {
  layOut,
  tellingAttempt,
  type AttemptBar,
  type HopRow,
  type WaitBar,
} from './waterfall-layout.js';

/** A wait that is narrower has no room for its duration; less is enough on a wide screen. */
const LABELLED_SHARE = 0.11;
const LABELLED_SHARE_WIDE = 0.055;

/**
 * The hops of a message, each a row on one time axis: waits are lines, attempts are bars. One bar is
 * chosen, and told in detail under its row; arrow keys move between bars.
 */
export function Waterfall({ trace, nowMs }: { trace: ChainTrace; nowMs: number }): ReactNode {
  const picture = useMemo(() => layOut(trace, nowMs), [trace, nowMs]);
  const [chosen, setChosen] = useState<string | null>(null);
  const frame = useRef<HTMLDivElement>(null);
  const id = useId();
  const bars = picture.rows.flatMap(({ attempts }) => attempts);
  const current = bars.find((bar) => bar.id === chosen) ?? tellingAttempt(picture);
  const move = (event: KeyboardEvent): void => {
    const next = nextBar(picture.rows, current, event.key);
    if (next === null) return;
    event.preventDefault();
    setChosen(next.id);
    frame.current?.querySelector<SVGElement>(`[data-bar="${CSS.escape(next.id)}"]`)?.focus();
  };
  const row = (one: HopRow): ReactNode => (
    <li key={one.id} className="waterfall-hop">
      <HopLabel row={one} />
      <Track
        row={one}
        axis={picture.axis}
        current={current}
        detailsId={id}
        onChoose={(bar) => setChosen(bar.id)}
        onKeyDown={move}
      />
      {hopNotes(one).map((note) => (
        <p key={note} className="waterfall-note">
          {note}
        </p>
      ))}
      {current !== null && one.attempts.includes(current) && (
        <AttemptDetails id={id} bar={current} row={one} />
      )}
    </li>
  );
  return (
    <div className="waterfall" ref={frame}>
      <Ruler axis={picture.axis} />
      <ol className="waterfall-hops">
        {picture.rows.map(row)}
        {trace.unreachable.map(({ node, reason }) => (
          <li key={node} className="waterfall-hop" data-silent="true">
            <span className="waterfall-label">
              <Link href={`/node/${encodeURIComponent(node)}`}>{node}</Link>
            </span>
            <span className="waterfall-silence">could not be asked: {reason}</span>
          </li>
        ))}
      </ol>
      {picture.hiddenHops > 0 && <p className="hint">… and {picture.hiddenHops} more hops</p>}
    </div>
  );
}

/** Times over the bars; where waits are shortened, the axis is broken. */
function Ruler({ axis }: { axis: Axis }): ReactNode {
  const marks = marksOf(axis);
  const isShortened = axis.segments.some(({ shortened }) => shortened);
  return (
    <div className="waterfall-ruler">
      <span className="waterfall-legend">
        {isShortened && <span className="waterfall-shortened">long waits are shortened</span>}
      </span>
      <svg className="waterfall-scale" aria-hidden="true" focusable="false">
        {axis.segments.map(({ fromMs, toMs, from, to, shortened }) => (
          <line
            key={`${fromMs} ${toMs}`}
            className={shortened ? 'scale-line scale-break' : 'scale-line'}
            x1={percent(from)}
            x2={percent(to)}
            y1="21"
            y2="21"
          />
        ))}
        {marks.map(({ at, ms }, index) => (
          <g key={at}>
            <line className="scale-line" x1={percent(at)} x2={percent(at)} y1="17" y2="25" />
            <text
              className={
                index > 0 && index < marks.length - 1 && index % 2 === 0
                  ? 'scale-time scale-minor'
                  : 'scale-time'
              }
              x={percent(at)}
              y="12"
              textAnchor={at === 0 ? 'start' : at === 1 ? 'end' : 'middle'}
            >
              {ms === 0 ? '0' : formatMilliseconds(ms)}
            </text>
          </g>
        ))}
      </svg>
    </div>
  );
}

interface TrackProps {
  row: HopRow;
  axis: Axis;
  current: AttemptBar | null;
  detailsId: string;
  onChoose: (bar: AttemptBar) => void;
  onKeyDown: (event: KeyboardEvent) => void;
}

function Track({ row, axis, current, detailsId, onChoose, onKeyDown }: TrackProps): ReactNode {
  const { node } = row.placed.hop;
  return (
    <svg className="waterfall-track" role="group" aria-label={`Attempts at ${node}`}>
      <defs>
        <pattern id={`hatch-${row.id}`} width="5" height="5" patternUnits="userSpaceOnUse">
          <path className="bar-hatch" d="M-1,1 l2,-2 M0,5 l5,-5 M4,6 l2,-2" />
        </pattern>
      </defs>
      {axis.segments.map(({ fromMs, from, to, shortened }) =>
        shortened ? (
          <rect
            key={fromMs}
            className="track-break"
            x={percent(from)}
            width={percent(to - from)}
            y="0"
            height="100%"
          />
        ) : null,
      )}
      {marksOf(axis).map(({ at }) => (
        <line key={at} className="track-grid" x1={percent(at)} x2={percent(at)} y1="0" y2="100%" />
      ))}
      {row.waits.map((wait) => (
        <Wait key={`${wait.kind} ${wait.from}`} wait={wait} />
      ))}
      {row.attempts.map((bar) => (
        <g
          key={bar.id}
          className="bar"
          data-bar={bar.id}
          data-kind={bar.kind}
          role="button"
          tabIndex={bar === current ? 0 : -1}
          aria-pressed={bar === current}
          aria-controls={bar === current ? detailsId : undefined}
          aria-label={labelOf(bar)}
          onClick={() => onChoose(bar)}
          onFocus={() => onChoose(bar)}
          onKeyDown={onKeyDown}
        >
          <title>{labelOf(bar)}</title>
          <rect
            className="bar-reach"
            x={percent(bar.from)}
            width={width(bar)}
            y="0"
            height="100%"
          />
          <rect className="bar-shape" x={percent(bar.from)} width={width(bar)} y="6" height="16" />
          {bar.kind === 'refused' && (
            <rect
              x={percent(bar.from)}
              width={width(bar)}
              y="6"
              height="16"
              fill={`url(#hatch-${CSS.escape(row.id)})`}
            />
          )}
        </g>
      ))}
    </svg>
  );
}

function Wait({ wait: { kind, from, to, durationMs } }: { wait: WaitBar }): ReactNode {
  return (
    <g className="wait" data-kind={kind}>
      <title>{`${kind === 'queue' ? 'in the queue' : 'waiting'} ${formatMilliseconds(durationMs)}`}</title>
      <line x1={percent(from)} x2={percent(to)} y1="14" y2="14" />
      {to - from >= LABELLED_SHARE_WIDE && (
        <text
          className={to - from >= LABELLED_SHARE ? undefined : 'wide-only'}
          x={percent((from + to) / 2)}
          y="11"
          textAnchor="middle"
        >
          {formatMilliseconds(durationMs)}
        </text>
      )}
    </g>
  );
}

function labelOf({ attempt: { record, number }, kind, durationMs }: AttemptBar): string {
  const outcome = kind === 'accepted' ? 'accepted' : `${record.result} in ${record.state}`;
  const code = record.code === null ? '' : ` ${record.code}`;
  const by = record.node === undefined ? '' : ` by ${record.node}`;
  return `Attempt ${number}${by} to ${record.next_hop}: ${outcome}${code}, ${formatMilliseconds(durationMs)}`;
}

/** The bar to which a key leads, or null for a key that leads nowhere. */
function nextBar(
  rows: readonly HopRow[],
  current: AttemptBar | null,
  key: string,
): AttemptBar | null {
  const filled = rows.filter(({ attempts }) => attempts.length > 0);
  const all = filled.flatMap(({ attempts }) => attempts);
  const at = current === null ? -1 : all.indexOf(current);
  const rowAt = filled.findIndex(({ attempts }) => current !== null && attempts.includes(current));
  const inRow = current === null ? 0 : (filled[rowAt]?.attempts.indexOf(current) ?? 0);
  const rowOf = (index: number): AttemptBar | null => {
    const attempts = filled[index]?.attempts ?? [];
    return attempts[Math.min(inRow, attempts.length - 1)] ?? null;
  };
  switch (key) {
    case 'ArrowRight':
      return all[at + 1] ?? null;
    case 'ArrowLeft':
      return all[at - 1] ?? null;
    case 'ArrowDown':
      return rowOf(rowAt + 1);
    case 'ArrowUp':
      return rowAt > 0 ? rowOf(rowAt - 1) : null;
    case 'Home':
      return all[0] ?? null;
    case 'End':
      return all.at(-1) ?? null;
    default:
      return null;
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(3)}%`;
}

function width({ from, to }: { from: number; to: number }): string {
  return percent(Math.max(0.002, to - from));
}
