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
    'ID   TEXT            N\na1   例子 …text      7\nb22  x\\x1b[0m    12345\n',
  );
  assert.match(renderTable(columns, rows, 5), /^b22 {2}x\\x…0m  12345$/m);
  assert.match(renderTable(columns, rows, Infinity), /例子 a long text/);
  assert.equal(
    renderPairs([
      ['a', '1'],
      ['long', '2'],
    ]),
    'a     1\nlong  2\n',
  );
});

const NARROW = [{ title: 'T', align: 'left', minWidth: 7 }] as const;

function lines(text: string): string[] {
  return text.trimEnd().split('\n').slice(1);
}

test('what is cut keeps both ends, and no character is cut in two', () => {
  const rows = [
    'core-west-1.mail.internal',
    'e\u0301'.repeat(20),
    '👩‍👩‍👧‍👦'.repeat(5),
    '日本語日本語日本語',
    'abcdefg',
  ].map((cell) => [cell]);
  const [host, accents, families, wide, fits] = lines(renderTable(NARROW, rows, 7));
  assert.equal(host, 'cor…nal');
  assert.equal(accents, `${'e\u0301'.repeat(3)}…${'e\u0301'.repeat(3)}`);
  // joiners are shown as what they are, so that nothing hides in a cell
  assert.match(families ?? '', /^👩.*…/u);
  assert.equal(wide, '日…語');
  assert.equal(fits, 'abcdefg');
});

test('a table that cannot be cut enough leaves columns out, the least important first', () => {
  const columns = [
    { title: 'NAME', align: 'left', minWidth: 4 },
    { title: 'HELD', align: 'right', dispensable: 1 },
    { title: 'NEXT', align: 'left', minWidth: 4, dispensable: 2 },
    { title: 'STATE', align: 'left' },
  ] as const;
  const row = ['a-long-name', '12', 'next-hop', 'backoff'];
  const titles = (width: number): string[] =>
    (renderTable(columns, [row], width).split('\n')[0] ?? '').split(/ +/);
  assert.deepEqual(titles(Infinity), ['NAME', 'HELD', 'NEXT', 'STATE']);
  assert.deepEqual(titles(25), ['NAME', 'HELD', 'NEXT', 'STATE']);
  assert.deepEqual(titles(24), ['NAME', 'HELD', 'STATE']);
  assert.deepEqual(titles(18), ['NAME', 'STATE']);
  assert.deepEqual(titles(1), ['NAME', 'STATE']);
  assert.match(renderTable(columns, [row], 18), /^a-lo…name  backoff$/m);
});

test('colours take no room, and the title has none', () => {
  const columns = [
    { title: 'STATE', align: 'left', paint: (cell: string) => `<${cell}>` },
    { title: 'N', align: 'right' },
  ] as const;
  assert.equal(renderTable(columns, [['up', '1']], Infinity), 'STATE  N\n<up   >  1\n');
});
