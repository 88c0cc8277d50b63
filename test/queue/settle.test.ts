import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Item, RecipientState } from '../../src/queue/item.js';
import { recipientRecord, settle, type Settlement } from '../../src/queue/settle.js';
import type { Outcome } from '../../src/send/outcome.js';
import {
  anItem,
  aRecipient,
  DEFERRED,
  DELIVERED,
  FAILED,
  HOP_FAULT,
  LOST_REPLY,
  NOW_MS,
  outcome,
  UNREADABLE,
} from './samples.js';

/** A hop that hangs up in the middle of a transaction. */
const LOST = outcome('hop-fault', null, null, 'connection lost in DATA');
function sending(count: number, changes: Partial<Item> = {}): Item {
  const recipients = Array.from({ length: count }, (_, index) =>
    aRecipient(`r${index}@b.example`, { state: 'sending' }),
  );
  return anItem('1', { recipients, ...changes });
}

function settled(item: Item, ...outcomes: Outcome[]): Settlement {
  return settle(item, item.recipients, outcomes, {
    retryIntervalsSeconds: [60, 300],
    maxAttempts: item.settings?.maxAttempts ?? null,
    asked: { queue: '(smarthost)', host: 'core.example' },
    nowMs: NOW_MS,
    expiresAtMs: item.expiresAtMs,
    chance: 0,
  });
}

function again(item: Item): void {
  for (const recipient of item.recipients) recipient.state = 'sending';
}

test('each outcome moves its recipient, counts the attempt where one was spent and keeps the words', () => {
  const expected: Array<[Outcome, RecipientState, number, keyof Settlement | null]> = [
    [DELIVERED, 'delivered', 1, null],
    [FAILED, 'failed', 1, 'failed'],
    [DEFERRED, 'deferred', 1, 'deferred'],
    [UNREADABLE, 'quarantined', 0, 'quarantined'],
    [HOP_FAULT, 'ready', 0, 'unspent'],
    [LOST_REPLY, 'ready', 0, 'unspent'],
  ];
  for (const [given, state, attempts, list] of expected) {
    const item = sending(1);
    const [recipient] = item.recipients;
    const settlement = settled(item, given);
    assert.equal(recipient?.state, state, given.kind);
    assert.equal(recipient.attempts, attempts, given.kind);
    assert.deepEqual(recipient.lastReply, {
      code: given.code,
      enhanced: given.enhanced,
      text: given.text,
    });
    for (const [name, recipients] of Object.entries(settlement)) {
      assert.deepEqual(recipients, name === list ? [recipient] : [], `${given.kind} in ${name}`);
    }
    assert.equal(
      recipient.nextAttemptAtMs,
      state === 'deferred' ? NOW_MS + 60_000 : null,
      given.kind,
    );
  }
});

test('recipients of one message have fates of their own', () => {
  const item = sending(4);
  const settlement = settled(item, DELIVERED, FAILED, DEFERRED, HOP_FAULT);
  const [, failed, deferred, unspent] = item.recipients;
  assert.deepEqual(settlement, {
    failed: [failed],
    deferred: [deferred],
    unspent: [unspent],
    again: [],
    quarantined: [],
  });
});

test('deferred recipients wait for the same attempt, by the schedule of the most tried one', () => {
  const item = sending(2);
  (item.recipients[1] as { attempts: number }).attempts = 1;
  settled(item, DEFERRED, DEFERRED);
  assert.deepEqual(
    item.recipients.map(({ nextAttemptAtMs }) => nextAttemptAtMs),
    [NOW_MS + 300_000, NOW_MS + 300_000],
  );
});

test('a lost reply marks the message as in doubt, and the mark stays', () => {
  const item = sending(1);
  settled(item, HOP_FAULT);
  assert.equal(item.doubt, false);
  again(item);
  settled(item, LOST_REPLY);
  assert.equal(item.doubt, true);
  again(item);
  settled(item, DEFERRED);
  assert.equal(item.doubt, true);
});

