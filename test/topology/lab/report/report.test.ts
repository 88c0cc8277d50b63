import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { testDocument } from '../../../../src/topology/lab/report/json.js';
import { junitXml } from '../../../../src/topology/lab/report/junit.js';
import { LiveLine, progressText } from '../../../../src/topology/lab/report/live-line.js';
import { resultText, summaryText } from '../../../../src/topology/lab/report/terminal.js';
import { commandFor, type TestRun } from '../../../../src/topology/lab/report/test-run.js';
import { painter } from '../../../../src/trace/waterfall-text.js';
import { VirtualClock } from '../../../base/virtual-clock.js';
import { assertGolden } from '../../export/golden.js';
import { FAILED, RUN, testResult, UNCLEAR } from './report-samples.js';

const plain = painter(false);

test('a line a test, and of one that did not pass what was expected and how to repeat it', () => {
  const text = RUN.results.map((result) => resultText(result, 1, plain)).join('');
  assertGolden('lab-report.txt', `${text}\n${summaryText(RUN, plain)}`);
});

test('with --repeat each run is numbered, and the summary says how many of them passed', () => {
  const results = [1, 2, 3].map((run) => testResult({ run, seed: run }));
  const run: TestRun = {
    results: [...results, { ...FAILED, run: 1 }, { ...FAILED, run: 2, seed: 8 }],
    files: RUN.files.slice(0, 1),
    durationMs: 9000,
    repeat: 3,
    interrupted: true,
  };
  assert.equal(resultText(results[1]!, 3, plain), '✓ all mail arrives [2/3] (3.21 s)\n');
  assert.equal(
    summaryText(run, plain),
    'all mail arrives: 3 of 3 passed\n' +
      "survives the loss of edge's core: 0 of 2 passed; not with seeds 7, 8\n" +
      '3 passed, 2 failed, 0 inconclusive (1 file, 9.00 s, interrupted)\n',
  );
});

test('in a narrow window sentences go on under their first word, and nothing is cut off', () => {
  const reason =
    'node core ended with exit code 7 before it was ready [CHILD_FAILED]\n  Its log: /a/very/long/path/without/a/single/space/core.log';
  const text = resultText({ ...UNCLEAR, reason }, 1, plain, 50);
  const [title, ...lines] = text.trimEnd().split('\n');
  assert.equal(title, '? drains (31.0 s, inconclusive)');
  assert.deepEqual(lines.slice(0, 4), [
    '    why: node core ended with exit code 7 before',
    '         it was ready [CHILD_FAILED]',
    '         Its log:',
    '         /a/very/long/path/without/a/single/space/core.log',
  ]);
  const failed = resultText(FAILED, 1, plain, 60).split('\n');
  assert.deepEqual(failed.slice(1, 5), [
    '    delivered: expected 200 different messages at mx',
    '               instead  199 different messages; accepted and',
    '                        at no sink: message 17 to',
    '                        <u17>&"x"@x.test',
  ]);
  assert.ok(text.includes(commandFor(UNCLEAR)), 'the command is one line');
});

test('a reason that a finding gives as well is told once', () => {
  const actual = 'not ready within 30 s';
  const finding = {
    kind: 'steps',
    verdict: 'INCONCLUSIVE',
    expected: 'start core',
    actual,
  } as const;
  const text = resultText({ ...UNCLEAR, findings: [finding] }, 1, plain);
  assert.equal(text.split(actual).length - 1, 1);
  assert.match(text, /^ {4}steps: expected start core\n {11}unclear {2}not ready within 30 s$/m);
});

test('a test that passed says where its folder was kept', () => {
  assert.match(resultText(testResult({ workdir: '/w' }), 1, plain), /\n {4}kept in \/w\n$/);
});

test('nothing that a message or a node wrote steers the terminal', () => {
  const result = { ...FAILED, name: 'a\u001b[2J', reason: 'b\u0007' };
  assert.ok(!/[^\P{Cc}\n]/u.test(resultText(result, 1, plain)));
  const colored = resultText(result, 1, painter(true));
  assert.ok(colored.startsWith('\u001b[31m✗\u001b[0m a\\x1b[2J'), colored);
});

