import assert from 'node:assert/strict';
import { test } from 'node:test';
import { within } from '../../src/base/deadline.js';
import { VirtualClock } from './virtual-clock.js';

const LATE = new Error('too late');

test('work that settles in time is what comes of it, and its timer is gone', async () => {
  const clock = new VirtualClock();
  assert.equal(await within(Promise.resolve('done'), 1000, clock, () => 'late'), 'done');
  await assert.rejects(
    within(Promise.reject(LATE), 1000, clock, () => undefined),
    LATE,
  );
  assert.deepEqual(clock.delaysMs, []);
});

test('work that takes too long is answered or refused as the caller says', async () => {
  const clock = new VirtualClock();
  const never = new Promise<string>(() => undefined);
  const answered = within(never, 1000, clock, () => 'late');
  const refused = within(never, 1000, clock, () => {
    throw LATE;
  });
  clock.advance(1000);
  assert.equal(await answered, 'late');
  await assert.rejects(refused, LATE);
});
