import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as forAll, constant, integer, oneof, property, record } from 'fast-check';
import { DueHeap } from '../../src/queue/due-heap.js';

function filled(dues: readonly number[]): DueHeap<number> {
  const heap = new DueHeap<number>((due) => due);
  for (const dueMs of dues) heap.push(dueMs);
  return heap;
}

const anyDues = array(integer({ min: 0, max: 50 }), { maxLength: 200 });

test('everything comes out once, in the order of its due time', () => {
  forAll(
    property(anyDues, (dues) => {
      const heap = filled(dues);
      const popped: number[] = [];
      for (let next = heap.popDue(50); next !== undefined; next = heap.popDue(50))
        popped.push(next);
      assert.deepEqual(
        popped,
        [...dues].sort((a, b) => a - b),
      );
      assert.equal(heap.size, 0);
      assert.equal(heap.nextDueMs, null);
    }),
  );
});

test('at every time exactly that is given out which is due', () => {
  const step = oneof(
    record({ push: integer({ min: 0, max: 100 }) }),
    record({ popAt: integer({ min: 0, max: 100 }) }),
    record({ drain: constant(true) }),
    record({ remove: integer({ min: 2, max: 9 }) }),
  );
  forAll(
    property(array(step, { maxLength: 100 }), (steps) => {
      const heap = new DueHeap<number>((due) => due);
      let model: number[] = [];
      for (const action of steps) {
        model.sort((a, b) => a - b);
        if ('push' in action) {
          heap.push(action.push);
          model.push(action.push);
        } else if ('popAt' in action) {
          const due =
            model[0] !== undefined && model[0] <= action.popAt ? model.shift() : undefined;
          assert.equal(heap.popDue(action.popAt), due);
        } else if ('remove' in action) {
          const matches = (value: number): boolean => value % action.remove === 0;
          assert.deepEqual(
            heap.remove(matches).sort((a, b) => a - b),
            model.filter(matches),
          );
          model = model.filter((value) => !matches(value));
        } else {
          assert.deepEqual(
            heap.drain().sort((a, b) => a - b),
            model,
          );
          model = [];
        }
        assert.equal(heap.size, model.length);
        assert.equal(heap.nextDueMs, model.length === 0 ? null : Math.min(...model));
        assert.deepEqual(
          [...heap.values()].sort((a, b) => a - b),
          model.toSorted((a, b) => a - b),
        );
      }
    }),
  );
});

test('a hundred thousand entries are no burden', () => {
  const dues = Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 100_003);
  const heap = filled(dues);
  let last = -1;
  for (let next = heap.popDue(Infinity); next !== undefined; next = heap.popDue(Infinity)) {
    assert.ok(next >= last);
    last = next;
  }
});
