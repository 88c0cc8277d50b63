import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderPairs, renderTable } from '../../src/cli/table.js';

test('a table is cut to the width of the terminal where its columns allow it', () => {
  const columns = [
    { title: 'ID', align: 'left' },
    { title: 'TEXT', align: 'left', minWidth: 6 },
    { title: 'N', align: 'right' },
  ] as const;
  const rows = [
    ['a1', '例子 a long text', '7'],
    ['b22', 'x\x1b[0m', '12345'],
  ];
  assert.equal(
    renderTable(columns, rows, 22),
    'ID   TEXT            N\na1   例子 a lo…      7\nb22  x\\x1b[0m    12345\n',
  );
  assert.match(renderTable(columns, rows, 5), /^b22 {2}x\\x1b…  12345$/m);
  assert.match(renderTable(columns, rows, Infinity), /例子 a long text/);
  assert.equal(
    renderPairs([
      ['a', '1'],
      ['long', '2'],
    ]),
    'a     1\nlong  2\n',
  );
});
