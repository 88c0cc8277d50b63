import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AttemptMarks } from '../../src/queue/attempt-marks.js';
import type { RoutedEntry } from '../../src/queue/destination.js';
import { aHop, anItem, aRecipient, idOf } from './samples.js';

const QUEUE = 'pool-2';
const ASKED = { queue: QUEUE, host: 'two.example' };

/** An entry of an item with these recipients. */
function entryOf(addresses: string[], changes: Partial<RoutedEntry> = {}): RoutedEntry {
  const item = anItem(idOf(1), { recipients: addresses.map((address) => aRecipient(address)) });
  const nextHop = aHop('two', { host: ASKED.host });
  return { item, recipients: item.recipients, nextHop, movable: false, ...changes };
}

/** What an earlier process left. */
function found(marks: AttemptMarks, ...addresses: string[]): RoutedEntry {
  const entry = entryOf(addresses);
  entry.recipients.forEach((recipient) => marks.found(recipient));
  return entry;
}

function counts({ recipients }: RoutedEntry): Array<number | undefined> {
  return recipients.map(({ unfinished }) => unfinished);
}

test('fresh mail with one way to go is attempted without a mark', () => {
  const marks = new AttemptMarks();
  const entry = entryOf(['a', 'b']);
  assert.equal(marks.begin(entry, ASKED), false);
  assert.ok(entry.recipients.every(({ asked }) => asked === undefined));
  assert.deepEqual(counts(entry), [undefined, undefined]);
  assert.equal(marks.concluded(entry), false, 'nothing is stored that no longer holds');
});

test('where mail could also go elsewhere, the hop that is asked is noted until it has ended', () => {
  const marks = new AttemptMarks();
  const entry = entryOf(['a', 'b'], { movable: true });
  const [, second] = entry.recipients;
  assert.equal(marks.begin(entry, ASKED), true);
  assert.deepEqual(
    entry.recipients.map(({ asked }) => asked),
    [ASKED, ASKED],
  );
  assert.deepEqual(counts(entry), [undefined, undefined]);
  assert.equal(marks.concluded(entry), true);
  assert.equal(second?.asked, undefined);
  assert.ok(!Object.hasOwn(second ?? {}, 'asked'));
});

test('each attempt at what an earlier process left is counted before it begins', () => {
  const marks = new AttemptMarks();
  const entry = found(marks, 'a', 'b');
  assert.equal(marks.begin(entry, ASKED), true);
  assert.deepEqual(counts(entry), [1, 1]);
  assert.equal(entry.recipients[0]?.asked, undefined, 'it has one way to go');
});

test('one attempt that comes to its end clears its recipients for good, and no others', () => {
  const marks = new AttemptMarks();
  const { item, recipients, ...rest } = found(marks, 'a', 'b');
  const [a, b] = recipients.map((recipient) => ({ item, recipients: [recipient], ...rest }));
  assert.ok(a !== undefined && b !== undefined);
  marks.begin(a, ASKED);
  marks.begin(b, ASKED);
  assert.equal(marks.concluded(a), true);
  assert.deepEqual([counts(a), counts(b)], [[undefined], [1]]);
  assert.equal(marks.begin(a, ASKED), false, 'it is not counted any more');
  assert.deepEqual(counts(a), [undefined]);
  assert.equal(marks.begin(b, ASKED), true);
  assert.deepEqual(counts(b), [2]);
});

test('counts of earlier processes go on', () => {
  const marks = new AttemptMarks();
  const entry = found(marks, 'a');
  Object.assign(entry.recipients[0] as object, { unfinished: 2 });
  marks.begin(entry, ASKED);
  assert.deepEqual(counts(entry), [3]);
});

test('an error of ours counts, once an attempt, whether the attempt was counted before or not', () => {
  const marks = new AttemptMarks();
  const fresh = entryOf(['a'], { movable: true });
  for (const broken of [1, 2, 3]) {
    marks.begin(fresh, ASKED);
    assert.equal(marks.broke(fresh), broken);
    assert.equal(fresh.recipients[0]?.asked, undefined);
  }
  const left = found(marks, 'a');
  for (const broken of [1, 2, 3]) {
    assert.equal(marks.begin(left, ASKED), true);
    assert.equal(marks.broke(left), broken);
  }
});

test('an attempt that ends well between two errors begins the count anew', () => {
  const marks = new AttemptMarks();
  const entry = entryOf(['a']);
  marks.begin(entry, ASKED);
  marks.broke(entry);
  assert.equal(marks.begin(entry, ASKED), true, 'after an error it is counted before it begins');
  assert.equal(marks.concluded(entry), true);
  assert.equal(marks.begin(entry, ASKED), false);
  assert.equal(marks.broke(entry), 1);
});

test('the recipient with the most errors decides', () => {
  const marks = new AttemptMarks();
  const entry = found(marks, 'a', 'b');
  Object.assign(entry.recipients[1] as object, { unfinished: 2 });
  marks.begin(entry, ASKED);
  assert.deepEqual(counts(entry), [1, 3]);
  assert.equal(marks.broke(entry), 3);
});

test('an attempt that did not begin, for want of a disk, is not counted and asks nobody', () => {
  const marks = new AttemptMarks();
  const entry = { ...found(marks, 'a'), movable: true };
  for (let times = 0; times < 5; times++) {
    marks.begin(entry, ASKED);
    marks.withdrawn(entry);
    assert.equal(entry.recipients[0]?.unfinished ?? 0, 0);
    assert.equal(entry.recipients[0]?.asked, undefined);
  }
  marks.begin(entry, ASKED);
  assert.deepEqual(counts(entry), [1]);
  const fresh = entryOf(['a'], { movable: true });
  marks.begin(fresh, ASKED);
  marks.withdrawn(fresh);
  assert.deepEqual(counts(fresh), [undefined]);
});
