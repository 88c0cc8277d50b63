import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { CaseResult, SubjectResult } from './case-result.js';
import { machineLine, type Machine } from './machine.js';
import type { Spread } from './statistics.js';

/*
 *   node dist/test/bench/table.js FILE…
 *
 * What `npm run bench -- --json FILE` has written, as the table of the README: a line for each
 * contender of each case, in the order of the files.
 */

interface Run {
  machine: Machine;
  cases: CaseResult[];
}

const HEAD = [
  'case',
  'relay',
  'messages/s',
  'of the reference',
  'CPU µs a message',
  'of it the broker',
  'peak MB',
  'of it the broker',
  'cores busy',
  'syncs a message',
  '250: p50, p99 ms',
  'arrival: p50, p99 ms',
];

/** Markdown: the machines, each once, and the table; what nobody has has no column. */
export function renderTable(runs: readonly Run[]): string {
  const machines = new Set(runs.map(({ machine }) => machineLine(machine)));
  const lines = runs.flatMap(({ cases }) => cases.flatMap(linesOf));
  const isShown = HEAD.map((_, at) => lines.some((line) => line[at] !== ''));
  const rows = [HEAD, HEAD.map((_, at) => (at < 2 ? '---' : '--:')), ...lines].map((row) =>
    row.filter((_, at) => isShown[at]),
  );
  const table = rows.map((row) => `| ${row.join(' | ')} |\n`).join('');
  return `${[...machines].map((line) => `${line}\n`).join('')}\n${table}`;
}

function linesOf({ name, title, reference, subjects }: CaseResult): string[][] {
  return subjects.map((subject, at) => [
    at === 0 ? `${name}: ${title}` : '',
    subject.failure === null ? subject.name : `${subject.name}: ${subject.failure}`,
    withRange(subject.perSecond),
    subject.name === reference ? '1' : decimal(subject.ofReference),
    withRange(subject.cpuUs),
    subject.brokerCpuUs === null ? '' : subject.brokerCpuUs.median.toFixed(0),
    megabytes(subject.peakBytes),
    megabytes(subject.brokerPeakBytes),
    decimal(subject.busyCores),
    subject.syncs === null ? '' : subject.syncs.toFixed(2),
    pair(subject, 'reply'),
    pair(subject, 'arrival'),
  ]);
}

function withRange(spread: Spread | null): string {
  if (spread === null || !Number.isFinite(spread.median)) return '';
  const digits = spread.median < 10 ? 1 : 0;
  const [median, min, max] = [spread.median, spread.min, spread.max].map((one) =>
    one.toFixed(digits),
  );
  return `${median} (${min}–${max})`;
}

function megabytes(spread: Spread | null): string {
  return spread === null ? '' : (spread.max / 1e6).toFixed(0);
}

function decimal(spread: Spread | null): string {
  return spread === null ? '' : spread.median.toFixed(2);
}

function pair(subject: SubjectResult, which: 'reply' | 'arrival'): string {
  const [p50, p99] = [subject[`${which}P50Ms`], subject[`${which}P99Ms`]];
  return p50 === null || p99 === null ? '' : `${decimal(p50)}, ${decimal(p99)}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const runs = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, 'utf8')) as Run);
  process.stdout.write(renderTable(runs));
}
