import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpanQueue } from '../../src/trace/span-queue.js';

const PLENTY = { spans: 1_000_000, bytes: 1_000_000_000 };

function numbered(queue: SpanQueue<{ bytes: number; id: number }>, from: number, to: number) {
  let dropped = 0;
  for (let id = from; id < to; id++) dropped += queue.push({ bytes: 10, id });
  return dropped;
}

test('what comes first leaves first, over many comings and goings', () => {
  const queue = new SpanQueue<{ bytes: number; id: number }>(PLENTY);
  let next = 0;
  for (let round = 0; round < 100; round++) {
    numbered(queue, round * 100, round * 100 + 100);
    for (const { id } of queue.take({ spans: 90, bytes: 1e9 })) assert.equal(id, next++);
  }
  assert.equal(queue.size, 1000);
  assert.equal(queue.take({ spans: 1, bytes: 1e9 })[0]?.id, next);
});

test('beyond its number or its bytes the oldest go', () => {
  const byNumber = new SpanQueue<{ bytes: number; id: number }>({ spans: 3, bytes: 1e9 });
  assert.equal(numbered(byNumber, 0, 5), 2);
  const byBytes = new SpanQueue<{ bytes: number; id: number }>({ spans: 100, bytes: 30 });
  assert.equal(numbered(byBytes, 0, 5), 2);
  for (const queue of [byNumber, byBytes]) {
    assert.deepEqual(
      queue.take(PLENTY).map(({ id }) => id),
      [2, 3, 4],
    );
  }
  assert.equal(byBytes.push({ bytes: 31, id: 9 }), 1, 'one that alone is too large');
  assert.equal(byBytes.size, 0);
  assert.equal(numbered(byBytes, 0, 3), 0, 'its bytes are not counted any more');
});

test('a batch ends before it is too large, but has at least one', () => {
  const queue = new SpanQueue<{ bytes: number; id: number }>(PLENTY);
  numbered(queue, 0, 4);
  assert.equal(queue.take({ spans: 10, bytes: 25 }).length, 2);
  assert.equal(queue.take({ spans: 10, bytes: 5 }).length, 1);
  assert.equal(queue.clear(), 1);
  assert.deepEqual(queue.take(PLENTY), []);
});
