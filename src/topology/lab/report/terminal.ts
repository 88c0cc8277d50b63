import { printableReply } from '../../../format/reply.js';
import { formatDuration, type Paint, type Style } from '../../../trace/waterfall-text.js';
import type { Finding, TestResult, Verdict } from '../verdict.js';
import { commandFor, tally, type TestRun } from './test-run.js';

/** What a person reads of a test: a line, and of one that did not pass all there is to know. */

const MARKS: Record<Verdict, { mark: string; style: Style }> = {
  PASS: { mark: '✓', style: 'good' },
  FAIL: { mark: '✗', style: 'bad' },
  INCONCLUSIVE: { mark: '?', style: 'wait' },
};
const MAX_TEXT = 600;

/**
 * `✓ name (3.2 s)`, and for a test that did not pass what was expected and what came instead, the
 * path of one message, and how to run it again.
 *
 * @param repeat How often each test runs; the run is named when that is more than once.
 */
export function resultText(result: TestResult, repeat: number, paint: Paint): string {
  const { verdict, name, run, reason, durationMs } = result;
  const { mark, style } = MARKS[verdict];
  const nth = repeat > 1 ? ` [${run}/${repeat}]` : '';
  const why = reason === null ? '' : `, inconclusive: ${printableReply(reason, MAX_TEXT)}`;
  const about = paint('dim', `(${formatDuration(durationMs)}${why})`);
  const lines = [`${paint(style, mark)} ${printableReply(name)}${nth} ${about}`];
  if (verdict !== 'PASS') lines.push(...detailsOf(result, paint));
  else if (result.workdir !== null) lines.push(...indented([`kept in ${result.workdir}`]));
  return `${lines.join('\n')}\n`;
}

function detailsOf(result: TestResult, paint: Paint): string[] {
  const { findings, warnings, waterfall, workdir, seed } = result;
  const lines = findings
    .filter(({ verdict }) => verdict !== 'PASS')
    .flatMap((one) => bothOf(one, paint));
  lines.push(
    ...warnings.map((text) => `${paint('wait', 'warning:')} ${printableReply(text, MAX_TEXT)}`),
  );
  // made by a node, which has made its own text safe; the lines must stay
  if (waterfall !== null)
    lines.push('', ...waterfall.trimEnd().split('\n').map(withoutControls), '');
  lines.push(`seed ${seed}; again: ${printableReply(commandFor(result), MAX_TEXT)}`);
  if (workdir !== null) lines.push(`kept in ${workdir}`);
  return indented(lines);
}

function bothOf({ kind, verdict, expected, actual }: Finding, paint: Paint): string[] {
  const instead = verdict === 'FAIL' ? 'instead' : 'unclear';
  const style = verdict === 'FAIL' ? 'bad' : 'wait';
  return [
    `${paint('strong', kind)}: expected ${printableReply(expected, MAX_TEXT)}`,
    `${' '.repeat(kind.length + 2)}${paint(style, instead.padEnd(8))} ${printableReply(actual, MAX_TEXT)}`,
  ];
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => (line === '' ? '' : `    ${line}`));
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
