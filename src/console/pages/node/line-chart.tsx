import 'uplot/dist/uPlot.min.css';
import { useEffect, useRef, type ReactNode, type RefObject } from 'react';
import uPlot from 'uplot';
import { theme } from '../../shell/theme.js';

const HEIGHT_PX = 168;
/** What the marks of an axis may be apart. */
const WHOLE = Array.from({ length: 10 }, (_, power) =>
  [1, 2, 5].map((one) => one * 10 ** power),
).flat();
const POWERS_OF_TWO = Array.from({ length: 30 }, (_, power) => 2 ** (power + 10));
/** All charts of a page show the same instant under the pointer. */
const CURSOR = 'last-hour';

/** A line, but for its values. */
export interface Line {
  name: string;
  /** Of the series in base.css. */
  color: 1 | 2 | 3 | 4 | 5 | 6;
  isDashed?: boolean;
}

type Values = readonly (number | null)[];

interface Props {
  title: string;
  unit: string;
  /** Seconds since 1970. */
  times: readonly number[];
  /** The same array each time, or the chart is made anew; as is `format`. */
  lines: readonly Line[];
  /** Of each line. */
  values: readonly Values[];
  format: (value: number) => string;
  /** The axis is divided by powers of two, as bytes are told; else by whole numbers. */
  isBinary?: boolean;
}

/** Lines over time. Under the pointer the legend tells the values, otherwise the latest ones. */
export function LineChart(props: Props): ReactNode {
  const { title, unit, times, lines, values, format, isBinary = false } = props;
  const frame = useRef<HTMLDivElement>(null);
  const legend = useRef<HTMLUListElement>(null);
  const chart = useChart(frame, legend, lines, format, isBinary ? POWERS_OF_TWO : WHOLE);
  useEffect(() => {
    chart.current?.setData([[...times], ...values.map((one) => [...one])]);
  }, [chart, times, values]);
  const latest = values.map((one) =>
    wordsOf(
      one.findLast((value) => value !== null),
      format,
    ),
  );
  const said = lines.map(({ name }, at) => `${name} ${latest[at]}`);
  return (
    <figure className="chart">
      <figcaption>
        {title} {unit !== '' && <span className="soft">{unit}</span>}
      </figcaption>
      <ul className="chart-legend" ref={legend} aria-hidden="true">
        {lines.map(({ name, color, isDashed = false }, at) => (
          <li key={name}>
            <span className="swatch" data-color={color} data-dashed={isDashed} />
            {name}{' '}
            <output className="number" data-latest={latest[at]}>
              {latest[at]}
            </output>
          </li>
        ))}
      </ul>
      <div
        className="chart-plot"
        ref={frame}
        role="img"
        aria-label={`${title} ${unit}, lately: ${said.join(', ')}. The table below has all values.`}
      />
    </figure>
  );
}

/** The chart while it is shown, as wide as its frame, in the colours of the theme. */
function useChart(
  frame: RefObject<HTMLDivElement | null>,
  legend: RefObject<HTMLUListElement | null>,
  lines: readonly Line[],
  format: (value: number) => string,
  increments: number[],
): RefObject<uPlot | null> {
  const chart = useRef<uPlot | null>(null);
  useEffect(() => {
    const [place, list] = [frame.current, legend.current];
    if (place === null || list === null) return undefined;
    const empty: uPlot.AlignedData = [[], ...lines.map(() => [])];
    const plot = new uPlot(optionsOf(place, list, lines, format, increments), empty, place);
    chart.current = plot;
    const size = new ResizeObserver(() => plot.setSize(sizeOf(place)));
    size.observe(place);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    // The page has the new colours as soon as whoever sets them is done.
    const redraw = (): void => void requestAnimationFrame(() => plot.redraw(false, true));
    dark.addEventListener('change', redraw);
    const unsubscribe = theme.subscribe(redraw);
    return () => {
      size.disconnect();
      dark.removeEventListener('change', redraw);
      unsubscribe();
      plot.destroy();
      chart.current = null;
    };
  }, [frame, legend, lines, format, increments]);
  return chart;
}

function sizeOf(place: HTMLElement): { width: number; height: number } {
  return { width: Math.max(120, place.clientWidth), height: HEIGHT_PX };
}

function optionsOf(
  place: HTMLElement,
  legend: HTMLElement,
  lines: readonly Line[],
  format: (value: number) => string,
  increments: number[],
): uPlot.Options {
  // The theme is known to the style sheet only: colours are those of elements that have them.
  const colorOf = (element: Element): string => getComputedStyle(element).color;
  const outputs = [...legend.querySelectorAll('output')];
  const swatches = [...legend.querySelectorAll('.swatch')];
  const axis: uPlot.Axis = {
    stroke: () => colorOf(place),
    grid: { stroke: () => getComputedStyle(place).borderTopColor, width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  return {
    ...sizeOf(place),
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
    cursor: { sync: { key: CURSOR }, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { y: { range: (_, __, max) => [0, Math.max(1, (max ?? 0) * 1.1)] } },
    axes: [
      { ...axis, size: 26, space: 70, values: '{HH}:{mm}' },
      {
        ...axis,
        size: 62,
        space: 30,
        incrs: increments,
        values: (_, marks) => marks.map((mark) => format(mark)),
      },
    ],
    series: [
      {},
      ...lines.map(({ name, isDashed = false }, at): uPlot.Series => ({
        label: name,
        // What is received is often what is delivered: the line below still shows.
        width: at === 0 && lines.length > 1 ? 4 : 2,
        stroke: () => colorOf(swatches[at] ?? place),
        points: { show: false },
        ...(isDashed ? { dash: [5, 3] } : {}),
      })),
    ],
    hooks: {
      setLegend: [
        ({ cursor, data }) => {
          for (const [at, output] of outputs.entries()) {
            const value = cursor.idx == null ? undefined : data[at + 1]?.[cursor.idx];
            output.textContent =
              cursor.idx == null ? (output.dataset['latest'] ?? '') : wordsOf(value, format);
          }
        },
      ],
    },
  };
}

function wordsOf(value: number | null | undefined, format: (value: number) => string): string {
  return value == null ? '–' : format(Math.round(value * 10) / 10);
}
