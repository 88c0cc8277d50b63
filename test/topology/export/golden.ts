import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';

/** Compares with `test/golden/NAME`; UPDATE_GOLDEN=1 writes the file instead. */
export function assertGolden(name: string, text: string | undefined): void {
  const file = `test/golden/${name}`;
  assert.ok(text !== undefined, name);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
  assert.equal(text, readFileSync(file, 'utf8'), file);
}
