import { styleText } from 'node:util';
import { codeOf } from '../../base/errors.js';

/** The part of a stream that output for people needs. */
export type Output = Pick<NodeJS.WriteStream, 'write' | 'isTTY'>;

type Style = Parameters<typeof styleText>[0];

/** Colours text where the stream is a terminal and NO_COLOR is unset. */
export function paint(stream: Output, style: Style, text: string): string {
  return stream.isTTY && !process.env['NO_COLOR'] ? styleText(style, text) : text;
}

/** Rows as lines with aligned columns, two spaces apart, no blanks at the end of a line. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** Writes a table whose first row is its header. */
export function writeTable(stream: Output, rows: readonly (readonly string[])[]): void {
  const [header = '', ...lines] = alignColumns(rows);
  stream.write(`${paint(stream, 'bold', header)}\n`);
  for (const line of lines) stream.write(`${line}\n`);
}

/**
 * Lets a reader of this stream go away (EPIPE), as `| head` does, without ending the process.
 *
 * @param onGone Told once, when it went.
 */
export function allowClosedReader(
  stream: NodeJS.WriteStream,
  onGone: () => void = () => undefined,
): void {
  let gone = false;
  stream.on('error', (error) => {
    if (codeOf(error) !== 'EPIPE') throw error;
    if (!gone) onGone();
    gone = true;
  });
}