test('the command to repeat a test survives a shell', () => {
  assert.equal(
    commandFor(FAILED),
    String.raw`relaymesh topology test topologies/mesh.yaml --filter 'survives the loss of edge'\''s core' --seed 7 --keep`,
  );
  assert.match(commandFor(UNCLEAR), /test 'topologies\/other mesh\.yaml' --filter/);
});

test('the JSON document', () => {
  assertGolden('lab-report.json', `${JSON.stringify(testDocument(RUN), null, 2)}\n`);
});

test('the JUnit file is well-formed XML with every run, its failure or error', () => {
  const xml = junitXml(RUN);
  assertGolden('lab-report.junit.xml', xml);
  assert.equal(XMLValidator.validate(xml), true);
  const { testsuites } = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '',
    isArray: (name) => name === 'testcase' || name === 'testsuite',
  }).parse(xml) as {
    testsuites: {
      tests: string;
      failures: string;
      errors: string;
      testsuite: {
        name: string;
        testcase: { name: string; failure?: { type: string; message: string } }[];
      }[];
    };
  };
  assert.deepEqual([testsuites.tests, testsuites.failures, testsuites.errors], ['3', '1', '1']);
  assert.deepEqual(
    testsuites.testsuite.map(({ name, testcase }) => [name, testcase.length]),
    [
      ['topologies/mesh.yaml', 2],
      ['topologies/other mesh.yaml', 1],
    ],
  );
  const { failure } = testsuites.testsuite[0]!.testcase[1]!;
  assert.equal(failure?.type, 'delivered');
  assert.match(failure?.message ?? '', /message 17 to <u17>&"x"@x\.test$/);
});

test('what XML 1.0 cannot hold is replaced, whatever it stands in', () => {
  const every = Array.from({ length: 0x100 }, (_, code) => String.fromCharCode(code)).join('');
  const text = `${every}\ud800\ufffe\uffff]]>😀`;
  const xml = junitXml({ ...RUN, results: [{ ...FAILED, name: text, waterfall: text }] });
  assert.ok(!/[^\P{Cc}\t\n\r\u007f-\u009f]|[\ufffe\uffff]/u.test(xml));
  assert.ok(!/\p{Cs}/u.test(xml));
  assert.equal(XMLValidator.validate(xml), true);
  assert.ok(xml.includes(']]&gt;😀'));
});

function stream(
  isTTY: boolean,
  columns = 40,
): { written: string[]; isTTY: boolean; columns: number; write(text: string): void } {
  const written: string[] = [];
  return { written, isTTY, columns, write: (text) => void written.push(text) };
}

test('the live line is drawn over itself, cut to the window, and gone when it is cleared', () => {
  const terminal = stream(true);
  const clock = new VirtualClock();
  const line = new LiveLine(terminal, clock);
  line.clear();
  line.show('starting');
  line.show('a line that is longer than the window is wide');
  clock.advance(100);
  line.clear();
  assert.deepEqual(terminal.written, [
    '\r⠋ starting\u001b[K',
    '\r⠙ a line that is longer than the windo…\u001b[K',
    '\r\u001b[K',
  ]);
  assert.equal(clock.timers, 0);
});

test('without a terminal there is no live line', () => {
  const pipe = stream(false);
  const clock = new VirtualClock();
  const line = new LiveLine(pipe, clock);
  line.show('starting');
  line.clear();
  assert.deepEqual(pipe.written, []);
  assert.equal(clock.timers, 0);
});

test('the live line says what goes on', () => {
  const progress = { step: 'wait drained', stepNumber: 3, steps: 5, sent: 120, toSend: 200 };
  assert.equal(
    progressText('survives', { ...progress, phase: 'steps' }),
    'survives · 3/5 wait drained · 120/200 sent',
  );
  assert.equal(
    progressText('survives', { ...progress, phase: 'starting', toSend: 0 }),
    'survives · starting',
  );
});
