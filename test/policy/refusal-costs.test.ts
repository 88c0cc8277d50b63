import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusalCosts } from '../../src/policy/refusal-costs.js';

const A = { ln: 10, r: 8, p: 1 };
const B = { ln: 15, r: 8, p: 1 };
const C = { ln: 15, r: 8, p: 2 };

test('each cost as often as the account has it that has it most often', () => {
  assert.deepEqual(refusalCosts([]), []);
  assert.deepEqual(refusalCosts([[], []]), []);
  assert.deepEqual(refusalCosts([[A], [{ ...A }], []]), [A]);
  assert.deepEqual(refusalCosts([[A], [B, B], [B]]), [A, B, B]);
  assert.deepEqual(
    refusalCosts([
      [C, A],
      [A, C],
      [B, C, C],
    ]).length,
    4,
  );
});
