import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as forAll, property, uint8Array } from 'fast-check';
import {
  applyProgress,
  decodeItem,
  encodeItem,
  encodeProgress,
} from '../../src/queue/record-format.js';
import { anItem, aRecipient, DEFERRED, NOW_MS } from './samples.js';

const BODY = Buffer.from('Subject: x\r\n\r\nbody\r\n');
const ITEM = anItem('1', { body: { kind: 'inline', sizeBytes: BODY.length, ownHeaderBytes: 0 } });

/** The record with one bit wrong, at every byte; cut at every byte; with a byte more. */
function* damaged(record: Buffer): Generator<[string, Buffer]> {
  for (let index = 0; index < record.length; index++) {
    for (const bit of [1, 32, 128]) {
      const copy = Buffer.from(record);
      copy[index] = (copy[index] as number) ^ bit;
      yield [`bit ${bit} of byte ${index}`, copy];
    }
    yield [`cut to ${index}`, record.subarray(0, index)];
  }
  yield ['one byte more', Buffer.concat([record, Buffer.from(' ')])];
}

test('a record holds the item and its body', () => {
  assert.deepEqual(decodeItem(encodeItem(ITEM, BODY)), { item: ITEM, body: BODY });
  const file = anItem('1', { body: { kind: 'file', sizeBytes: 5000, ownHeaderBytes: 0 } });
  assert.deepEqual(decodeItem(encodeItem(file, null)), { item: file, body: Buffer.alloc(0) });
});

test('any damage to a record is noticed', () => {
  for (const [what, record] of damaged(encodeItem(ITEM, BODY))) {
    assert.ok('reason' in decodeItem(record), what);
  }
});

test('a record with a body of another length than the item says is not believed', () => {
  const decoded = decodeItem(encodeItem(ITEM, BODY.subarray(1)));
  assert.deepEqual(decoded, {
    reason: `body has ${BODY.length - 1} bytes instead of ${BODY.length}`,
  });
});

test('any bytes decode to an item or to a reason, never to an exception', () => {
  forAll(
    property(uint8Array({ maxLength: 40 }), (bytes) => {
      const decoded = decodeItem(Buffer.from(bytes));
      assert.ok('reason' in decoded && decoded.reason !== '');
      assert.equal(applyProgress(structuredClone(ITEM), Buffer.from(bytes)), false);
    }),
  );
});

test('progress is laid over the item that it belongs to', () => {
  const changed = structuredClone(ITEM);
  changed.doubt = true;
  const { code, enhanced, text } = DEFERRED;
  Object.assign(changed.recipients[0] as object, {
    state: 'deferred',
    attempts: 3,
    nextAttemptAtMs: NOW_MS,
    lastReply: { code, enhanced, text },
  });
  const fresh = structuredClone(ITEM);
  assert.equal(applyProgress(fresh, encodeProgress(changed)), true);
  assert.deepEqual(fresh, changed);
});

test('any damage to progress is noticed: a guess could double mail', () => {
  const changed = structuredClone(ITEM);
  Object.assign(changed.recipients[0] as object, { state: 'delivered', attempts: 1 });
  for (const [what, record] of damaged(encodeProgress(changed))) {
    assert.equal(applyProgress(structuredClone(ITEM), record), false, what);
  }
});

test('progress with another number of recipients does not fit', () => {
  const two = anItem('1', { recipients: [aRecipient('a@b.example'), aRecipient('b@b.example')] });
  assert.equal(applyProgress(structuredClone(ITEM), encodeProgress(two)), false);
});

test('the hop that may already have a recipient is part of the progress', () => {
  const doubtAt = { queue: '(smarthost) a', host: 'a.example' };
  const recipients = [aRecipient('one@b.example', { doubtAt }), aRecipient('two@b.example')];
  const stored = encodeProgress(anItem('1', { recipients }));
  const fresh = anItem('1', {
    recipients: [aRecipient('one@b.example'), aRecipient('two@b.example')],
  });
  assert.equal(applyProgress(fresh, stored), true);
  assert.deepEqual(fresh.recipients[0]?.doubtAt, doubtAt);
  assert.equal(fresh.recipients[1]?.doubtAt, undefined);
});

test('that a delay was told is part of the progress, of a record from before it is not', () => {
  const recipients = [
    aRecipient('one@b.example', { delayReportedAtMs: NOW_MS }),
    aRecipient('two@b.example'),
  ];
  const stored = encodeProgress(anItem('1', { recipients }));
  const fresh = anItem('1', {
    recipients: [aRecipient('one@b.example'), aRecipient('two@b.example')],
  });
  assert.equal(applyProgress(fresh, stored), true);
  assert.deepEqual(
    fresh.recipients.map(({ delayReportedAtMs }) => delayReportedAtMs),
    [NOW_MS, undefined],
  );
});

test('to the disk nothing has happened to a recipient whose report is not safe', () => {
  for (const state of ['failed', 'delivered'] as const) {
    const changed = anItem('1', {
      recipients: [aRecipient('a@b.example', { state, unreported: true })],
    });
    const fresh = anItem('1', { recipients: [aRecipient('a@b.example')] });
    assert.equal(applyProgress(fresh, encodeProgress(changed)), true);
    assert.equal(fresh.recipients[0]?.state, 'ready');
  }
});
