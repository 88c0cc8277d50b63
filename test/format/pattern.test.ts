import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as forAll, constantFrom, property } from 'fast-check';
import { fitsPattern } from '../../src/format/pattern.js';

test('a star stands for any characters, also none, and nothing else is special', () => {
  for (const [pattern, text, fits] of [
    ['*@vip.example', 'boss@VIP.example', true],
    ['*@vip.example', 'boss@vip.example.org', false],
    ['boss@*', 'boss@', true],
    ['*', '', true],
    ['', '', true],
    ['', 'a', false],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'a-c-b', false],
    ['a.c', 'abc', false],
    ['(smarthost) *', '(smarthost) core', true],
    ['(smarthost) *', '(smarthost)', false],
    ['[a]', 'a', false],
  ] as const) {
    assert.equal(fitsPattern(pattern, text), fits, `${pattern} and ${text}`);
  }
});

test('it says the same as the regular expression of the pattern', () => {
  const texts = array(constantFrom('a', 'b', '*'), { maxLength: 12 });
  forAll(
    property(texts, array(constantFrom('a', 'b'), { maxLength: 14 }), (pattern, text) => {
      const expression = new RegExp(`^${pattern.join('').replaceAll('*', '.*')}$`);
      assert.equal(fitsPattern(pattern.join(''), text.join('')), expression.test(text.join('')));
    }),
    { numRuns: 2000 },
  );
});

test('a pattern of many stars against a long text takes no time to speak of', () => {
  const pattern = `${'*a'.repeat(50)}b`;
  assert.equal(fitsPattern(pattern, 'a'.repeat(20_000)), false);
});
