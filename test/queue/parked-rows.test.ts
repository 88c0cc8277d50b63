import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as forAll, constantFrom, integer, property, record } from 'fast-check';
import { Parked, type ParkedTraits } from '../../src/queue/parked.js';
import { ParkedRows } from '../../src/queue/parked-rows.js';
import { idOf } from './samples.js';

interface Place {
  name: string;
}

const TRAITS: ParkedTraits = { found: false, tried: false, deferred: false, movable: false };
const HERE: Place = { name: 'here' };
const THERE: Place = { name: 'there' };

function add(rows: ParkedRows<Place>, id: string, traits: Partial<ParkedTraits> = {}): number {
  return rows.add({ id, bornMs: 1, sizeBytes: 2 }, { ...TRAITS, ...traits }).row;
}

test('a message is found by its id with all that was said of it, and by no other id', () => {
  const rows = new ParkedRows<Place>();
  const message = { id: idOf(1), bornMs: -1234.4, sizeBytes: 5e9 };
  const traits = { found: true, tried: false, deferred: true, movable: true };
  const { row } = rows.add(message, traits);
  const expected = new Parked(row, { ...message, bornMs: -1234 }, traits);
  assert.deepEqual(rows.find(idOf(1)), expected);
  assert.deepEqual(rows.look(row), expected);
  for (const other of ['', idOf(2), `${idOf(1)}0`, idOf(1).slice(1)]) {
    assert.equal(rows.find(other), undefined, other);
  }
});

test('an id of another form than ours is found as well', () => {
  const rows = new ParkedRows<Place>();
  const ids = ['', 'first', '\0'.repeat(18), 'ÿ'.repeat(18), 'Ā'.repeat(18), idOf(1).repeat(3)];
  const taken = ids.map((id) => add(rows, id));
  assert.deepEqual(
    ids.map((id) => [rows.find(id)?.row, rows.find(id)?.id]),
    ids.map((id, index) => [taken[index], id]),
  );
  for (const row of taken) rows.unlist(row);
  assert.deepEqual(
    ids.map((id) => rows.find(id)),
    ids.map(() => undefined),
  );
});

test('a row is used again only when its number stands nowhere and its id is not found', () => {
  const rows = new ParkedRows<Place>();
  const first = add(rows, idOf(1));
  rows.enter(first, HERE);
  rows.unlist(first);
  assert.equal(rows.find(idOf(1)), undefined);
  assert.notEqual(add(rows, idOf(2)), first, 'it still lies there');
  rows.leave(first);
  assert.ok(rows.isGone(first));
  assert.equal(rows.turnAt(first), undefined);
  assert.notEqual(add(rows, idOf(3)), first, 'its number still stands there');
  rows.letGo(first);
  assert.equal(add(rows, idOf(4)), first);
  assert.ok(!rows.isGone(first));
  assert.equal(rows.turnAt(first), undefined);
});

test('a row that has left its place before its id is forgotten is not used again either', () => {
  const rows = new ParkedRows<Place>();
  const row = add(rows, idOf(1));
  rows.enter(row, HERE);
  rows.leave(row);
  rows.unlist(row);
  assert.notEqual(add(rows, idOf(2)), row);
});

test('what waits for its turn and what waits for a time are told apart, also in one place', () => {
  const rows = new ParkedRows<Place>();
  const turn = add(rows, idOf(1));
  const later = add(rows, idOf(2), { deferred: true });
  rows.enter(turn, HERE);
  rows.enter(later, HERE);
  assert.deepEqual([rows.turnAt(turn), rows.deferredAt(turn)], [HERE, undefined]);
  assert.deepEqual([rows.turnAt(later), rows.deferredAt(later)], [undefined, HERE]);
  rows.enter(later, THERE);
  assert.equal(rows.deferredAt(later), THERE);
  rows.letGo(turn);
  assert.equal(rows.turnAt(turn), undefined);
  assert.equal(rows.turnAt(1e6), undefined, 'a row that nobody has used');
});

