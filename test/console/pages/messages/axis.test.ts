import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { buildAxis, marksOf, placeOf } from '../../../../src/console/pages/messages/axis.js';

test('time runs to scale where waits are not much longer than what happens', () => {
  const axis = buildAxis({ fromMs: 1000, toMs: 1100 }, [{ fromMs: 1020, toMs: 1060 }]);
  assert.equal(placeOf(axis, 1000), 0);
  assert.equal(placeOf(axis, 1050), 0.5);
  assert.equal(placeOf(axis, 1100), 1);
  assert.ok(axis.segments.every(({ shortened }) => !shortened));
});

test('an hour between two attempts of milliseconds leaves both to be seen', () => {
  const hour = 3_600_000;
  const busy = [
    { fromMs: 0, toMs: 40 },
    { fromMs: hour, toMs: hour + 40 },
  ];
  const axis = buildAxis({ fromMs: 0, toMs: hour + 40 }, busy);
  assert.ok(placeOf(axis, 40) > 0.4);
  assert.ok(placeOf(axis, hour) < 0.6);
  assert.deepEqual(
    axis.segments.map(({ shortened }) => shortened),
    [false, true, false],
  );
  assert.deepEqual(
    marksOf(axis).map(({ ms }) => ms),
    [0, hour, hour + 40],
  );
});

test('what never happened yet has an axis too', () => {
  const axis = buildAxis({ fromMs: 0, toMs: 5000 }, []);
  assert.equal(placeOf(axis, 5000), 1);
  const empty = buildAxis({ fromMs: 0, toMs: 0 }, []);
  assert.equal(placeOf(empty, 0), 0);
});

test('marks are round and do not crowd each other', () => {
  const axis = buildAxis({ fromMs: 0, toMs: 730 }, [{ fromMs: 0, toMs: 730 }]);
  assert.deepEqual(
    marksOf(axis).map(({ ms }) => ms),
    [0, 200, 400, 600, 730],
  );
});

test('places never go back and fill the axis, for any attempts', () => {
  const interval = fc
    .tuple(fc.integer({ min: 0, max: 10_000_000 }), fc.integer({ min: 0, max: 100_000 }))
    .map(([fromMs, length]) => ({ fromMs, toMs: fromMs + length }));
  fc.assert(
    fc.property(fc.array(interval, { minLength: 1, maxLength: 30 }), (busy) => {
      const fromMs = Math.min(...busy.map((one) => one.fromMs));
      const toMs = Math.max(...busy.map((one) => one.toMs));
      const axis = buildAxis({ fromMs, toMs }, busy);
      const places = busy
        .flatMap((one) => [one.fromMs, one.toMs])
        .toSorted((a, b) => a - b)
        .map((ms) => placeOf(axis, ms));
      assert.ok(places.every((place, at) => place >= (places[at - 1] ?? 0) - 1e-9));
      assert.ok(toMs === fromMs || Math.abs(placeOf(axis, toMs) - 1) < 1e-9);
      const marks = marksOf(axis);
      assert.ok(
        marks.every(({ at }, index) => index === 0 || at - (marks[index - 1]?.at ?? 0) > 0.119),
      );
    }),
  );
});
