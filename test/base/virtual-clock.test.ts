import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { VirtualClock } from './virtual-clock.js';

test('virtual timers fire in the order of their due times and see that time', () => {
  const clock = new VirtualClock(1000);
  const fired: string[] = [];
  const note = (name: string) => () =>
    fired.push(`${name}@${clock.nowMs()}/${clock.monotonicMs()}`);
  clock.after(30, note('late'));
  clock.after(10, note('first'));
  clock.after(10, note('second'));
  clock.after(20, note('never')).cancel();
  clock.after(5, () => clock.after(7, note('nested')));
  clock.advance(29);
  assert.deepEqual(fired, ['first@1010/10', 'second@1010/10', 'nested@1012/12']);
  assert.deepEqual(clock.delaysMs, [1]);
  clock.setWall(50);
  clock.advance(1);
  assert.equal(fired.at(-1), 'late@51/30');
  assert.equal(clock.timers, 0);
});

test('a system timer can be cancelled twice, and one in the past fires', async () => {
  const timer = systemClock.after(0, () => assert.fail('was cancelled'));
  timer.cancel();
  timer.cancel();
  const keepAlive = setTimeout(() => undefined, 5000);
  await new Promise<void>((resolve) => systemClock.after(-1, resolve));
  clearTimeout(keepAlive);
});

test('a delay that is longer than a timer can count does not fire at once', async () => {
  const timer = systemClock.after(2 ** 40, () => assert.fail('fired'));
  await new Promise((resolve) => setTimeout(resolve, 2));
  timer.cancel();
});
