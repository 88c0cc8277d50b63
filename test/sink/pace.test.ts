import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace, Pacer } from '../../src/sink/pace.js';
import { VirtualClock } from '../base/virtual-clock.js';

/** A pacer, and the virtual times in milliseconds at which its loads left. */
function pacing(...rates: number[]): {
  clock: VirtualClock;
  pacer: Pacer;
  paces: Pace[];
  left: number[];
  charge: (bytes: number) => void;
} {
  const clock = new VirtualClock();
  clock.advance(10_000);
  const startMs = clock.monotonicMs();
  const pacer = new Pacer(clock);
  const paces = rates.map((rate) => new Pace(rate));
  for (const pace of paces) pacer.hold(pace);
  const left: number[] = [];
  const charge = (bytes: number): void =>
    pacer.charge(bytes, () => left.push(clock.monotonicMs() - startMs));
  return { clock, pacer, paces, left, charge };
}

test('without a pace everything passes at once', () => {
  const { left, charge, clock } = pacing();
  charge(1_000_000);
  assert.deepEqual(left, [0]);
  assert.equal(clock.timers, 0);
});

test('loads leave in order, each when its last byte is due', () => {
  const { left, charge, clock } = pacing(1000);
  for (const bytes of [600, 500, 0, 1000]) charge(bytes);
  assert.deepEqual(left, []);
  clock.advance(5000);
  assert.deepEqual(left, [500, 1000, 1000, 2000]);
});

test('an idle time is not saved up beyond a tenth of a second', () => {
  const { left, charge, clock } = pacing(1000);
  clock.advance(60_000);
  charge(1000);
  clock.advance(5000);
  assert.deepEqual(left, [60_900]);
});

test('of two paces the slower counts, and when it is lifted the other', () => {
  const { left, charge, clock, paces, pacer } = pacing(1000, 10);
  assert.equal(pacer.grainBytes, 1);
  charge(100);
  charge(1000);
  clock.advance(1000);
  assert.deepEqual(left, []);
  paces[1]?.lift();
  clock.advance(0);
  assert.deepEqual(left, [1000]);
  clock.advance(5000);
  assert.deepEqual(left, [1000, 2000]);
  paces[0]?.lift();
  charge(1_000_000);
  assert.equal(left.length, 3);
});

test('what a load sets off comes behind it', () => {
  const { left, charge, clock, pacer } = pacing(1000);
  pacer.charge(100, () => charge(100));
  charge(1000);
  clock.advance(5000);
  assert.deepEqual(left, [1000, 1100]);
});

test('after its end a pacer holds no timer and lets nothing through', () => {
  const { left, charge, clock, pacer, paces } = pacing(1000);
  charge(100);
  pacer.end();
  charge(100);
  paces[0]?.lift();
  clock.advance(5000);
  assert.deepEqual(left, []);
  assert.equal(clock.timers, 0);
});
