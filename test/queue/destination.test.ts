import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as forAll, constantFrom, property } from 'fast-check';
import { Destination, type HopFault, type RoutedEntry } from '../../src/queue/destination.js';
import { Parked } from '../../src/queue/parked.js';
import { aCapacity, aHop, anEntry, aRoutedEntry, idOf, NOW_MS } from './samples.js';

const FAULT: HopFault = {
  code: 535,
  enhanced: '5.7.8',
  text: 'wrong password',
  stage: 'authplain',
  atMs: NOW_MS,
};

function destinationWith(count: number, maxConnections = 2): Destination {
  const destination = new Destination('(smarthost)', aHop('core'), aCapacity({ maxConnections }));
  for (let number = 0; number < count; number++) destination.add(aRoutedEntry(idOf(number)));
  return destination;
}

/** Takes what may start now, and counts it as started. */
function start(destination: Destination): RoutedEntry[] {
  const taken: RoutedEntry[] = [];
  for (let entry = take(destination); entry !== undefined; entry = take(destination)) {
    destination.sending++;
    taken.push(entry);
  }
  return taken;
}

function take(destination: Destination): RoutedEntry | undefined {
  const entry = destination.take(0, () => true);
  assert.ok(!(entry instanceof Parked));
  return entry;
}

function drain(destination: Destination): RoutedEntry[] {
  return destination.sift(() => false);
}

function ids(entries: readonly RoutedEntry[]): string[] {
  return entries.map(({ item }) => item.id);
}

test('entries leave in order of arrival, as many at once as the hop has connections', () => {
  const destination = destinationWith(5);
  assert.deepEqual(ids(start(destination)), [idOf(0), idOf(1)]);
  assert.equal(destination.ready, 3);
  destination.sending--;
  assert.deepEqual(ids(start(destination)), [idOf(2)]);
});

test('the pause doubles with each fault in a row up to the longest, and starts anew once healed', () => {
  const destination = destinationWith(1);
  const pauses: Array<number | null> = [];
  for (let round = 0; round < 5; round++) {
    pauses.push(destination.fault(FAULT, 1000 * round, 100, 500));
    destination.probe();
  }
  assert.deepEqual(pauses, [100, 200, 400, 500, 500]);
  assert.equal(destination.resumeAtMs, 4500);
  destination.healed();
  assert.equal(destination.state, 'active');
  assert.equal(destination.fault(FAULT, 0, 100, 500), 100);
});

test('a pause stays within its bounds after thousands of faults', () => {
  const destination = destinationWith(1);
  for (let round = 0; round < 3000; round++) {
    const pauseMs = destination.fault(FAULT, 0, 1000, 3_600_000);
    assert.ok(pauseMs !== null && pauseMs > 0 && pauseMs <= 3_600_000);
    destination.probe();
  }
});

test('attempts that were under way at the first fault do not lengthen the pause', () => {
  const destination = destinationWith(3);
  start(destination);
  assert.equal(destination.fault(FAULT, 1000, 100, 500), 100);
  assert.equal(destination.fault({ ...FAULT, text: 'again' }, 1050, 100, 500), null);
  assert.equal(destination.resumeAtMs, 1100);
  assert.equal(destination.faultsInARow, 1);
  assert.equal(destination.lastFault?.text, 'again', 'the latest words are shown');
});

test('nothing leaves in a backoff, and one entry probes after it', () => {
  const destination = destinationWith(4);
  destination.fault(FAULT, 0, 100, 500);
  assert.deepEqual(start(destination), []);
  destination.probe();
  assert.equal(destination.state, 'probing');
  assert.deepEqual(ids(start(destination)), [idOf(0)]);
  assert.deepEqual(start(destination), [], 'a second probe beside the first');
  destination.healed();
  assert.deepEqual(ids(start(destination)), [idOf(1)]);
});

test('a probe that fails starts the next pause; only a backoff ends in a probe', () => {
  const destination = destinationWith(1);
  destination.probe();
  assert.equal(destination.state, 'active');
  destination.fault(FAULT, 0, 100, 500);
  destination.probe();
  assert.equal(destination.fault(FAULT, 200, 100, 500), 200);
  assert.equal(destination.state, 'backoff');
});

test("an operator's pause outlasts faults and successes", () => {
  const destination = destinationWith(2);
  destination.state = 'paused';
  assert.deepEqual(start(destination), []);
  assert.equal(destination.fault(FAULT, 0, 100, 500), null);
  destination.probe();
  destination.healed();
  assert.equal(destination.state, 'paused');
  assert.ok(!destination.isUnused);
});

test('an entry that is put back is the next one, before and after entries have left', () => {
  const untouched = destinationWith(1);
  untouched.putBack(aRoutedEntry('first'));
  assert.deepEqual(ids(start(untouched)), ['first', idOf(0)]);
  const destination = destinationWith(4);
  const [first, second] = start(destination);
  destination.sending = 0;
  destination.putBack(second as RoutedEntry);
  destination.putBack(first as RoutedEntry);
  destination.putBack(aRoutedEntry('stranger'));
  assert.deepEqual(ids(drain(destination)), ['stranger', ...[0, 1, 2, 3].map(idOf)]);
});

test('entries keep their order through any mixture of add, take and put back', () => {
  const steps = array(constantFrom('add', 'take', 'put back', 'take many'), { maxLength: 300 });
  forAll(
    property(steps, (actions) => {
      const destination = new Destination('q', aHop('core'), aCapacity({ maxConnections: 1e9 }));
      const model: string[] = [];
      let added = 0;
      for (const action of actions) {
        for (let repeat = action.startsWith('take many') ? 40 : 1; repeat > 0; repeat--) {
          if (action === 'add') {
            // A crowd at a time, so that the array is cut off in front now and then.
            for (let crowd = 0; crowd < 50; crowd++) {
              model.push(idOf(added));
              destination.add(aRoutedEntry(idOf(added++)));
            }
          } else {
            const entry = take(destination);
            assert.equal(entry?.item.id, model.shift());
            if (entry !== undefined && action === 'put back') {
              destination.putBack(entry);
              model.unshift(entry.item.id);
            }
          }
        }
        assert.equal(destination.ready, model.length);
      }
      assert.deepEqual(ids(drain(destination)), model);
    }),
    { numRuns: 50 },
  );
});

test('a long queue keeps its order while the part that has left is cut off', () => {
  const destination = destinationWith(5000, Infinity);
  for (let number = 0; number < 5000; number++) {
    const entry = take(destination);
    assert.equal(entry?.item.id, idOf(number));
    if (number % 100 === 0) {
      destination.putBack(entry);
      assert.equal(take(destination), entry);
    }
  }
  assert.equal(destination.ready, 0);
});

test('the oldest waiting message is shown, and none when nothing waits', () => {
  const destination = new Destination('q', aHop('core'), aCapacity());
  assert.equal(destination.oldestBornMs, null);
  destination.add(aRoutedEntry('1', anEntry('1', { bornMs: 5 })));
  destination.add(aRoutedEntry('2', anEntry('2', { bornMs: 3 })));
  assert.equal(destination.oldestBornMs, 5);
});
