import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  MAX_HEADER_BYTES,
  MAX_HEADER_NAMES,
  MessageDigest,
  type Digest,
} from '../../src/sink/digest.js';

function digestOf(...chunks: Buffer[]): Digest {
  const digest = new MessageDigest();
  for (const chunk of chunks) digest.update(chunk);
  return digest.finish();
}

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function idOf(text: string): string | null {
  return digestOf(Buffer.from(text)).messageId;
}

function receivedIdOf(text: string): string | null {
  return digestOf(Buffer.from(`${text}\r\n\r\n`)).receivedId;
}

/** The definition, without any state: what follows the first empty line. */
function bodyOf(message: Buffer): Buffer {
  const end = Buffer.concat([Buffer.from('\r\n'), message]).indexOf('\r\n\r\n');
  return end === -1 ? Buffer.alloc(0) : message.subarray(end + 2);
}

/** Bytes that make line ends, whole and broken, as likely as possible. */
const message = fc
  .array(fc.constantFrom('\r\n\r\n', '\r\n', '\r', '\n', 'a', 'Subject: x', '\0', '\xff'), {
    maxLength: 24,
  })
  .map((parts) => Buffer.from(parts.join(''), 'latin1'));

test('a message has the same digest wherever it is cut in two', () => {
  fc.assert(
    fc.property(message, (bytes) => {
      const expected = { ...digestOf(bytes) };
      assert.equal(expected.sha256, sha256(bytes));
      assert.equal(expected.bodySha256, sha256(bodyOf(bytes)));
      for (let cut = 0; cut <= bytes.length; cut++) {
        assert.deepEqual(digestOf(bytes.subarray(0, cut), bytes.subarray(cut)), expected);
      }
    }),
  );
});

test('a message has the same digest when it comes byte by byte', () => {
  fc.assert(
    fc.property(message, (bytes) => {
      const bytewise = Array.from(bytes, (byte) => Buffer.from([byte]));
      assert.deepEqual(digestOf(...bytewise), digestOf(bytes));
    }),
  );
});

test('a message that begins with an empty line is all body', () => {
  assert.equal(digestOf(Buffer.from('\r\nbody')).bodySha256, sha256('body'));
});

test('a message without an empty line has an empty body', () => {
  assert.equal(digestOf(Buffer.from('Subject: x\r\n')).bodySha256, sha256(''));
});

test('the Message-ID is found in any case and unfolded, and not in the body', () => {
  assert.equal(idOf('From: a\r\nMESSAGE-ID:\r\n <1@x>\r\nTo: b\r\n\r\n'), '<1@x>');
  assert.equal(idOf('Message-ID: <1@x>\r\n (note)\r\n\r\n'), '<1@x> (note)');
  assert.equal(idOf('From: a\r\n\r\nMessage-ID: <1@x>\r\n'), null);
  assert.equal(idOf('X-Message-ID: <1@x>\r\n\r\n'), null);
  assert.equal(idOf('Message-ID: \r\n\r\n'), null);
});

test('a Message-ID behind the first 64 KiB of header is not looked for', () => {
  const filler = `X: ${'y'.repeat(MAX_HEADER_BYTES)}\r\n`;
  assert.equal(digestOf(Buffer.from(`${filler}Message-ID: <1@x>\r\n\r\n`)).messageId, null);
});

test('the queue id is that of the topmost Received line, and of no comment', () => {
  const line = 'Received: from a (id WRONG; x)\r\n by b with ESMTP id RIGHT\r\n for <id@x>; date';
  assert.equal(receivedIdOf(`From: a\r\n${line}\r\nReceived: by c id OLDER; date`), 'RIGHT');
  assert.equal(receivedIdOf('received: by b ID\tRIGHT;date'), 'RIGHT');
  assert.equal(receivedIdOf('Received: by b; id WRONG'), null);
  assert.equal(receivedIdOf('Received: by b\r\nReceived: by c id OLDER; date'), null);
  assert.equal(receivedIdOf('X-Received: by b id WRONG;'), null);
  assert.equal(receivedIdOf('\r\nReceived: by b id WRONG;'), null);
});

test('the names of header fields are reported once, in lower case, and none of the body', () => {
  const names = (text: string): string[] => digestOf(Buffer.from(text)).headerNames;
  assert.deepEqual(
    names('Received: a\r\nX-Mesh-Trace : 1\r\n folded: no\r\nRECEIVED: b\r\n\r\nBody: x\r\n'),
    ['received', 'x-mesh-trace'],
  );
  assert.deepEqual(names('\r\nBody: x\r\n'), []);
  assert.deepEqual(names('no field\r\nb\u00e4d: x\r\nGood: x'), ['good']);
  const many = Array.from({ length: 300 }, (_, index) => `X-${index}: x\r\n`).join('');
  assert.equal(names(many).length, MAX_HEADER_NAMES);
});
