import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { assert as forAll, property, uint8Array } from 'fast-check';
import {
  applyProgress,
  decodeItem,
  encodeItem,
  encodeProgress,
} from '../../src/queue/record-format.js';
import { hostileTest } from '../hostile/rows.js';
import { anItem, aRecipient, DEFERRED, NOW_MS } from './samples.js';
import { InlineBody } from '../../src/queue/inline-body.js';

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
  assert.deepEqual(decodeItem(encodeItem(ITEM, new InlineBody([BODY]))), {
    item: ITEM,
    body: BODY,
  });
  const file = anItem('1', { body: { kind: 'file', sizeBytes: 5000, ownHeaderBytes: 0 } });
  assert.deepEqual(decodeItem(encodeItem(file, null)), { item: file, body: Buffer.alloc(0) });
});

test('REQUIRETLS is part of the record; one from before it asks for none', () => {
  const asking = { ...ITEM, requireTls: true as const };
  assert.deepEqual(decodeItem(encodeItem(asking, new InlineBody([BODY]))), {
    item: asking,
    body: BODY,
  });
  // As the version before wrote it: the same form, and no such key.
  const json = `{"id":"1","sender":"a@x.test","recipients":[{"address":"b@y.test","notify":null,"orcpt":null,"state":"ready","attempts":0,"nextAttemptAtMs":null,"lastReply":null}],"ret":null,"envid":null,"smtpUtf8":false,"eightBit":false,"receivedAtMs":1,"expiresAtMs":2,"messageId":null,"trace":{"traceId":"e","spanId":"a","parentSpanId":null,"path":[]},"arrival":{"protocol":"ESMTPS","client":{"address":"192.0.2.1","helo":"c","user":null}},"body":{"kind":"inline","sizeBytes":${BODY.length},"ownHeaderBytes":0},"bounceOf":null,"doubt":false,"lostSessions":0}`;
  const rest = Buffer.alloc(4 + Buffer.byteLength(json));
  rest.writeUInt32BE(Buffer.byteLength(json));
  rest.write(json, 4);
  const checked = Buffer.concat([rest, BODY]);
  const prefix = Buffer.alloc(5);
  prefix[0] = 1;
  prefix.writeUInt32BE(crc32(checked), 1);
  const decoded = decodeItem(Buffer.concat([prefix, checked]));
  assert.ok('item' in decoded);
  assert.equal(decoded.item.requireTls, undefined);
  assert.equal(decoded.item.arrival.protocol, 'ESMTPS');
});

hostileTest('damaged-records', 'any damage to a record is noticed', (_t, cases) => {
  for (const [what, record] of damaged(encodeItem(ITEM, new InlineBody([BODY])))) {
    cases.add();
    assert.ok('reason' in decodeItem(record), what);
  }
});

hostileTest(
  'damaged-records',
  'a record with a body of another length than the item says is not believed',
  () => {
    const decoded = decodeItem(encodeItem(ITEM, new InlineBody([BODY.subarray(1)])));
    assert.deepEqual(decoded, {
      reason: `body has ${BODY.length - 1} bytes instead of ${BODY.length}`,
    });
  },
);

hostileTest(
  'damaged-records',
  'any bytes decode to an item or to a reason, never to an exception',
  (_t, cases) => {
    forAll(
      property(uint8Array({ maxLength: 40 }), (bytes) => {
        cases.add();
        const decoded = decodeItem(Buffer.from(bytes));
        assert.ok('reason' in decoded && decoded.reason !== '');
        assert.equal(applyProgress(structuredClone(ITEM), Buffer.from(bytes)), false);
      }),
    );
  },
);

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

hostileTest(
  'damaged-records',
  'any damage to progress is noticed: a guess could double mail',
  (_t, cases) => {
    const changed = structuredClone(ITEM);
    Object.assign(changed.recipients[0] as object, { state: 'delivered', attempts: 1 });
    for (const [what, record] of damaged(encodeProgress(changed))) {
      cases.add();
      assert.equal(applyProgress(structuredClone(ITEM), record), false, what);
    }
  },
);

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

/** A record of whatever text, with a checksum that fits. */
function sealed(json: string, body = BODY): Buffer {
  const rest = Buffer.concat([Buffer.alloc(4), Buffer.from(json), body]);
  rest.writeUInt32BE(Buffer.byteLength(json));
  const prefix = Buffer.alloc(5);
  prefix[0] = 1;
  prefix.writeUInt32BE(crc32(rest), 1);
  return Buffer.concat([prefix, rest]);
}

test('an item of another form is corrupt, although its checksum fits', () => {
  assert.ok('item' in decodeItem(sealed(JSON.stringify(ITEM))));
  const [recipient] = ITEM.recipients;
  const others: unknown[] = [
    null,
    [],
    {},
    { ...ITEM, recipients: [] },
    { ...ITEM, recipients: [null] },
    { ...ITEM, recipients: [{ ...recipient, state: 'of a later version' }] },
    { ...ITEM, recipients: [{ ...recipient, attempts: -1 }] },
    { ...ITEM, expiresAtMs: 1e300 },
    { ...ITEM, trace: null },
    { ...ITEM, body: { ...ITEM.body, kind: 'odd' } },
  ];
  for (const other of others) {
    const json = JSON.stringify(other);
    const reason = 'item has another form than those of this version';
    assert.deepEqual(decodeItem(sealed(json)), { reason }, json);
  }
});

/** Progress of whatever text, with a checksum that fits. */
function sealedProgress(progress: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(progress));
  const prefix = Buffer.alloc(5);
  prefix[0] = 1;
  prefix.writeUInt32BE(crc32(json), 1);
  return Buffer.concat([prefix, json]);
}

test('progress of another form is refused, and changes nothing', () => {
  const stored = { state: 'held', attempts: 2, nextAttemptAtMs: null, lastReply: null };
  const good = { doubt: true, recipients: [stored] };
  assert.equal(applyProgress(structuredClone(ITEM), sealedProgress(good)), true);
  const others: unknown[] = [
    { ...good, recipients: [null] },
    { ...good, recipients: [{ ...stored, state: 'of a later version' }] },
    { ...good, recipients: [{ ...stored, lastReply: 'text' }] },
    { ...good, recipients: 'one' },
    { ...good, doubt: 'perhaps' },
    { ...good, heldAtMs: 'now' },
    null,
  ];
  for (const other of others) {
    const item = structuredClone(ITEM);
    assert.equal(applyProgress(item, sealedProgress(other)), false, JSON.stringify(other));
    assert.deepEqual(item, ITEM);
  }
});

test('progress never changes who a recipient is', () => {
  const item = structuredClone(ITEM);
  const stored = { state: 'held', attempts: 2, nextAttemptAtMs: null, lastReply: null };
  const recipients = [{ ...stored, address: 'evil@x.test' }];
  assert.equal(applyProgress(item, sealedProgress({ doubt: false, recipients })), true);
  assert.equal(item.recipients[0]?.state, 'held');
  assert.equal(item.recipients[0]?.address, ITEM.recipients[0]?.address);
});
