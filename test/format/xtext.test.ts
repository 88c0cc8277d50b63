import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as forAll, array, constantFrom, integer, property, string } from 'fast-check';
import { decodeXtext, encodeXtext } from '../../src/format/xtext.js';

/** Any Unicode text; surrogates only in pairs. */
const anyText = array(integer({ min: 0, max: 0x10ffff })).map((codes) =>
  String.fromCodePoint(...codes.filter((code) => code < 0xd800 || code > 0xdfff)),
);

test('printable ASCII stays and the rest becomes escapes', () => {
  for (const [plain, encoded] of [
    ['', ''],
    ['1;00-ab;edge', '1;00-ab;edge'],
    ['a+b=c d', 'a+2Bb+3Dc+20d'],
    ['\0\n~!\x7f', '+00+0A~!+7F'],
    ['é', '+C3+A9'],
    ['\ufeffx', '+EF+BB+BFx'],
  ] as const) {
    assert.equal(encodeXtext(plain), encoded);
    assert.equal(decodeXtext(encoded), plain);
  }
});

test('an escapable character may be escaped', () => {
  assert.equal(decodeXtext('+41b+63'), 'Abc');
});

test('what is not xtext is refused', () => {
  for (const text of [
    '+',
    '+4',
    'a+',
    '+2b',
    '+G0',
    '+0G',
    '+ 1',
    'a=b',
    'a b',
    'é',
    '\n',
    '\x7f',
  ]) {
    assert.equal(decodeXtext(text), null, JSON.stringify(text));
  }
});

test('octets that are not UTF-8 are refused', () => {
  for (const text of ['+FF', '+C3', '+C3x', '+ED+A0+80', '+C0+80']) {
    assert.equal(decodeXtext(text), null, text);
  }
});

test('any text survives the way there and back, as printable ASCII without + or =', () => {
  forAll(
    property(anyText, (text) => {
      const encoded = encodeXtext(text);
      assert.equal(decodeXtext(encoded), text);
      assert.match(encoded, /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/);
    }),
  );
});

test('decoding anything gives null or a text that encodes to the same meaning', () => {
  forAll(
    property(string({ unit: constantFrom(...'+=ABab019 ~é'.split('')) }), (text) => {
      const decoded = decodeXtext(text);
      if (decoded !== null) assert.equal(decodeXtext(encodeXtext(decoded)), decoded);
    }),
  );
});
