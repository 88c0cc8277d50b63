import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { rows } from './rows.js';

const ROWS = Object.keys(rows);

/** The rows that tests are named by. A name with a `${…}` at its end stands for all that begin so. */
function heldRows(): Set<string> {
  const files = readdirSync('test', { recursive: true, encoding: 'utf8' });
  const texts = files
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => readFileSync(join('test', name), 'utf8'));
  const named = texts.flatMap((text) => [
    ...text.matchAll(/\bhostileTest\(\s*(?:'([a-z-]+)'|`([a-z-]+)\$\{\w+\}`),/g),
  ]);
  return new Set(
    named.flatMap(([, row, prefix]) =>
      row === undefined ? ROWS.filter((one) => one.startsWith(prefix ?? '')) : [row],
    ),
  );
}

test('every row is held by a test that is named by it, and none is named by another one', () => {
  assert.deepEqual([...heldRows()].sort(), ROWS.toSorted());
});
