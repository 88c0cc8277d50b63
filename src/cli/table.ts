import stringWidth from 'string-width';
import { printableReply } from '../format/reply.js';

/** Aligned text tables for terminals. */

export interface Column {
  title: string;
  align: 'left' | 'right';
  /** Columns are cut down to this many characters when the table is too wide; absent: never. */
  minWidth?: number;
  /**
   * Columns with one are left out when cutting is not enough, that with the highest first; absent:
   * it always stays.
   */
  dispensable?: number;
  /** Puts colours around a cell, which has its width already. The title has none. */
  paint?: (cell: string) => string;
}

const GAP = '  ';

/**
 * A table with its titles in the first line; each line ends with `\n`. When it is wider than
 * `width`, columns with a `minWidth` are cut in the middle, the widest first, then dispensable ones
 * left out. Cells show nothing that could steer a terminal. `Infinity` cuts nothing, for output
 * that another program reads.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map((_, at) => printableReply(row[at] ?? ''))),
  ];
  const widths = columns.map((_, at) =>
    cells.reduce((widest, row) => Math.max(widest, stringWidth(row[at] ?? '')), 0),
  );
  const shown = columnsThatFit(columns, widths, width);
  shrinkToWidth(widths, columns, shown, width);
  return cells
    .map((row, index) => {
      const line = shown.map((at) => {
        const cell = alignCell(row[at] ?? '', widths[at] ?? 0, columns[at]?.align ?? 'left');
        const paint = index === 0 ? undefined : columns[at]?.paint;
        return paint === undefined ? cell : paint(cell);
      });
      return `${line.join(GAP).trimEnd()}\n`;
    })
    .join('');
}

/** Pairs of a name and a value, the values below each other. */
export function renderPairs(pairs: readonly (readonly [string, string])[]): string {
  const widest = pairs.reduce((width, [name]) => Math.max(width, stringWidth(name)), 0);
  return pairs
    .map(([name, value]) => `${alignCell(name, widest, 'left')}${GAP}${printableReply(value)}\n`)
    .join('');
}

/** Places of the columns that are shown: all, or without dispensable ones as long as none fits. */
function columnsThatFit(
  columns: readonly Column[],
  widths: readonly number[],
  width: number,
): number[] {
  const least = columns.map(({ minWidth }, at) => {
    const own = widths[at] ?? 0;
    return minWidth === undefined ? own : Math.min(own, minWidth);
  });
  const shown = columns.map((_, at) => at);
  const rank = (at: number): number => columns[at]?.dispensable ?? 0;
  while (total(shown, least) > width) {
    const next = shown.reduce((most, at) => (rank(at) > rank(most) ? at : most), shown[0] ?? 0);
    if (rank(next) === 0) break;
    shown.splice(shown.indexOf(next), 1);
  }
  return shown;
}

function total(shown: readonly number[], widths: readonly number[]): number {
  const cells = shown.reduce((sum, at) => sum + (widths[at] ?? 0), 0);
  return cells + GAP.length * (shown.length - 1);
}

/** Takes what is too much from the widest columns that may be cut. */
function shrinkToWidth(
  widths: number[],
  columns: readonly Column[],
  shown: readonly number[],
  width: number,
): void {
  for (let excess = total(shown, widths) - width; excess > 0; excess--) {
    let widest = -1;
    for (const at of shown) {
      const own = widths[at] ?? 0;
      const least = columns[at]?.minWidth;
      if (least === undefined || own <= least) continue;
      if (widest === -1 || own > (widths[widest] ?? 0)) widest = at;
    }
    if (widest === -1) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

function alignCell(cell: string, width: number, align: 'left' | 'right'): string {
  const cut = cutInTheMiddle(cell, width);
  const filler = ' '.repeat(Math.max(0, width - stringWidth(cut)));
  return align === 'left' ? cut + filler : filler + cut;
}

const graphemes = new Intl.Segmenter();

/** `text` in at most `width` columns: both ends of it, as what tells hosts and ids apart. */
function cutInTheMiddle(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  if (width < 1) return '';
  const parts = Array.from(graphemes.segment(text), ({ segment }) => segment);
  const end = Math.floor((width - 1) / 2);
  const tail = take(parts.toReversed(), end).toReversed().join('');
  return `${take(parts, width - 1 - end).join('')}…${tail}`;
}

/** The first parts, as many as fit. */
function take(parts: readonly string[], width: number): string[] {
  let left = width;
  const fits = parts.findIndex((part) => (left -= stringWidth(part)) < 0);
  return parts.slice(0, fits === -1 ? parts.length : fits);
}
