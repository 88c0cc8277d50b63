import type { TestResult } from '../verdict.js';
import { commandFor, tally, type TestRun } from './test-run.js';

/**
 * JUnit XML, in the form that CI servers read: a suite for each file, a case for each run of a
 * test, `failure` for FAIL and `error` for INCONCLUSIVE.
 */
export function junitXml(run: TestRun): string {
  const suites = run.files.map((file) => ({
    file,
    results: run.results.filter((result) => result.file === file),
  }));
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name: 'relaymesh topology test', ...numbersOf(run.results) })}>`,
    ...suites.flatMap(({ file, results }) => [
      `  <testsuite${attributes({ name: file, ...numbersOf(results) })}>`,
      ...results.flatMap((result) => caseLines(result, run.repeat)),
      '  </testsuite>',
    ]),
    '</testsuites>',
    '',
  ].join('\n');
}

function numbersOf(results: readonly TestResult[]): Record<string, string> {
  const counts = tally(results);
  return {
    tests: String(results.length),
    failures: String(counts.FAIL),
    errors: String(counts.INCONCLUSIVE),
    skipped: '0',
    time: seconds(results.reduce((sum, { durationMs }) => sum + durationMs, 0)),
  };
}

function caseLines(result: TestResult, repeat: number): string[] {
  const { file, name, run, seed, verdict, durationMs, workdir } = result;
  const shown = repeat > 1 ? `${name} [${run}/${repeat}]` : name;
  const properties = { seed: String(seed), ...(workdir === null ? {} : { workdir }) };
  return [
    `    <testcase${attributes({ name: shown, classname: file, time: seconds(durationMs) })}>`,
    '      <properties>',
    ...Object.entries(properties).map(
      ([key, value]) => `        <property${attributes({ name: key, value })}/>`,
    ),
    '      </properties>',
    ...(verdict === 'PASS' ? [] : [problemLine(result)]),
    '    </testcase>',
  ];
}

function problemLine(result: TestResult): string {
  const { verdict, findings, warnings, reason, waterfall } = result;
  const bad = findings.filter((finding) => finding.verdict !== 'PASS');
  const [first] = bad.filter((finding) => finding.verdict === verdict);
  const [why] = reason?.split('\n') ?? [];
  const message = why ?? (first && `${first.kind}: expected ${first.expected}, ${first.actual}`);
  const [tag, type] = verdict === 'FAIL' ? ['failure', first?.kind] : ['error', 'inconclusive'];
  const text = [
    ...(reason === null ? [] : [reason]),
    ...bad.map(({ kind, expected, actual }) => `${kind}: expected ${expected}\n  ${actual}`),
    ...warnings.map((warning) => `warning: ${warning}`),
    ...(waterfall === null ? [] : [waterfall.trimEnd()]),
    `again: ${commandFor(result)}`,
  ].join('\n');
  const named = attributes({ message: message ?? verdict, type: type ?? 'steps' });
  return `      <${tag}${named}>${escaped(text)}</${tag}>`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

function attributes(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => ` ${key}="${escaped(value).replaceAll('\n', '&#10;')}"`)
    .join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;',
  '\r': '&#13;',
};

/** XML 1.0 §2.2 has no form for most control characters and lone surrogates: they become U+FFFD. */
function escaped(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, (character) =>
      /[\t\n\r\u007f-\u009f]/.test(character) ? character : '\ufffd',
    )
    .replaceAll(/[&<>"\t\r]/g, (character) => ENTITIES[character] ?? character);
}
