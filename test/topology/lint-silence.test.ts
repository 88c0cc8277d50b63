import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTopology } from '../../src/topology/check.js';
import { lintTopology, lintWithSilences } from '../../src/topology/lint.js';
import { lint, parsed, places, SOUND, soundBut, writeTopology } from './topology-files.js';

/** The sound topology with these lines before its secrets, from line 4 on. */
function secrets(...lines: string[]): string {
  return soundBut(['  app:', `${lines.map((line) => `  ${line}\n`).join('')}  app:`]);
}

const SPARE = 'spare: { generate: true }';
const NEXT = '# relaymesh-lint-disable-next-line unused-secret';
const FILE = '# relaymesh-lint-disable-file unused-secret';

function heard(text: string): { faults: string[]; silenced: string[] } {
  const { faults, silenced } = lintWithSilences(parsed(text), { env: {} });
  return { faults: places(faults), silenced: places(silenced) };
}

test('a warning with a reason above it is silenced, and told apart', () => {
  assert.deepEqual(heard(secrets(`${NEXT}: for the rotation`, SPARE)), {
    faults: [],
    silenced: ['unused-secret@5:3'],
  });
});

test('only the next line is meant: a second one of the kind is heard', () => {
  const text = secrets(`${NEXT}: for the rotation`, SPARE, 'other: { generate: true }');
  assert.deepEqual(heard(text).faults, ['unused-secret@6:3']);
});

test('comments and empty lines may stand between', () => {
  const text = secrets(`${NEXT}: why`, '', '# the spare one', SPARE);
  assert.deepEqual(heard(text).faults, []);
});

test('a comment for the file silences all of a rule, wherever it stands', () => {
  const text = `${secrets(SPARE, 'other: { generate: true }')}${FILE}: kept\n`;
  assert.deepEqual(heard(text), {
    faults: [],
    silenced: ['unused-secret@4:3', 'unused-secret@5:3'],
  });
});

test('a comment for the line counts before one for the file, which is then not needed', () => {
  const text = secrets(`${FILE}: kept`, `${NEXT}: why`, SPARE);
  assert.deepEqual(heard(text).faults, ['unused-lint-comment@4:3']);
});

test('without a reason, a rule or a scope nothing is silenced, and it is said why', () => {
  for (const [comment, message] of [
    [NEXT, /does not say why/],
    [`${NEXT}:  `, /does not say why/],
    ['# relaymesh-lint-disable-next-line unused-secrets: why', /names no rule/],
    ['# relaymesh-lint-disable-next-line toString: why', /names no rule/],
    ['# relaymesh-lint-disable-next-line', /names no rule/],
    ['# relaymesh-lint-disable unused-secret: why', /-next-line or -file/],
  ] as const) {
    const faults = lint(secrets(comment, SPARE));
    assert.deepEqual(places(faults), ['invalid-lint-comment@4:3', 'unused-secret@5:3'], comment);
    assert.match(faults[0]?.message ?? '', message);
  }
});

test('an error stays, and the comment about it has no use', () => {
  const text = soundBut([
    '    smarthost: core',
    '    # relaymesh-lint-disable-next-line unknown-node: it is there\n    smarthost: coer',
  ]);
  assert.deepEqual(places(lint(text)), ['unused-lint-comment@12:5', 'unknown-node@13:16']);
});

test('a warning about a comment is not silenced by another comment', () => {
  const text = `# relaymesh-lint-disable-file unused-lint-comment: no\n${secrets(`${NEXT}: why`)}`;
  assert.deepEqual(places(lint(text)), ['unused-lint-comment@1:1', 'unused-lint-comment@5:3']);
});

test('text that only looks like a comment is none', () => {
  for (const name of [`"${NEXT}: a"`, `|\n          ${NEXT}: a\n          b`]) {
    const text = soundBut([
      'users: [{ username: app, password: { secret: app } }]',
      `users:\n      - password: { secret: app }\n        username: ${name}`,
    ]);
    assert.deepEqual(lint(text), [], name);
  }
});

test('lines that end with CR LF are counted as others are', () => {
  const text = secrets(`${NEXT}: why`, SPARE).replaceAll('\n', '\r\n');
  assert.deepEqual(heard(text), { faults: [], silenced: ['unused-secret@5:3'] });
});

test('a comment may be for another machine, or for more than a starting node is told', () => {
  const elsewhere = soundBut([
    '  app: { generate: true }',
    '  # relaymesh-lint-disable-next-line secret-unavailable: only on edge\n  app: { env: APP }',
  ]);
  assert.deepEqual(lint(elsewhere, { env: { APP: 'x' } }), []);
  assert.deepEqual(lint(elsewhere, { env: {} }), []);
  const useless = parsed(secrets(`${NEXT}: why`));
  assert.deepEqual(places(lintTopology(useless, { env: {} })), ['unused-lint-comment@4:3']);
  assert.deepEqual(lintTopology(useless, { env: {}, node: 'edge' }), []);
});

test('in a file with faults of form comments still silence, and none is called useless', async (t) => {
  const text = secrets(`${NEXT}: why`).replace('port: 8025', 'port: none');
  assert.notEqual(text, SOUND);
  const { faults } = await checkTopology(writeTopology(t, text));
  assert.deepEqual(places(faults), ['invalid-value@11:18']);
});
