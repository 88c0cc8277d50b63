import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSettled, moveRecipient, type RecipientState } from '../../src/queue/item.js';
import { aRecipient, anItem } from './samples.js';

const STATES: RecipientState[] = [
  'ready',
  'sending',
  'deferred',
  'held',
  'delivered',
  'failed',
  'quarantined',
];

/** Every legal move; what does not stand here must throw. */
const LEGAL = new Set([
  'ready → sending',
  'ready → held',
  'ready → failed',
  'ready → quarantined',
  'sending → delivered',
  'sending → deferred',
  'sending → failed',
  'sending → ready',
  'sending → quarantined',
  'deferred → ready',
  'deferred → held',
  'deferred → failed',
  'deferred → quarantined',
  'held → ready',
  'held → deferred',
  'held → failed',
  'held → quarantined',
  'failed → quarantined',
  'quarantined → ready',
  'quarantined → failed',
]);

test('a recipient makes every legal move, and an illegal one throws with both names and changes nothing', () => {
  for (const from of STATES) {
    for (const to of STATES) {
      const recipient = aRecipient('one@b.example', { state: from });
      if (LEGAL.has(`${from} → ${to}`)) {
        moveRecipient(recipient, to);
        assert.equal(recipient.state, to);
      } else {
        assert.throws(() => moveRecipient(recipient, to), {
          code: 'ILLEGAL_MOVE',
          message: `a recipient cannot go from ${from} to ${to}`,
        });
        assert.equal(recipient.state, from);
      }
    }
  }
});

test('a message is settled when every recipient is delivered or failed', () => {
  const settled = (...states: RecipientState[]): boolean =>
    isSettled(
      anItem('1', { recipients: states.map((state) => aRecipient('x@b.example', { state })) }),
    );
  assert.ok(settled('delivered', 'failed'));
  for (const state of STATES.filter((one) => one !== 'delivered' && one !== 'failed')) {
    assert.ok(!settled('delivered', state), state);
  }
});
