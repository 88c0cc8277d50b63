import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as forAll, property, string } from 'fast-check';
import { decodeUnitext, encodeUnitext } from '../../src/format/unitext.js';

test('what ORCPT cannot hold is written as its code point', () => {
  for (const [plain, encoded] of [
    ['one@b.example', 'one@b.example'],
    ['gr\u00fcn@b\u00fccher.example', 'gr\\x{FC}n@b\\x{FC}cher.example'],
    ['a+b=c\\d e@x', 'a\\x{2B}b\\x{3D}c\\x{5C}d\\x{20}e@x'],
    ['\u{1f4e7}\u4e0d@x', '\\x{1F4E7}\\x{4E0D}@x'],
    ['\u007f\u0001@x', '\\x{7F}\\x{01}@x'],
  ] as const) {
    assert.equal(encodeUnitext(plain), encoded);
    assert.equal(decodeUnitext(encoded), plain);
  }
});

test('characters above ASCII may also stand as they are', () => {
  assert.equal(
    decodeUnitext('gr\u00fcn@b\\x{FC}cher.\u{1f4e7}'),
    'gr\u00fcn@b\u00fccher.\u{1f4e7}',
  );
  assert.equal(decodeUnitext('\\x{fc}'), '\u00fc', 'hexadecimal digits in ABNF are of either case');
});

test('what is not of this form is not decoded', () => {
  for (const text of [
    'a b',
    'a+2Bb',
    'a=b',
    'a\\b',
    'a\\x{}',
    'a\\x{FC',
    'a\\x{F}',
    'a\\x{0000FC}',
    'a\\x{110000}',
    'a\\x{00}',
    'a\\x{D800}',
    'a\\x{41}',
    'a\\u{FC}',
    'a\ud800',
    'a\r\nb',
    'a\u007f',
  ]) {
    assert.equal(decodeUnitext(text), null, JSON.stringify(text));
  }
});

test('every text comes back, and its ASCII form is nothing that ORCPT refuses', () => {
  forAll(
    property(string({ unit: 'grapheme', maxLength: 40 }), (text) => {
      const encoded = encodeUnitext(text);
      assert.match(encoded, /^[!-*,-<>-~]*$/);
      assert.equal(decodeUnitext(encoded), text);
    }),
  );
});
