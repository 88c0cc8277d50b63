import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classifyReply } from '../../src/send/outcome.js';
import {
  COMMON_TABLE,
  describeRules,
  PEER_TABLE,
  SESSION,
  TRANSACTION,
  type ReplyRule,
} from '../../src/send/reply-table.js';

const TABLES = [
  { kind: 'node', table: PEER_TABLE },
  { kind: 'host', table: COMMON_TABLE },
] as const;

/** Words that the first pattern of a row fits. */
function wordsFor({ match }: ReplyRule): string {
  return (match?.[0] ?? 'words').replaceAll('*', 'words');
}

test('every row of the tables is reached, in each of its stages', () => {
  for (const { kind, table } of TABLES) {
    for (const rule of table) {
      for (const stage of rule.stages) {
        const reply = { code: rule.codes[1], enhanced: null, text: wordsFor(rule) };
        const meaning = classifyReply(stage, reply, { kind });
        const label = `${stage} ${reply.code} ${reply.text}`;
        assert.equal(meaning.kind, rule.kind, label);
        assert.equal(meaning.mayBeMessage, rule.mayBeMessage, label);
        assert.equal(meaning.nextTransaction, rule.nextTransaction, label);
      }
    }
  }
});

test('every refusal of every stage has a row', () => {
  for (const stage of [...SESSION, ...TRANSACTION]) {
    for (let code = 400; code <= 599; code++) {
      const row = COMMON_TABLE.find(
        ({ stages, codes, match }) =>
          match === undefined && stages.includes(stage) && code >= codes[0] && code <= codes[1],
      );
      assert.ok(row !== undefined, `${stage} ${code}`);
    }
  }
});

test('the description has a line for every row, for people and for a table of Markdown', () => {
  const lines = describeRules();
  assert.equal(lines.length, PEER_TABLE.length + COMMON_TABLE.length + 3);
  for (const { stage, code, words, action, why } of lines) {
    assert.ok(stage !== '' && code !== '' && action !== '' && why !== '');
    assert.doesNotMatch(stage + code + words + action + why, /[|\n]/);
  }
  assert.deepEqual(lines.slice(0, 4), [
    {
      stage: 'mail, rcpt, data, dot of a node of the mesh',
      code: '4xx',
      words: '`4.3.1 *` or `4.3.2 *` or `4.4.5 *`',
      action: '`pause`',
      why: 'the node is full or busy: it takes mail again when it has room',
    },
    {
      stage: 'mail, rcpt, data, dot of a node of the mesh',
      code: '4xx',
      words: '`4.3.0 *`',
      action: '`pause`; from the third time in a row over one message `retry`',
      why: 'the node cannot store mail now, whatever mail',
    },
    {
      stage: 'before MAIL',
      code: '4xx, 5xx',
      words: '',
      action: '`pause`',
      why: 'nothing was said about a message yet: a login, TLS or the session itself was refused',
    },
    {
      stage: 'mail, rcpt, data, dot',
      code: '421',
      words: '',
      action: '`pause`',
      why: 'the hop closes the session',
    },
  ]);
});
