import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as forAll, integer, property } from 'fast-check';
import { isQueueId, newQueueId, newSpanId, newTraceId } from '../../src/base/identifiers.js';

/** Until the year 3084; nine characters of five bits go further. */
const anyTime = integer({ min: 0, max: 2 ** 45 - 1 });

test('queue ids sort by the time of their birth', () => {
  forAll(
    property(anyTime, anyTime, (a, b) => {
      const order = Math.sign(a - b);
      const [first, second] = [newQueueId(a), newQueueId(b)];
      if (order !== 0) assert.equal(first < second ? -1 : 1, order, `${first} ${second}`);
    }),
  );
});

test('queue ids of one millisecond are unique', () => {
  const ids = new Set<string>();
  for (let count = 0; count < 200_000; count++) ids.add(newQueueId(1_767_614_400_000));
  assert.equal(ids.size, 200_000);
});

test('what makes queue ids is what is recognised as one', () => {
  forAll(property(anyTime, (ms) => isQueueId(newQueueId(ms))));
  for (const text of [
    '',
    '0'.repeat(17),
    '0'.repeat(19),
    `${'0'.repeat(17)}a`,
    `${'0'.repeat(17)}U`,
    `${'0'.repeat(18)}\n`,
  ]) {
    assert.ok(!isQueueId(text), JSON.stringify(text));
  }
});

test('trace and span ids have the form of W3C Trace Context and are unique', () => {
  const ids = new Set<string>();
  for (let count = 0; count < 1000; count++) {
    const [trace, span] = [newTraceId(), newSpanId()];
    assert.match(trace, /^[0-9a-f]{32}$/);
    assert.match(span, /^[0-9a-f]{16}$/);
    ids.add(trace).add(span);
  }
  assert.equal(ids.size, 2000);
});
