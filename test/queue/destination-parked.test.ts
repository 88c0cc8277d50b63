import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as forAll, constantFrom, integer, property, record } from 'fast-check';
import { Destination, type RoutedEntry } from '../../src/queue/destination.js';
import { Parked } from '../../src/queue/parked.js';
import { ParkedRows } from '../../src/queue/parked-rows.js';
import { aCapacity, aHop, anEntry, aRoutedEntry, idOf } from './samples.js';

interface Bench {
  rows: ParkedRows<Destination>;
  destination: Destination;
}

function aBench(): Bench {
  const rows = new ParkedRows<Destination>();
  const capacity = aCapacity({ maxConnections: 1e9 });
  return { rows, destination: new Destination('q', aHop('core'), capacity, rows) };
}

function park(rows: ParkedRows<Destination>, id: string, movable = false, bornMs = 0): Parked {
  const traits = { found: false, tried: false, deferred: false, movable };
  return rows.add({ id, bornMs, sizeBytes: 1 }, traits);
}

function idIn(entry: RoutedEntry | Parked): string {
  return entry instanceof Parked ? entry.id : entry.item.id;
}

function listed({ destination }: Bench): string[] {
  return [...destination.entries()].map(idIn);
}

test('what is parked keeps its place among what is in memory, and is shown as the oldest', () => {
  const { rows, destination } = aBench();
  destination.add(park(rows, idOf(1), false, 5));
  destination.add(aRoutedEntry(idOf(2), anEntry(idOf(2), { bornMs: 7 })));
  destination.add(park(rows, idOf(3), true));
  assert.deepEqual([destination.ready, destination.parked, destination.resident], [3, 2, 1]);
  assert.equal(destination.oldestBornMs, 5);
  assert.equal((destination.firstMovable as Parked).id, idOf(3));
  const first = destination.take(0, () => true) as Parked;
  assert.equal(first.id, idOf(1));
  assert.equal(rows.turnAt(first.row), undefined);
  destination.putBack(first);
  assert.equal(rows.turnAt(first.row), destination);
  assert.deepEqual(listed({ rows, destination }), [1, 2, 3].map(idOf));
});

test('where all that was parked has left, its rows are used again', () => {
  const bench = aBench();
  const { rows, destination } = bench;
  const emptyBytes = rows.bytes;
  const parked = Array.from({ length: 3000 }, (_, number) => park(rows, idOf(number)));
  for (const one of parked) destination.add(one);
  const entry = aRoutedEntry('last');
  destination.add(entry);
  for (const one of parked) {
    rows.unlist(one.row);
    destination.leave(one);
  }
  assert.equal(destination.ready, 1);
  assert.ok(!destination.isUnused);
  destination.withdraw(entry);
  assert.ok(destination.isUnused);
  assert.equal(rows.bytes, emptyBytes);
});

interface Step {
  kind: string;
  chosen: number;
}

/** Does one step to the queue, and the same to an array of ids. */
function go({ rows, destination }: Bench, model: string[], { kind, chosen }: Step): void {
  const all = [...destination.entries()];
  const at = chosen % Math.max(1, all.length);
  const entry = all[at];
  switch (kind) {
    case 'take':
    case 'put back': {
      const taken = destination.take(0, () => true);
      assert.equal(taken && idIn(taken), model.shift());
      if (taken !== undefined && kind === 'put back') {
        destination.putBack(taken);
        model.unshift(idIn(taken));
      } else if (taken instanceof Parked) {
        rows.unlist(taken.row);
      }
      break;
    }
    case 'leave':
      if (entry instanceof Parked) {
        rows.unlist(entry.row);
        destination.leave(entry);
        model.splice(at, 1);
      }
      break;
    case 'unpark':
      if (entry instanceof Parked) {
        rows.unlist(entry.row);
        destination.replace(entry, aRoutedEntry(entry.id));
      }
      break;
    case 'sift':
      destination.sift(({ item }) => Number(item.id.slice(-8)) % 5 !== 0);
      all.forEach((one) => {
        if (!(one instanceof Parked) && Number(one.item.id.slice(-8)) % 5 === 0)
          model.splice(model.indexOf(one.item.id), 1);
      });
      break;
    default:
      if (entry !== undefined && !(entry instanceof Parked)) {
        destination.withdrawItem(entry.item);
        model.splice(at, 1);
      }
  }
}

test('parked or not, entries keep their order through any mixture of what is done to them', () => {
  const kinds = ['add', 'add', 'take', 'put back', 'leave', 'leave', 'unpark', 'sift', 'withdraw'];
  const step = record({ kind: constantFrom(...kinds), chosen: integer({ min: 0, max: 1e6 }) });
  forAll(
    property(array(step, { maxLength: 200 }), (steps) => {
      const bench = aBench();
      const { rows, destination } = bench;
      const emptyBytes = rows.bytes;
      const model: string[] = [];
      let added = 0;
      for (const one of steps) {
        for (let crowd = one.kind === 'add' ? 1 + (one.chosen % 8) : 0; crowd > 0; crowd--) {
          const id = idOf(added++);
          destination.add(added % 3 === 0 ? aRoutedEntry(id) : park(rows, id));
          model.push(id);
        }
        if (one.kind !== 'add') go(bench, model, one);
        assert.deepEqual(listed(bench), model);
        const parked = [...destination.entries()].filter((entry) => entry instanceof Parked);
        assert.deepEqual([destination.ready, destination.parked], [model.length, parked.length]);
        assert.deepEqual(
          destination.parkedRows,
          parked.map(({ row }) => row),
        );
        assert.equal(rows.size, parked.length);
      }
      while (model.length > 0) go(bench, model, { kind: 'take', chosen: 0 });
      assert.equal(rows.bytes, emptyBytes, 'a row is still in use');
    }),
    { seed: 21, numRuns: 150 },
  );
});
