import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countsOf, tableOf, withTable } from './counts.js';
import { rows } from './rows.js';

test('cases of a row are summed; what is no line of counts is left out', () => {
  const counts = countsOf(
    '{"row":"smuggling","cases":12}\n{"row":"smuggling","cases":30}\n' +
      '{"row":"nonsense","cases":1}\n{"row":"relay","cas',
  );
  assert.deepEqual([...counts], [['smuggling', 42]]);
});

test('the table has each row once, in order, with 0 where none was run', () => {
  const lines = tableOf(new Map([['smuggling', 12_345]])).split('\n');
  assert.equal(lines.length, 2 + Object.keys(rows).length);
  assert.match(lines[2] ?? '', /^\| SMTP in \| `smuggling` \| .* \| 12,345 \|$/);
  assert.match(lines[3] ?? '', /^\| SMTP in \| `bare-line-feed` \| .* \| 0 \|$/);
});

test('the table is written between its marks and nowhere else', () => {
  const begin = '<!-- hostile rows: written by dist/test/hostile/counts.js -->';
  const end = '<!-- end of hostile rows -->';
  assert.equal(withTable(`a\n${begin}\nold\n${end}\nb\n`, 'new'), `a\n${begin}\nnew\n${end}\nb\n`);
  assert.throws(() => withTable('a\n', 'new'), /no place for the table/);
});