test('what is not used any more is given back', () => {
  const rows = new ParkedRows<Place>();
  const emptyBytes = rows.bytes;
  const taken = Array.from({ length: 20_000 }, (_, number) => add(rows, idOf(number)));
  assert.ok(rows.bytes < 20_000 * 70, `${rows.bytes} bytes`);
  for (const row of taken) rows.enter(row, HERE);
  for (const row of taken) rows.unlist(row);
  assert.equal(rows.size, 0);
  for (const row of taken) rows.letGo(row);
  assert.equal(rows.bytes, emptyBytes);
  assert.equal(add(rows, idOf(1)) < 20_000, true, 'numbers are used again');
});

interface Model {
  id: string;
  movable: boolean;
  dueAtMs: number;
  place: Place | undefined;
  listed: boolean;
  gone: boolean;
}

function compare(rows: ParkedRows<Place>, model: Map<number, Model>): void {
  const listed = [...model].filter(([, { listed: isListed }]) => isListed);
  assert.equal(rows.size, listed.length);
  for (const [row, { id }] of listed) assert.equal(rows.find(id)?.row, row);
  for (const [row, { id, movable, dueAtMs, place, gone }] of model) {
    const seen = rows.look(row);
    assert.deepEqual([seen.id, seen.movable, rows.isMovable(row)], [id, movable, movable]);
    assert.deepEqual([rows.dueAtMs(row), rows.isGone(row)], [dueAtMs, gone]);
    assert.equal(rows.turnAt(row), place);
  }
}

test('through any mixture of changes it is as a plain map would be', () => {
  const kinds = ['add', 'add', 'add many', 'unlist', 'enter', 'leave', 'let go', 'movable', 'due'];
  const step = record({ kind: constantFrom(...kinds), chosen: integer({ min: 0, max: 1e6 }) });
  const places = [HERE, THERE, { name: 'elsewhere' }];
  forAll(
    property(array(step, { maxLength: 200 }), (steps) => {
      const rows = new ParkedRows<Place>();
      const model = new Map<number, Model>();
      let added = 0;
      const addOne = (): void => {
        const id = added % 7 === 0 ? `id ${added}` : idOf(added);
        added++;
        const row = add(rows, id);
        assert.ok(!model.has(row), 'a row that is in use was given out');
        const fresh = { movable: false, dueAtMs: 0, place: undefined, listed: true, gone: false };
        model.set(row, { id, ...fresh });
        rows.setDueAtMs(row, 0);
      };
      for (const { kind, chosen } of steps) {
        // Of few, so that much happens to each of them.
        const row = [...model.keys()][chosen % Math.max(1, Math.min(10, model.size))];
        const one = row === undefined ? undefined : model.get(row);
        if (kind === 'add' || row === undefined || one === undefined) {
          addOne();
        } else if (kind === 'add many') {
          for (let number = 0; number < 100; number++) addOne();
        } else if (kind === 'unlist' && one.listed) {
          rows.unlist(row);
          one.listed = false;
        } else if (kind === 'enter' && !one.gone) {
          one.place = places[chosen % places.length] as Place;
          rows.enter(row, one.place);
        } else if (kind === 'leave' && one.place !== undefined) {
          rows.leave(row);
          Object.assign(one, { place: undefined, gone: true });
        } else if (kind === 'let go' && (one.place !== undefined || one.gone)) {
          rows.letGo(row);
          Object.assign(one, { place: undefined, gone: false });
        } else if (kind === 'movable') {
          one.movable = chosen % 2 === 0;
          rows.setMovable(row, one.movable);
        } else if (kind === 'due') {
          one.dueAtMs = chosen / 3;
          rows.setDueAtMs(row, one.dueAtMs);
        }
        if (!one?.listed && one?.place === undefined && one?.gone === false) {
          model.delete(row as number);
        }
      }
      compare(rows, model);
    }),
    { seed: 20, numRuns: 200 },
  );
});
