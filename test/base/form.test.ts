import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isCount,
  isFlag,
  isMoment,
  isNumber,
  isText,
  isTime,
  listOf,
  objectOf,
  oneOf,
  orNull,
  type Form,
} from '../../src/base/form.js';

const FORMS: Array<[name: string, form: Form, good: unknown[], bad: unknown[]]> = [
  ['a text', isText, ['', 'a'], [1, null, undefined, ['a']]],
  ['a flag', isFlag, [true, false], [0, 'true', null]],
  ['a number', isNumber, [0, -1.5, 1e300], ['1', NaN, Infinity, null]],
  ['a count', isCount, [0, 7], [-1, 1.5, '1', 2 ** 60, NaN]],
  ['a moment', isMoment, [0, 1_767_614_400_000], [8.7e15, NaN, '0']],
  ['a time', isTime, ['2026-01-05T12:00:00.000Z'], ['', 'never', '2026-13-01T00:00:00Z', 0]],
  ['a word', oneOf(['a', 'b']), ['a'], ['c', '', null, 'toString']],
  ['a text or null', orNull(isText), ['a', null], [1, undefined]],
  ['a list', listOf(isText), [[], ['a', 'b']], [['a', 1], 'a', { 0: 'a' }, null]],
];

for (const [name, form, good, bad] of FORMS) {
  test(`${name} is told from what is none`, () => {
    for (const value of good) assert.ok(form(value), JSON.stringify(value));
    for (const value of bad) assert.ok(!form(value), JSON.stringify(value));
  });
}

test('an object has the members that are needed; others may be there', () => {
  const form = objectOf({ name: isText }, { size: isCount });
  for (const good of [{ name: 'a' }, { name: 'a', size: 1 }, { name: 'a', later: [] }]) {
    assert.ok(form(good));
  }
  for (const bad of [{}, { name: 1 }, { name: 'a', size: '1' }, null, 'a', ['a']]) {
    assert.ok(!form(bad));
  }
});

test('what an object inherits is no member of it', () => {
  const form = objectOf({ name: isText });
  assert.ok(!form(JSON.parse('{"__proto__":{"name":"a"}}')));
  assert.ok(!form(Object.create({ name: 'a' })));
});
