import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AcceptanceTimes } from '../../src/trace/acceptance-times.js';

test('what was accepted last is known, and of a long queue no more than twice that', () => {
  const times = new AcceptanceTimes(10);
  for (let number = 0; number < 1000; number++) {
    times.add(`Q${number}`, number);
    assert.ok(times.size <= 20);
    assert.equal(times.get(`Q${Math.max(0, number - 9)}`), Math.max(0, number - 9));
  }
  assert.equal(times.get('Q1'), undefined);
});

test('what is over is forgotten, in either half', () => {
  const times = new AcceptanceTimes(2);
  for (const id of ['a', 'b', 'c']) {
    times.add(id, 1);
  }
  for (const id of ['a', 'b', 'c', 'd']) {
    times.delete(id);
    assert.equal(times.get(id), undefined);
  }
  assert.equal(times.size, 0);
});
