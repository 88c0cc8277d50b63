import { printableReply } from '../format/reply.js';
import { cutToWidth, displayWidth } from '../trace/waterfall-text.js';

/** Aligned text tables for terminals. */

export interface Column {
  title: string;
  align: 'left' | 'right';
  /** Columns are cut down to this many characters when the table is too wide; absent: never. */
  minWidth?: number;
}

const GAP = '  ';

/**
 * A table with its titles in the first line; each line ends with `\n`. When it is wider than
 * `width`, columns with a `minWidth` are cut, the widest first. Cells show nothing that could steer
 * a terminal. `Infinity` cuts nothing, for output that another program reads.
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
    cells.reduce((widest, row) => Math.max(widest, displayWidth(row[at] ?? '')), 0),
  );
  shrinkToWidth(widths, columns, width);
  return cells
    .map((row) => {
      const line = row.map((cell, at) =>
        alignCell(cell, widths[at] ?? 0, columns[at]?.align ?? 'left'),
      );
      return `${line.join(GAP).trimEnd()}\n`;
    })
    .join('');
}

/** Pairs of a name and a value, the values below each other. */
export function renderPairs(pairs: readonly (readonly [string, string])[]): string {
  const widest = pairs.reduce((width, [name]) => Math.max(width, displayWidth(name)), 0);
  return pairs
    .map(([name, value]) => `${alignCell(name, widest, 'left')}${GAP}${printableReply(value)}\n`)
    .join('');
}

/** Takes what is too much from the widest columns that may be cut. */
function shrinkToWidth(widths: number[], columns: readonly Column[], width: number): void {
  let excess = widths.reduce((sum, columnWidth) => sum + columnWidth, 0);
  excess += GAP.length * (columns.length - 1) - width;
  while (excess > 0) {
    let widest = -1;
    for (const [at, column] of columns.entries()) {
      const own = widths[at] ?? 0;
      if (column.minWidth === undefined || own <= column.minWidth) continue;
      if (widest === -1 || own > (widths[widest] ?? 0)) widest = at;
    }
    if (widest === -1) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess--;
  }
}

function alignCell(cell: string, width: number, align: 'left' | 'right'): string {
  const cut = cutToWidth(cell, width);
  const filler = ' '.repeat(Math.max(0, width - displayWidth(cut)));
  return align === 'left' ? cut + filler : filler + cut;
}
