import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContentEnd } from './content-end.js';

/** Length of the content, its end included, when it comes in such pieces; null without an end. */
function lengthOf(pieces: readonly string[]): number | null {
  const end = new ContentEnd();
  let before = 0;
  for (const piece of pieces) {
    const at = end.take(Buffer.from(piece));
    if (at !== null) return before + at;
    before += piece.length;
  }
  return null;
}

test('the end is found however the content is cut', () => {
  const text = 'a\r\n..\r\n.\rb\r\n.\r\nMAIL';
  const length = text.indexOf('MAIL');
  for (let first = 0; first <= text.length; first++) {
    for (let second = first; second <= text.length; second++) {
      const pieces = [text.slice(0, first), text.slice(first, second), text.slice(second)];
      assert.equal(lengthOf(pieces), length, JSON.stringify(pieces));
    }
  }
  assert.equal(lengthOf(text.split('')), length);
});

test('content may be empty, and need not end', () => {
  assert.equal(lengthOf(['.\r\n']), 3);
  assert.equal(lengthOf(['.', '\r', '\n']), 3);
  assert.equal(lengthOf(['a\n.\n\r.\r\r\n.\n']), null);
});
