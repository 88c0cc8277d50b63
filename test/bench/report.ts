import { renderTable, type Column } from '../../src/cli/table.js';
import type { CaseResult, SubjectResult } from './case-result.js';
import type { Spread } from './statistics.js';

/** One column: its title, and what stands there of a subject; left out where nobody has anything. */
type Cell = [title: string, text: (subject: SubjectResult) => string];

const NOTHING = '-';
const PROTECTIONS = {
  clear: 'clear',
  tls: 'TLS on both sides',
  'tls-login': 'TLS and login on both sides',
};

/** A case as text: what was done, a table with a line for each contender, who is missing and why. */
export function renderCase(result: CaseResult): string {
  const cells = columnsOf(result).filter(
    ([title, text]) => title === '' || result.subjects.some((one) => text(one) !== NOTHING),
  );
  const columns: Column[] = cells.map(([title], at) => ({
    title,
    align: at === 0 ? 'left' : 'right',
  }));
  const rows = result.subjects.map((subject) => cells.map(([, text]) => text(subject)));
  const notes = [
    ...result.subjects.flatMap(({ name, failure }) =>
      failure === null ? [] : [`${name} failed: ${failure}`],
    ),
    ...result.absent.map(({ name, reason }) => `${name} is not here: ${reason}`),
    ...syncNote(result),
    ...tierNote(result),
  ];
  const table = result.subjects.length === 0 ? '' : renderTable(columns, rows, Infinity);
  return `${headingOf(result)}\n${table}${notes.map((note) => `${note}\n`).join('')}`;
}

function headingOf(result: CaseResult): string {
  const { name, title, load, protection, source, sink, rounds, replyDelayMs, drains } = result;
  const parts = [
    sizeOf(load.bytes),
    plural(load.sessions, 'session'),
    load.kept ? 'connections kept' : 'a connection a message',
    PROTECTIONS[protection],
    ...(replyDelayMs > 0 ? [`next hop ${replyDelayMs} ms away`] : []),
    ...(load.perSecond === undefined ? [] : [`${load.perSecond} messages/s`]),
    `${plural(load.messages, 'message')} a round`,
    ...(drains ? ['queued before, timed from their release on'] : []),
    plural(rounds, 'round'),
    `source ${programOf(source)}`,
    `sink ${programOf(sink)}`,
  ];
  return `${name}: ${title}\n  ${parts.join(', ')}`;
}

function columnsOf({ reference, showsStart }: CaseResult): Cell[] {
  const cells: Cell[] = [
    ['', ({ name }) => name],
    ['messages/s', ({ perSecond }) => rounded(perSecond.median)],
    ['min..max', ({ perSecond }) => range(perSecond)],
    [`of ${reference}`, ({ ofReference }) => times(ofReference)],
    ['relaymesh is', ({ relaymeshIs }) => times(relaymeshIs, ' x')],
    ['CPU us/message', ({ cpuUs }) => medianOf(cpuUs)],
    ['min..max', ({ cpuUs }) => range(cpuUs)],
    ['of it the broker', ({ brokerCpuUs }) => medianOf(brokerCpuUs)],
    ['peak MB', ({ peakBytes }) => megabytes(peakBytes)],
    ['of it the broker', ({ brokerPeakBytes }) => megabytes(brokerPeakBytes)],
    ['cores busy', ({ busyCores }) => fixed(busyCores?.median, 2)],
    ['syncs/message', ({ syncs }) => fixed(syncs, 2)],
    ['250 p50 ms', ({ replyP50Ms }) => fixed(replyP50Ms?.median, 2)],
    ['p99', ({ replyP99Ms }) => fixed(replyP99Ms?.median, 2)],
    ['arrival p50 ms', ({ arrivalP50Ms }) => fixed(arrivalP50Ms?.median, 2)],
    ['p99', ({ arrivalP99Ms }) => fixed(arrivalP99Ms?.median, 2)],
  ];
  const start: Cell[] = [
    ['ready s', ({ readyMs }) => fixed(readyMs === null ? null : readyMs / 1000, 2)],
    [
      'peak MB then',
      ({ startPeakBytes }) => (startPeakBytes === null ? NOTHING : rounded(startPeakBytes / 1e6)),
    ],
  ];
  return showsStart ? [...cells, ...start] : cells;
}

function syncNote({ syncMs, load }: CaseResult): string[] {
  if (syncMs === null) return [];
  const limitMs = 1.5 * syncMs.median + 2;
  return [
    `a synced append of ${sizeOf(load.bytes)} beside it: ${syncMs.median.toFixed(2)} ms (${range(syncMs, 2)}); 1.5 times that and 2 ms: ${limitMs.toFixed(2)} ms`,
  ];
}

/** What each node in a row adds: the difference to none of them, shared out evenly. */
function tierNote({ tiers, reference, subjects }: CaseResult): string[] {
  const without = subjects.find(({ name }) => name === reference);
  if (tiers === null || without === undefined) return [];
  return subjects.flatMap((one) => {
    const added = (pick: (subject: SubjectResult) => Spread | null): number | null => {
      const [beside, alone] = [pick(one), pick(without)];
      return beside === null || alone === null ? null : (beside.median - alone.median) / tiers;
    };
    const p50Ms = added(({ arrivalP50Ms }) => arrivalP50Ms);
    const p99Ms = added(({ arrivalP99Ms }) => arrivalP99Ms);
    return one === without || p50Ms === null || p99Ms === null
      ? []
      : [`${one.name}: each adds ${p50Ms.toFixed(2)} ms at p50 and ${p99Ms.toFixed(2)} ms at p99`];
  });
}

export function sizeOf(bytes: number): string {
  return bytes >= 1e6 ? `${bytes / 1e6} MB` : `${bytes / 1000} kB`;
}

function programOf(program: string): string {
  return program === 'ours' ? 'of our own' : program;
}

function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

function rounded(value: number): string {
  return Number.isFinite(value) ? value.toFixed(digitsOf(value)) : NOTHING;
}

/** Few messages a second are told apart too. */
function digitsOf(value: number): number {
  return value < 10 ? 1 : 0;
}

function megabytes(spread: Spread | null): string {
  return spread === null ? NOTHING : rounded(spread.max / 1e6);
}

function medianOf(spread: Spread | null): string {
  return spread === null ? NOTHING : rounded(spread.median);
}

function range(spread: Spread | null, decimals?: number): string {
  if (spread === null || !Number.isFinite(spread.min)) return NOTHING;
  const digits = decimals ?? digitsOf(spread.min);
  return `${spread.min.toFixed(digits)}..${spread.max.toFixed(digits)}`;
}

function times(spread: Spread | null, unit = ''): string {
  return spread === null ? NOTHING : `${spread.median.toFixed(2)}${unit}`;
}

function fixed(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined ? NOTHING : value.toFixed(digits);
}
