import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Destination } from '../../src/queue/destination.js';
import { ForeseenQueues } from '../../src/queue/foreseen-queues.js';
import { DEFAULT_CAPACITY } from '../../src/send/capacity.js';
import { localHop } from '../api/running-node.js';

function queue(name: string): Destination {
  return new Destination(name, localHop('hop', 'sink', 25), DEFAULT_CAPACITY);
}

test('what is wanted of a queue holds once it is there, and is then its own', () => {
  const foreseen = new ForeseenQueues();
  foreseen.pause('q');
  foreseen.limit('q', { maxConnections: 3 });
  foreseen.limit('q', { maxMessagesPerMinute: 10 });
  const [first, second, other] = [queue('q'), queue('q'), queue('other')];
  foreseen.begin(first);
  foreseen.begin(second);
  foreseen.begin(other);
  const { maxConnections, maxMessagesPerMinute } = first.capacity;
  assert.deepEqual([first.state, maxConnections, maxMessagesPerMinute], ['paused', 3, 10]);
  assert.deepEqual([second.state, other.state], ['active', 'active']);
  assert.equal(second.isUnused, true);
});

test('a wish that is taken back is forgotten, and of very many the first are', () => {
  const foreseen = new ForeseenQueues();
  foreseen.pause('q');
  foreseen.resume('q');
  const first = queue('q');
  foreseen.begin(first);
  assert.equal(first.state, 'active');
  for (let index = 0; index <= 1000; index++) foreseen.pause(`q${index}`);
  const [oldest, newest] = [queue('q0'), queue('q1000')];
  foreseen.begin(oldest);
  foreseen.begin(newest);
  assert.deepEqual([oldest.state, newest.state], ['active', 'paused']);
});
