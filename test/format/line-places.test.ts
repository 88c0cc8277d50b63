import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinePlaces } from '../../src/format/line-places.js';

test('each character has its line and its column', () => {
  const places = new LinePlaces('ab\n\nc\r\nd');
  const found = Array.from('ab\n\nc\r\nd', (_, offset) => places.at(offset));
  assert.deepEqual(
    found.map(({ line, column }) => `${line}:${column}`),
    ['1:1', '1:2', '1:3', '2:1', '3:1', '3:2', '3:3', '4:1'],
  );
});

test('an offset outside of the text has the nearest place in it', () => {
  const places = new LinePlaces('ab\ncd');
  assert.deepEqual(places.at(-1), { line: 1, column: 1 });
  assert.deepEqual(places.at(99), { line: 2, column: 3 });
  assert.deepEqual(new LinePlaces('').at(5), { line: 1, column: 1 });
});
