import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { pathToFileURL, fileURLToPath } from 'node:url';
import type { TestDocument } from '../../src/topology/lab/report/json.js';
import { isSameProcess } from '../../src/topology/runner/process-identity.js';
import { EXPECTATION_KINDS } from '../../src/topology/schema-tests.js';
import { readState } from '../../src/topology/state.js';
import { atEnd } from './at-end.js';
import { entryOf, HANDS_ON, MUTATIONS, SMALL, topologyWith, type Mutation } from './mutations.js';
import {
  cleanEnvironment,
  endChild,
  MAIN_JS,
  relaymesh,
  scratchFolder,
  type Ended,
} from './programs.js';
import { until, within } from './waiting.js';

const BROKEN_NODE = fileURLToPath(new URL('./broken-node.js', import.meta.url));
const WITH_BROKEN_NODES = { NODE_OPTIONS: `--import=${pathToFileURL(BROKEN_NODE).href}` };
const DEADLINE_MS = 900_000;
const START_DEADLINE_MS = 100_000;
const END_DEADLINE_MS = 30_000;

type Tested = TestDocument['tests'][number];

interface Answer extends Ended {
  document: TestDocument;
}

/** Runs the tests of some files in one go. */
async function testAll(t: TestContext, files: Record<string, string>): Promise<Answer> {
  const cwd = await scratchFolder(t);
  for (const [name, content] of Object.entries(files))
    await writeFile(path.join(cwd, name), content);
  const ended = await relaymesh(['topology', 'test', ...Object.keys(files), '--json'], {
    cwd,
    env: WITH_BROKEN_NODES,
    deadlineMs: DEADLINE_MS,
  });
  assert.notEqual(ended.stdout, '', ended.stderr);
  return { ...ended, document: JSON.parse(ended.stdout) as TestDocument };
}

/** What was found, a line each, with the words of what is not in order. */
function linesOf({ findings, reason }: Tested): string {
  const lines = findings.map(({ kind, verdict, expected, actual }) =>
    verdict === 'PASS' ? `PASS ${kind}` : `${verdict} ${kind}: expected ${expected}: ${actual}`,
  );
  return [...(reason === null ? [] : [reason]), ...lines].join('\n');
}

/** That one expectation fails, in these words, and nothing else is the matter. */
function assertFails(
  tested: Tested,
  { fails, failures }: Pick<Mutation, 'fails' | 'failures'>,
): void {
  const bad = tested.findings.filter(({ verdict }) => verdict !== 'PASS');
  const kinds = bad.map(({ kind, verdict }) => `${verdict} ${kind}`);
  assert.equal(tested.verdict, 'FAIL', linesOf(tested));
  assert.deepEqual(kinds, Array(failures.length).fill(`FAIL ${fails}`), linesOf(tested));
  for (const [index, [expected, actual]] of failures.entries()) {
    assert.match(bad[index]?.expected ?? '', expected);
    assert.match(bad[index]?.actual ?? '', actual);
  }
}

test('each break of a healthy topology makes exactly the expectation fail that is about it', async (t) => {
  const whole = { name: 'nothing is broken' };
  const handsOn = { name: 'the trace is handed on', ...HANDS_ON };
  const garbled = { name: 'a node changes what it passes on' };
  const withGarbler = topologyWith([entryOf(garbled)]).replaceAll('core-a', 'garbler');
  const { document, code } = await testAll(t, {
    'mutants.yaml': topologyWith([whole, handsOn, ...MUTATIONS].map(entryOf)),
    'garbled.yaml': withGarbler,
  });
  assert.equal(code, 1);
  const testedAs = (name: string): Tested => {
    const tested = document.tests.find((one) => one.name === name);
    assert.ok(tested !== undefined, name);
    return tested;
  };

  for (const { name } of [whole, handsOn]) {
    await t.test(name, () => {
      assert.equal(testedAs(name).verdict, 'PASS', linesOf(testedAs(name)));
    });
  }
  const stated = new Set(testedAs(whole.name).findings.map(({ kind }) => kind));
  assert.deepEqual([...stated], ['steps', ...EXPECTATION_KINDS]);

  for (const mutation of MUTATIONS) {
    await t.test(`${mutation.fails}: ${mutation.name}`, () => {
      assertFails(testedAs(mutation.name), mutation);
    });
  }
  await t.test(`unchanged: ${garbled.name}`, () => {
    assertFails(testedAs(garbled.name), {
      fails: 'unchanged',
      failures: [
        [
          /^the content of every delivered message as it was sent$/,
          /^\d+ of 41 messages changed, such as message \d+ to .* at mx$/,
        ],
      ],
    });
  });
  const broken = new Set([...MUTATIONS.map(({ fails }) => fails), 'unchanged']);
  assert.deepEqual([...broken].toSorted(), ['steps', ...EXPECTATION_KINDS].toSorted());
});

test('a node that does not start makes its test inconclusive, and says why', async (t) => {
  const test = '  - { name: it starts, steps: [{ wait: 1s }], expect: {} }\n';
  const text = topologyWith([test], SMALL.replace('edge', 'stillborn'));
  const { document, code, stderr } = await testAll(t, { 'stillborn.yaml': text });
  assert.equal(code, 3, stderr);
  const [tested] = document.tests;
  assert.deepEqual([tested?.verdict, tested?.findings], ['INCONCLUSIVE', []]);
  assert.match(tested?.reason ?? '', /stillborn.*code 7/s);
  assert.ok(tested?.workdir !== null, 'its logs are kept');
});

test('Ctrl-C ends all that runs, leaves nothing behind, and tells what is known so far', async (t) => {
  const cwd = await scratchFolder(t);
  const tests = [
    '  - { name: the first one, steps: [{ wait: 1ms }], expect: {} }\n',
    '  - { name: the long one, steps: [{ wait: 90s }], expect: {} }\n',
  ];
  await writeFile(path.join(cwd, 'small.yaml'), topologyWith(tests, SMALL));
  const program = spawn(process.execPath, [MAIN_JS, 'topology', 'test', 'small.yaml', '--json'], {
    cwd,
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  atEnd(t, () => endChild(program, END_DEADLINE_MS));
  const stdout = text(program.stdout as NodeJS.ReadableStream);
  const workdir = path.join(cwd, '.relaymesh/test/small-the-long-one');
  const state = await until(
    'the long test',
    async () => {
      const now = await readState(workdir);
      return now?.ready === true ? now : null;
    },
    { deadlineMs: START_DEADLINE_MS },
  );
  const children = [...Object.values(state.nodes), ...Object.values(state.sinks)];
  const running = async (): Promise<number> => {
    const answers = children.map(
      async ({ pid, started }) =>
        pid !== null && started !== null && (await isSameProcess(pid, started)),
    );
    return (await Promise.all(answers)).filter(Boolean).length;
  };
  assert.equal(await running(), 2);
  program.kill('SIGINT');
  const ended = new Promise((resolve) => program.once('exit', resolve));
  assert.equal(await within('the end of the tests', END_DEADLINE_MS, ended), 130);
  assert.equal(await running(), 0);
  const document = JSON.parse(await stdout) as TestDocument;
  assert.equal(document.interrupted, true);
  assert.deepEqual(
    document.tests.map(({ name, verdict, reason }) => [name, verdict, reason]),
    [
      ['the first one', 'PASS', null],
      ['the long one', 'INCONCLUSIVE', 'interrupted'],
    ],
  );
  assert.deepEqual(await readdir(path.join(cwd, '.relaymesh/test')).catch(() => []), []);
});
