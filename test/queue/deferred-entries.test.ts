import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as forAll, constantFrom, integer, property, record } from 'fast-check';
import { DeferredEntries } from '../../src/queue/deferred-entries.js';
import { Destination } from '../../src/queue/destination.js';
import { Parked } from '../../src/queue/parked.js';
import { ParkedRows } from '../../src/queue/parked-rows.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { aCapacity, aHop, anEntry, idOf } from './samples.js';

class Bench {
  readonly clock = new VirtualClock();
  readonly rows = new ParkedRows<Destination>();
  readonly woken: string[] = [];
  readonly deferred = new DeferredEntries(this.clock, this.rows, ({ entry }) => {
    this.woken.push(entry instanceof Parked ? entry.id : entry.item.id);
    if (entry instanceof Parked) this.rows.unlist(entry.row);
  });
  readonly places = ['a', 'b'].map(
    (name) => new Destination(name, aHop(name), aCapacity(), this.rows),
  ) as [Destination, Destination];

  get nowMs(): number {
    return this.clock.monotonicMs();
  }

  park(id: string, inMs: number, destination = this.places[0], tried = true): Parked {
    const traits = { found: false, tried, deferred: true, movable: false };
    const parked = this.rows.add({ id, bornMs: 0, sizeBytes: 1 }, traits);
    this.deferred.addParked(parked, destination, this.nowMs + inMs);
    return parked;
  }

  add(id: string, inMs: number, destination = this.places[0]): void {
    this.deferred.add({ entry: anEntry(id), destination, dueAtMs: this.nowMs + inMs });
  }

  get counted(): number[] {
    return this.places.map(({ deferred }) => deferred);
  }
}

test('in memory or not, each wakes in its time, and is counted until then', () => {
  const bench = new Bench();
  bench.add(idOf(3), 3000);
  bench.park(idOf(1), 1000);
  bench.park(idOf(4), 4000, bench.places[1]);
  bench.add(idOf(2), 2000, bench.places[1]);
  assert.deepEqual([bench.deferred.resident, bench.deferred.parked], [2, 2]);
  assert.deepEqual(bench.counted, [2, 2]);
  bench.deferred.start();
  bench.clock.advance(2500);
  assert.deepEqual(bench.woken, [1, 2].map(idOf));
  assert.deepEqual(bench.counted, [1, 1]);
  bench.clock.advance(2500);
  assert.deepEqual(bench.woken, [1, 2, 3, 4].map(idOf));
  assert.deepEqual(bench.counted, [0, 0]);
  bench.deferred.stop();
});

test('an operator wakes what one queue deferred, but for what wants to wait itself', () => {
  const bench = new Bench();
  bench.park(idOf(1), 60_000);
  bench.park(idOf(2), 60_000, bench.places[0], false);
  bench.park(idOf(3), 60_000, bench.places[1]);
  bench.deferred.start();
  bench.deferred.retry(bench.places[0]);
  assert.deepEqual(bench.woken, [idOf(1)]);
  assert.deepEqual(bench.counted, [1, 1]);
  bench.deferred.stop();
});

test('what is lost leaves, and what is moved is counted where it goes', () => {
  const bench = new Bench();
  const [from, to] = bench.places;
  const lost = bench.park(idOf(1), 1000);
  const moved = bench.park(idOf(2), 1000);
  bench.deferred.drop(lost);
  assert.deepEqual([bench.deferred.parked, ...bench.counted], [1, 1, 0]);
  bench.deferred.move(moved.row, from, to);
  assert.deepEqual(bench.counted, [0, 1]);
  assert.deepEqual(
    [...bench.deferred.at(to)].map((entry) => (entry as Parked).id),
    [idOf(2)],
  );
  assert.deepEqual([...bench.deferred.at(from)], []);
});

test('leaving memory and coming back changes neither the time nor the place of anything', () => {
  const kinds = ['park', 'unpark', 'add', 'pass'];
  const step = record({ kind: constantFrom(...kinds), chosen: integer({ min: 1, max: 50_000 }) });
  forAll(
    property(array(step, { maxLength: 80 }), (steps) => {
      const bench = new Bench();
      const { deferred, rows, woken, clock } = bench;
      deferred.start();
      const model = new Map<string, { dueAtMs: number; at: number }>();
      let added = 0;
      for (const { kind, chosen } of steps) {
        const one = [...bench.places].flatMap((place) => [...deferred.at(place)])[chosen % 7];
        if (kind === 'add' || one === undefined) {
          const at = chosen % 2;
          model.set(idOf(added), { dueAtMs: bench.nowMs + chosen, at });
          bench.add(idOf(added++), chosen, bench.places[at]);
          deferred.arm();
        } else if (kind === 'pass') {
          clock.advance(chosen / 10);
        } else if (kind === 'park' && !(one instanceof Parked)) {
          const traits = { found: false, tried: true, deferred: true, movable: false };
          const parked = rows.add({ id: one.item.id, bornMs: 0, sizeBytes: 1 }, traits);
          deferred.park(deferred.of(one.item)!, one.item, parked);
        } else if (kind === 'unpark' && one instanceof Parked) {
          rows.unlist(one.row);
          deferred.replace(one, anEntry(one.id));
        }
        const due = [...model].filter(([, { dueAtMs }]) => dueAtMs <= bench.nowMs);
        assert.deepEqual(woken.splice(0).toSorted(), due.map(([id]) => id).toSorted());
        for (const [id] of due) model.delete(id);
        assert.deepEqual(
          bench.counted,
          [0, 1].map((at) => [...model.values()].filter((entry) => entry.at === at).length),
        );
        assert.equal(deferred.resident + deferred.parked, model.size);
        assert.equal(rows.size, deferred.parked);
      }
      deferred.stop();
    }),
    { seed: 22, numRuns: 150 },
  );
});
