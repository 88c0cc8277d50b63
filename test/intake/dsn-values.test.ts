import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeEnvid, encodeOrcpt, isOrcpt, MAX_ORCPT } from '../../src/intake/dsn-values.js';

test('an original recipient of the type utf-8 comes in the forms of RFC 6533', () => {
  for (const value of [
    'utf-8;gr\\x{FC}n@x.test',
    'utf-8;gr\u00fcn@x.test',
    'UTF-8;\u{1f4e7}\\x{2B}1@b\u00fccher.test',
    'utf-8;plain@x.test',
    // Not of its form, but xtext: it is passed on as it is.
    'utf-8;gr+C3+BCn@x.test',
    'rfc822;a+2Bb@x.test',
  ]) {
    assert.equal(isOrcpt(value), true, value);
  }
});

test('what could break a field, or is not ASCII without being of that type, is none', () => {
  for (const value of [
    'rfc822;gr\u00fcn@x.test',
    'utf-8;',
    'utf-8;a\\x{0A}b@x.test',
    'utf-8;a\\x{85}b@x.test',
    'utf-8;a+0D+0Ab@x.test',
    'utf-8;a b@x.test',
    'utf-8;gr\u00fcn+40x.test',
    'utf-8;gr\u00fcn=x.test',
    'utf-8;\ud800@x.test',
    `utf-8;${'\u00fc'.repeat(MAX_ORCPT - 5)}`,
  ]) {
    assert.equal(isOrcpt(value), false, JSON.stringify(value));
  }
});

test('a plain original recipient gets the form of its type, always ASCII', () => {
  for (const [plain, orcpt] of [
    ['rfc822;a+b@x.test', 'rfc822;a+2Bb@x.test'],
    ['utf-8;gr\u00fcn+1@x.test', 'utf-8;gr\\x{FC}n\\x{2B}1@x.test'],
    ['UTF-8;a@x.test', 'UTF-8;a@x.test'],
    ['utf-8;a\nb@x.test', null],
    ['utf-8;a\u0085b@x.test', null],
    ['rfc822;a\nb@x.test', null],
    ['a@x.test', null],
    [`utf-8;${'\u00fc'.repeat(100)}`, null],
  ] as const) {
    assert.equal(encodeOrcpt(plain), orcpt, plain);
  }
  assert.equal(encodeEnvid('a b'), 'a+20b');
});
