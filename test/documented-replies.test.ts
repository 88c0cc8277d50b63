import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { describeRules } from '../src/send/reply-table.js';

/** The cells of the table between two comments of the README, without its head. */
function documentedRows(): string[][] {
  const readme = readFileSync('README.md', 'utf8');
  const [, part] = /<!-- replies:begin -->\n([\s\S]*?)<!-- replies:end -->/.exec(readme) ?? [];
  assert.ok(part !== undefined, 'the README has no comments replies:begin and replies:end');
  const lines = part.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test('the README says what replies mean as the tables have it', () => {
  const rows = describeRules().map(({ stage, code, words, action, why }) => [
    stage,
    code,
    words,
    action,
    why,
  ]);
  assert.deepEqual(documentedRows(), rows);
});
