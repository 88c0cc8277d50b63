import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QueueEntry } from '../../src/queue/destination.js';
import { SuspectLane } from '../../src/queue/suspect-lane.js';
import { anEntry, aRecipient, idOf } from './samples.js';

function suspect(number: number): QueueEntry {
  const recipients = [aRecipient('a@b.example'), aRecipient('b@b.example', { unfinished: 1 })];
  return anEntry(idOf(number), { recipients });
}

test('messages that nothing is said against pass, as many as come', () => {
  const lane = new SuspectLane();
  assert.ok(lane.enters(suspect(1)));
  for (const number of [2, 3]) {
    const entry = anEntry(idOf(number));
    assert.ok(lane.enters(entry));
    assert.equal(lane.left(entry), undefined);
  }
  const recipients = [aRecipient('a@b.example', { unfinished: 0 })];
  assert.ok(lane.enters(anEntry(idOf(4), { recipients })));
});

test('suspects pass one at a time, in the order in which they came', () => {
  const lane = new SuspectLane();
  const [first, second, third] = [suspect(1), suspect(2), suspect(3)];
  assert.equal(lane.enters(first), true);
  assert.equal(lane.enters(second), false);
  assert.equal(lane.enters(third), false);
  assert.equal(lane.left(first), second);
  // It comes again by way of its queue; one that overtakes it there takes its turn.
  assert.equal(lane.enters(third), true);
  assert.equal(lane.enters(second), false);
  assert.equal(lane.left(third), third);
  assert.equal(lane.enters(third), true);
  assert.equal(lane.left(third), second);
  assert.equal(lane.enters(second), true);
  assert.equal(lane.left(second), undefined);
  assert.equal(lane.enters(first), true);
});

test('recipients of one suspect that go different ways go one after the other', () => {
  const lane = new SuspectLane();
  const { item, recipients } = suspect(1);
  const [one, other] = [
    { item, recipients },
    { item, recipients: [...recipients] },
  ];
  assert.equal(lane.enters(one), true);
  assert.equal(lane.enters(other), false);
  assert.equal(lane.left(one), other);
});

test('a suspect that was cleared while it was attempted makes room all the same', () => {
  const lane = new SuspectLane();
  const [first, second] = [suspect(1), suspect(2)];
  lane.enters(first);
  lane.enters(second);
  for (const recipient of first.recipients) delete recipient.unfinished;
  assert.equal(lane.left(first), second);
});

test('the end of others makes no room', () => {
  const lane = new SuspectLane();
  const [first, second, other] = [suspect(1), suspect(2), anEntry(idOf(3))];
  lane.enters(first);
  lane.enters(second);
  lane.enters(other);
  assert.equal(lane.left(other), undefined);
  assert.equal(lane.enters(suspect(4)), false);
});
