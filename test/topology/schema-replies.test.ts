import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topologyJsonSchema } from '../../src/topology/json-schema.js';
import { replyCodes } from '../../src/topology/schema-replies.js';
import { formFaults, lint, places, soundBut } from './topology-files.js';

/** `core` with rows, the first of them in line 18. */
function withRows(...rows: string[]): string {
  const lines = rows.map((row) => `      - ${row}\n`).join('');
  return soundBut(['    smarthost: mx\n', `    smarthost: mx\n    replies:\n${lines}`]);
}

/** `COLUMN: message — hint` of each fault of a row. */
function said(row: string): string[] {
  return formFaults(withRows(row)).map(({ line, column, message, hint }) => {
    assert.equal(line, 18);
    return `${column}: ${message}${hint === undefined ? '' : ` — ${hint}`}`;
  });
}

test('every form of a row, in every place, is in order', () => {
  const rows = [
    '{ code: 554, action: pause }',
    '{ code: "554", action: retry }',
    '{ stage: rcpt, code: "550-559", match: "*relay access denied*", action: slow-down }',
    '{ stage: [mail, rcpt, data, dot], code: 5xx, action: bounce }',
    '{ code: "4XX", action: bounce }',
    '{ code: 400-599, action: bounce }',
  ];
  const list = `replies: [${rows.join(', ')}]`;
  assert.deepEqual(formFaults(withRows(...rows)), []);
  const text = soundBut(
    ['nodes:', `defaults: { ${list} }\nnodes:`],
    ['smarthost: core', `${list}\n    smarthost: { hostname: core, ${list} }`],
    ['secret: edge-core } }', `secret: edge-core }, ${list} }`],
  );
  assert.deepEqual(formFaults(text), []);
  assert.deepEqual(places(lint(text)), []);
});

const CODE = 'must be a code from 400 to 599, a range such as "550-559", "4xx" or "5xx"';
const NUMBER = 'a whole number from 400 to 599 or text';
const OF_SESSION =
  'action must not be `bounce` for 421, 454, 530, 535, 538: they refuse the session, whatever the message';
const STAGES = 'one of mail, rcpt, data, dot';
const ACTIONS = 'one of retry, slow-down, pause, bounce';
const ENTRY = "replies entry 1 of node 'core'";

const FAULTS: [row: string, said: string][] = [
  ['{ code: 250, action: retry }', `17: code must be ${NUMBER}, got 250`],
  ['{ code: 600, action: retry }', `17: code must be ${NUMBER}, got 600`],
  ['{ code: 554.5, action: retry }', `17: code must be ${NUMBER}, got 554.5`],
  ['{ code: [550], action: retry }', `11: code must be ${NUMBER}, got a list`],
  ['{ code: "2xx", action: retry }', `17: code ${CODE}`],
  ['{ code: "55x", action: retry }', `17: code ${CODE}`],
  ['{ code: "559-550", action: retry }', `17: code ${CODE}`],
  ['{ code: "550-600", action: retry }', `17: code ${CODE}`],
  ['{ action: retry }', `9: ${ENTRY} needs code: ${NUMBER}`],
  ['{ code: 554 }', `9: ${ENTRY} needs action: ${ACTIONS}`],
  [
    '{ code: 554, action: puase }',
    `30: action must be ${ACTIONS}, got 'puase' — did you mean 'pause'?`,
  ],
  ['{ code: 554, action: delivered }', `30: action must be ${ACTIONS}, got 'delivered'`],
  ['{ code: 535, action: bounce }', `30: ${OF_SESSION}`],
  ['{ code: "421", action: bounce }', `32: ${OF_SESSION}`],
  [
    '{ stage: rctp, code: 554, action: retry }',
    `18: stage must be ${STAGES} or a list, got 'rctp' — did you mean 'rcpt'?`,
  ],
  [
    '{ stage: greeting, code: 554, action: retry }',
    `18: stage must be ${STAGES} or a list, got 'greeting'`,
  ],
  [
    '{ stage: [rcpt, auth], code: 554, action: retry }',
    `25: entry 2 of stage must be ${STAGES}, got 'auth'`,
  ],
  ['{ stage: [], code: 554, action: retry }', '11: stage must not be empty'],
  ['{ code: 554, match: "", action: retry }', '29: match must not be empty'],
  [
    '{ code: 554, mach: "*x*", action: retry }',
    `22: unknown key 'mach' in ${ENTRY} — did you mean 'match'?`,
  ],
  ['never', "9: entry 1 of replies must be a mapping, got 'never'"],
];

test('every fault of a row has its place and says what may stand there', () => {
  for (const [row, expected] of FAULTS) assert.deepEqual(said(row), [expected], row);
});

test('a list has at most 100 rows, a pattern at most 320 characters', () => {
  const row = '{ code: 554, action: pause }';
  assert.deepEqual(formFaults(withRows(...Array.from({ length: 100 }, () => row))), []);
  const tooMany = formFaults(withRows(...Array.from({ length: 101 }, () => row)));
  assert.deepEqual(
    tooMany.map(({ line, message }) => [line, message]),
    [[17, 'replies may have at most 100 entries']],
  );
  assert.deepEqual(said(`{ code: 554, match: "${'x'.repeat(320)}", action: pause }`), []);
  assert.equal(said(`{ code: 554, match: "${'x'.repeat(321)}", action: pause }`).length, 1);
});

test('the codes of a row', () => {
  assert.deepEqual([554, '554', '550-559', '400-599', '4xx', '5XX'].map(replyCodes), [
    [554, 554],
    [554, 554],
    [550, 559],
    [400, 599],
    [400, 499],
    [500, 599],
  ]);
  for (const code of [250, 399, 600, '', 'xxx', '5x', '4xx-499', '559-550', '554 ', '-554']) {
    assert.equal(replyCodes(code), undefined, String(code));
  }
});

test('an editor that knows the JSON Schema sees the forms of a code', () => {
  const schema = JSON.stringify(topologyJsonSchema());
  assert.match(schema, /"code":\{[^}]*"anyOf":\[\{"type":"integer","minimum":400,"maximum":599/);
});