test('the third session in a row that breaks over a message costs it an attempt', () => {
  for (const lost of [LOST, LOST_REPLY]) {
    const item = sending(2);
    for (const round of [1, 2]) {
      assert.equal(settled(item, lost, lost).unspent.length, 2, `round ${round}`);
      again(item);
    }
    const settlement = settled(item, lost, lost);
    assert.equal(settlement.deferred.length, 2);
    assert.deepEqual(
      item.recipients.map(({ attempts }) => attempts),
      [1, 1],
    );
    assert.equal(item.doubt, lost === LOST_REPLY);
    again(item);
    assert.equal(settled(item, lost, lost).deferred.length, 2, 'and each one after it');
  }
});

test('losses count only in a row, and only in the middle of a transaction', () => {
  const item = sending(1);
  for (const given of [LOST, LOST, DEFERRED, LOST, LOST, HOP_FAULT, LOST, LOST]) {
    const { deferred } = settled(item, given);
    assert.equal(deferred.length, given === DEFERRED ? 1 : 0);
    again(item);
  }
});

test('a hop that says why it takes nothing is asked again without end, at no cost to the message', () => {
  const item = sending(1);
  for (let time = 0; time < 10; time++) {
    const limit = outcome('hop-fault', 550, '5.4.5', 'daily sending limit exceeded');
    assert.equal(settled(item, limit).unspent.length, 1);
    again(item);
  }
  assert.equal(item.recipients[0]?.attempts, 0);
});

test('the trace shows a recipient by what became of it', () => {
  const shown = (state: RecipientState, toNode: boolean, tried: boolean): string =>
    recipientRecord(
      aRecipient('x@b.example', {
        state,
        lastReply: tried ? { code: 451, enhanced: '4.7.1', text: 'later' } : null,
      }),
      toNode,
    ).action;
  assert.equal(shown('delivered', true, true), 'transferred');
  assert.equal(shown('delivered', false, true), 'relayed');
  assert.equal(shown('failed', true, true), 'failed');
  assert.equal(shown('quarantined', true, true), 'failed');
  for (const state of ['ready', 'sending', 'deferred', 'held'] as const) {
    assert.equal(shown(state, true, false), 'queued');
    assert.equal(shown(state, true, true), 'delayed');
  }
  const record = recipientRecord(
    aRecipient('x@b.example', { state: 'deferred', attempts: 2, nextAttemptAtMs: NOW_MS }),
    true,
  );
  assert.equal(record.next_attempt_at, '2026-01-05T12:00:00.000Z');
  assert.equal(record.attempts, 2);
});

test('a message that has had all its attempts fails with the last words', () => {
  const item = sending(1, { settings: { maxAttempts: 2 } });
  assert.equal(settled(item, DEFERRED).deferred.length, 1);
  again(item);
  const { failed } = settled(item, DEFERRED);
  assert.equal(failed[0]?.state, 'failed');
  assert.equal(failed[0]?.lastReply?.code, 451);
});

test('a fault of the hop costs none of the attempts that a message wants', () => {
  const item = sending(1, { settings: { maxAttempts: 1 } });
  assert.equal(settled(item, HOP_FAULT).unspent.length, 1);
});

test('a lost reply is remembered with the hop and the host, until the hop says whether it has it', () => {
  const asked = { queue: '(smarthost)', host: 'core.example' };
  for (const last of [DELIVERED, FAILED]) {
    const item = sending(1);
    settled(item, LOST_REPLY);
    assert.deepEqual(item.recipients[0]?.doubtAt, asked);
    for (const [given, why] of [
      [HOP_FAULT, 'a refused connection says nothing about it'],
      [DEFERRED, '"not now" does not say that it is not there'],
      [LOST_REPLY, 'nor does a third lost session in a row, which counts as an attempt'],
      [LOST_REPLY, 'nor does a third lost session in a row, which counts as an attempt'],
      [LOST_REPLY, 'nor does a third lost session in a row, which counts as an attempt'],
      [UNREADABLE, 'nor what we cannot read'],
    ] as const) {
      again(item);
      settled(item, given);
      assert.deepEqual(item.recipients[0]?.doubtAt, asked, why);
    }
    again(item);
    settled(item, last);
    assert.equal(item.recipients[0]?.doubtAt, null, last.kind);
  }
});

test('the time that the hop named is the time of the next attempt', () => {
  const item = sending(1);
  settled(item, { ...DEFERRED, retryAfterMs: 400_000 });
  assert.equal(item.recipients[0]?.nextAttemptAtMs, NOW_MS + 400_000);
});
