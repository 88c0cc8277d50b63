import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { mergePatch } from '../../src/topology/merge-patch.js';

/** RFC 7396, Appendix A. */
const RFC_EXAMPLES: [unknown, unknown, unknown][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

for (const [target, patch, result] of RFC_EXAMPLES) {
  test(`${JSON.stringify(patch)} on ${JSON.stringify(target)} is as RFC 7396 says`, () => {
    const before = structuredClone([target, patch]);
    assert.deepEqual(mergePatch(target, patch), result);
    assert.deepEqual([target, patch], before);
  });
}

test('a patch that is applied twice has done all with the first time', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.jsonValue({ maxDepth: 6 }), (target, patch) => {
      const once = mergePatch(target, patch);
      assert.deepEqual(mergePatch(once, patch), once);
    }),
  );
});

test('a patch makes no key that means something to objects', () => {
  const patch = JSON.parse('{"__proto__": {"polluted": true}}') as unknown;
  const merged = mergePatch({}, patch) as Record<string, unknown>;
  assert.deepEqual(Object.keys(merged), ['__proto__']);
  assert.equal(Object.getPrototypeOf(merged), Object.prototype);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('a patch that is too deep is refused', () => {
  let patch: unknown = 1;
  for (let depth = 0; depth < 65; depth++) patch = { a: patch };
  assert.throws(() => mergePatch({}, patch), { code: 'PATCH_TOO_DEEP' });
});
