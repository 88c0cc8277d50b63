import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContentCheck } from '../../src/intake/content-check.js';

function check(
  text: string,
  cut = text.length,
): [violation: string | null, missing: string | null] {
  const content = new ContentCheck();
  content.add(Buffer.from(text.slice(0, cut), 'latin1'));
  content.add(Buffer.from(text.slice(cut), 'latin1'));
  const missing = content.end()?.toString() ?? null;
  return [content.violation, missing];
}

test('a CR or LF on its own and NUL are found, wherever the content is cut', () => {
  const contents: ReadonlyArray<[text: string, violation: string | null]> = [
    ['', null],
    ['a\r\n', null],
    ['\r\n\r\n', null],
    ['a\r\n.\r\n..\r\nb', null],
    ['a\n', 'bare LF'],
    ['\n', 'bare LF'],
    ['a\r', 'bare CR'],
    ['a\rb\r\n', 'bare CR'],
    ['a\r\r\n', 'bare CR'],
    ['a\r\n\n', 'bare LF'],
    ['a\n\r\n', 'bare LF'],
    ['a\x00b', 'NUL'],
    ['\r\x00\n', 'bare CR'],
    // HOSTILE: smuggling.
    ['x\n.\nMAIL', 'bare LF'],
    ['x\n.\r\nMAIL', 'bare LF'],
    ['x\r.\rMAIL', 'bare CR'],
    ['x\r.\nMAIL', 'bare CR'],
    ['x\r.\r\nMAIL', 'bare CR'],
    ['x\n.\rMAIL', 'bare LF'],
    ['x\r\n.\nMAIL', 'bare LF'],
    ['x\r\n.\rMAIL', 'bare CR'],
    ['x\r\n\x00.\r\nMAIL', 'NUL'],
    ['x\r\n.\x00\r\nMAIL', 'NUL'],
    ['x\r\n.\r\r\nMAIL', 'bare CR'],
    ['x\r\r\n.\r\r\nMAIL', 'bare CR'],
  ];
  for (const [text, violation] of contents) {
    for (let cut = 0; cut <= text.length; cut++) {
      assert.equal(check(text, cut)[0], violation, `${JSON.stringify(text)} cut at ${cut}`);
    }
  }
});

test('a last line without its end gets one', () => {
  assert.equal(check('a')[1], '\r\n');
  assert.equal(check('a\r\nb')[1], '\r\n');
  assert.equal(check('a\r\n')[1], null);
  assert.equal(check('')[1], null);
});

test('bytes above 127 are noticed', () => {
  for (const [text, eightBit] of [
    ['a\x7f\r\n', false],
    ['a\x80\r\n', true],
    ['\xff', true],
  ] as const) {
    const content = new ContentCheck();
    content.add(Buffer.from(text, 'latin1'));
    assert.equal(content.eightBit, eightBit);
  }
});
