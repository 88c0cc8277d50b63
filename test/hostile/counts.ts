import { readFileSync, writeFileSync } from 'node:fs';
import { rows, type Row } from './rows.js';

/**
 * Prints how many cases of each row were run, as `HOSTILE_COUNTS` has them, and fails when a row
 * has none. With `--readme FILE` the table of that file is written anew.
 */

const BEGIN = '<!-- hostile rows: written by dist/test/hostile/counts.js -->';
const END = '<!-- end of hostile rows -->';

/** Cases by row; a line that a killed test cut off is left out. */
export function countsOf(text: string): Map<Row, number> {
  const counts = new Map<Row, number>();
  for (const line of text.split('\n')) {
    const match = /^\{"row":"([a-z0-9-]+)","cases":(\d+)\}$/.exec(line);
    const row = match?.[1] as Row | undefined;
    if (row !== undefined && row in rows) {
      counts.set(row, (counts.get(row) ?? 0) + Number(match?.[2]));
    }
  }
  return counts;
}

/** The table in Markdown, in the order of the rows. */
export function tableOf(counts: ReadonlyMap<Row, number>): string {
  const lines = Object.entries(rows).map(([row, { area, sent, due }]) => {
    const cases = (counts.get(row as Row) ?? 0).toLocaleString('en-US');
    return `| ${area} | \`${row}\` | ${sent} | ${due} | ${cases} |`;
  });
  return ['| | row | what is sent | what is due | cases |', '|---|---|---|---|--:|', ...lines].join(
    '\n',
  );
}

/** The text with the table between its two marks. */
export function withTable(text: string, table: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) {
    throw new Error(`no place for the table: ${BEGIN} and ${END} are missing`);
  }
  return `${text.slice(0, begin)}${BEGIN}\n${table}\n${text.slice(end)}`;
}

function main([file = '', option, readme]: string[]): number {
  const counts = countsOf(readFileSync(file, 'utf8'));
  const missing = Object.keys(rows).filter((row) => !counts.has(row as Row));
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  for (const [row, count] of counts) {
    process.stdout.write(`${row.padEnd(18)} ${count.toLocaleString('en-US').padStart(12)}\n`);
  }
  process.stdout.write(`${'all'.padEnd(18)} ${total.toLocaleString('en-US').padStart(12)}\n`);
  if (option === '--readme' && readme !== undefined) {
    writeFileSync(readme, withTable(readFileSync(readme, 'utf8'), tableOf(counts)));
  }
  if (missing.length > 0) {
    process.stderr.write(`No case was run of: ${missing.join(', ')}\n`);
    return 1;
  }
  return 0;
}

if (process.argv[1] === import.meta.filename) {
  process.exitCode = main(process.argv.slice(2));
}
