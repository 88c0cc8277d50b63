import { printableReply } from '../../../format/reply.js';
import {
  displayWidth,
  formatDuration,
  type Paint,
  type Style,
} from '../../../trace/waterfall-text.js';
import type { TestResult, Verdict } from '../verdict.js';
import { commandFor, tally, type TestRun } from './test-run.js';

/** What a person reads of a test: a line, and of one that did not pass all there is to know. */

const MARKS: Record<Verdict, { mark: string; style: Style }> = {
  PASS: { mark: '✓', style: 'good' },
  FAIL: { mark: '✗', style: 'bad' },
  INCONCLUSIVE: { mark: '?', style: 'wait' },
};
const MAX_TEXT = 600;
/** In front of what is told about a test. */
export const INDENT = '    ';

/** What the words of a finding begin with, and what takes up the same room. */
interface Label {
  text: string;
  style?: Style;
}

/**
 * `✓ name (3.2 s)`, and for a test that did not pass what was expected and what came instead, the
 * path of one message, and how to run it again.
 *
 * @param repeat How often each test runs; the run is named when that is more than once.
 * @param columns Of the terminal; sentences are set in lines that fit. Absent: each is one line.
 */
export function resultText(
  result: TestResult,
  repeat: number,
  paint: Paint,
  columns = Infinity,
): string {
  const { verdict, name, run, durationMs } = result;
  const { mark, style } = MARKS[verdict];
  const nth = repeat > 1 ? ` [${run}/${repeat}]` : '';
  const unclear = verdict === 'INCONCLUSIVE' ? ', inconclusive' : '';
  const about = paint('dim', `(${formatDuration(durationMs)}${unclear})`);
  const lines = [`${paint(style, mark)} ${printableReply(name)}${nth} ${about}`];
  if (verdict !== 'PASS') lines.push(...detailsOf(result, paint, columns - INDENT.length));
  else if (result.workdir !== null) lines.push(...indented([`kept in ${result.workdir}`]));
  return `${lines.join('\n')}\n`;
}

function detailsOf(result: TestResult, paint: Paint, width: number): string[] {
  const { findings, warnings, reason, waterfall, workdir, seed } = result;
  const sentence = (label: Label, words: string): string[] => labelled(label, words, paint, width);
  const lines: string[] = [];
  // a finding that is not clear is the reason, and tells more
  const isTold = findings.some(({ verdict }) => verdict === 'INCONCLUSIVE');
  if (reason !== null && !isTold) {
    const [first = '', ...more] = reason.split('\n');
    lines.push(...sentence({ text: 'why:', style: 'wait' }, first));
    lines.push(...more.flatMap((line) => sentence({ text: '    ' }, line.trim())));
  }
  for (const { kind, verdict, expected, actual } of findings) {
    if (verdict === 'PASS') continue;
    const indent = ' '.repeat(kind.length + 1);
    const [word, style] =
      verdict === 'FAIL' ? (['instead', 'bad'] as const) : (['unclear', 'wait'] as const);
    lines.push(...sentence({ text: `${kind}:`, style: 'strong' }, `expected ${expected}`));
    lines.push(...sentence({ text: `${indent} ${word} `, style }, actual));
  }
  lines.push(...warnings.flatMap((text) => sentence({ text: 'warning:', style: 'wait' }, text)));
  // made by a node, which has made its own text safe; the lines must stay
  if (waterfall !== null)
    lines.push('', ...waterfall.trimEnd().split('\n').map(withoutControls), '');
  // whole, so that it can be copied
  lines.push(`seed ${seed}; again: ${printableReply(commandFor(result), MAX_TEXT)}`);
  if (workdir !== null) lines.push(`kept in ${workdir}`);
  return indented(lines);
}

/** A label and its words, which stay to the right of it. A word that is too long stays whole. */
function labelled({ text, style }: Label, words: string, paint: Paint, width: number): string[] {
  const room = width - displayWidth(text) - 1;
  const lines: string[] = [];
  let line = '';
  for (const word of printableReply(words, MAX_TEXT).split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && displayWidth(longer) > room) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  const label = style === undefined ? text : paintedLabel(text, style, paint);
  return [...lines, line].map((one, index) =>
    index === 0 ? `${label} ${one}` : `${' '.repeat(displayWidth(text) + 1)}${one}`,
  );
}

/** Without colouring the spaces that are around it. */
function paintedLabel(text: string, style: Style, paint: Paint): string {
  return text.replace(/\S+/, (word) => paint(style, word));
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => (line === '' ? '' : `${INDENT}${line}`));
}

function withoutControls(line: string): string {
  return line.replaceAll(/\p{Cc}/gu, '');
}

/** `12 passed, 1 failed, 0 inconclusive (2 files, 41.0 s)`; with `--repeat`, a line a test before. */
export function summaryText(run: TestRun, paint: Paint): string {
  const { results, files, durationMs, repeat, interrupted } = run;
  const counts = tally(results);
  const lines = repeat > 1 ? repeatLines(results) : [];
  const parts = [
    `${counts.PASS} passed`,
    `${counts.FAIL} failed`,
    `${counts.INCONCLUSIVE} inconclusive`,
  ];
  const style = counts.FAIL > 0 ? 'bad' : counts.INCONCLUSIVE > 0 ? 'wait' : 'good';
  const scope = `${files.length} ${files.length === 1 ? 'file' : 'files'}`;
  const end = interrupted ? ', interrupted' : '';
  lines.push(`${paint(style, parts.join(', '))} (${scope}, ${formatDuration(durationMs)}${end})`);
  return `${lines.join('\n')}\n`;
}

/** `name: 4 of 5 passed`, and the seeds of those that did not. */
function repeatLines(results: readonly TestResult[]): string[] {
  const groups = new Map<string, TestResult[]>();
  for (const result of results) {
    const key = JSON.stringify([result.file, result.name]);
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  return [...groups.values()].map((group) => {
    const others = group.filter(({ verdict }) => verdict !== 'PASS');
    const seeds = others.map(({ seed }) => seed).join(', ');
    const which =
      others.length === 0 ? '' : `; not with ${others.length === 1 ? 'seed' : 'seeds'} ${seeds}`;
    const name = printableReply(group[0]?.name ?? '');
    return `${name}: ${group.length - others.length} of ${group.length} passed${which}`;
  });
}
