import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import { RelayError } from '../../../../src/base/errors.js';
import { findHeaderEnd, fieldValue, parseHeader } from '../../../../src/format/header.js';
import {
  bodySha256,
  generateLetter,
  type LetterSpec,
} from '../../../../src/topology/lab/load/content.js';
import { readEmlFiles, withMessageId } from '../../../../src/topology/lab/load/eml.js';

function spec(changes: Partial<LetterSpec> = {}): LetterSpec {
  return {
    seed: 7,
    number: 1,
    sizeBytes: { min: 2000, max: 2000 },
    testName: 'survives',
    messageId: '1.run@relaymesh-lab.test',
    sender: 'a@x.test',
    recipients: ['b@y.test'],
    dateMs: Date.UTC(2026, 0, 5, 12),
    ...changes,
  };
}

function fieldsOf(message: Buffer): Map<string, string> {
  const { fields } = parseHeader(message.subarray(0, findHeaderEnd(message)));
  return new Map(fields.map((field) => [field.name, fieldValue(message, field)]));
}

const anySpec = fc.record({
  seed: fc.integer({ min: 0, max: 4_294_967_295 }),
  number: fc.integer({ min: 1, max: 10_000 }),
  testName: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }),
  recipients: fc.array(fc.constantFrom('b@y.test', 'ü@müller.example'), {
    minLength: 1,
    maxLength: 30,
  }),
  sizes: fc.tuple(fc.integer({ min: 8000, max: 20_000 }), fc.integer({ min: 10, max: 20_000 })),
});

test('the same seed and number give the same bytes, another number gives others', () => {
  fc.assert(
    fc.property(anySpec, (one) => {
      const letter = generateLetter(spec(one));
      assert.deepEqual(generateLetter(spec(one)), letter);
      const other = generateLetter(spec({ ...one, number: one.number + 1 }));
      assert.notEqual(bodySha256(other), bodySha256(letter));
    }),
    { numRuns: 50 },
  );
});

test('the size lies within its range, and sizes differ within it', () => {
  const seen = new Set<number>();
  fc.assert(
    fc.property(anySpec, ({ sizes: [min, more], ...one }) => {
      const { length } = generateLetter(spec({ ...one, sizeBytes: { min, max: min + more } }));
      assert.ok(length >= min && length <= min + more, `${length} of ${min} to ${min + more}`);
      seen.add(length);
    }),
    { numRuns: 100 },
  );
  assert.ok(seen.size > 80);
});

test('a size that is no range is met to the byte', () => {
  for (let bytes = 1400; bytes < 1900; bytes++) {
    const sizeBytes = { min: bytes, max: bytes };
    assert.equal(generateLetter(spec({ number: bytes, sizeBytes })).length, bytes);
  }
});

test('every line ends in CRLF, keeps to the limit of RFC 5322, and is valid UTF-8', () => {
  const kinds = { dotted: 0, long: 0, empty: 0, eightBit: 0 };
  for (let number = 1; number <= 60; number++) {
    const letter = generateLetter(spec({ number, sizeBytes: { min: 6000, max: 9000 } }));
    assert.doesNotThrow(() => new TextDecoder('utf-8', { fatal: true }).decode(letter));
    const lines = letter.toString('latin1').split('\r\n');
    assert.equal(lines.pop(), '');
    for (const line of lines) {
      assert.ok(line.length <= 998 && !/[\r\n]/.test(line) && !line.endsWith(' '), line);
      if (line.startsWith('.')) kinds.dotted++;
      if (line.length > 800) kinds.long++;
      if (line === '') kinds.empty++;
    }
    const isEightBit = letter.some((byte) => byte > 0x7f);
    if (isEightBit) kinds.eightBit++;
    const encoding = fieldsOf(letter).get('content-transfer-encoding');
    assert.ok(!isEightBit || encoding === '8bit');
  }
  assert.ok(
    Object.values(kinds).every((count) => count > 5),
    JSON.stringify(kinds),
  );
  assert.ok(kinds.eightBit < 55);
});

test('the header is that of a mail: sender, recipients, date, subject and Message-ID', () => {
  const recipients = ['b@y.test', 'c@z.test'];
  const fields = fieldsOf(generateLetter(spec({ recipients, sender: '' })));
  assert.deepEqual(Object.fromEntries(fields), {
    from: 'Topology Lab <lab@relaymesh.test>',
    to: '<b@y.test>, <c@z.test>',
    date: 'Mon, 05 Jan 2026 12:00:00 +0000',
    subject: 'survives #1',
    'message-id': '<1.run@relaymesh-lab.test>',
    'mime-version': '1.0',
    'content-type': fields.get('content-type') ?? '',
    'content-transfer-encoding': fields.get('content-transfer-encoding') ?? '',
  });
  const far =
    fieldsOf(generateLetter(spec({ testName: 'größer'.repeat(20) }))).get('subject') ?? '';
  const words = [...far.matchAll(/=\?UTF-8\?B\?([^?]+)\?=/g)].map(([, word = '']) => word);
  assert.ok(words.every((word) => word.length <= 63));
  const text = words.map((word) => Buffer.from(word, 'base64').toString()).join('');
  assert.equal(text, `${'größer'.repeat(20)} #1`);
});

async function folderWith(t: TestContext, files: Record<string, string | Buffer>) {
  const folder = await mkdtemp(path.join(tmpdir(), 'relaymesh-eml-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await writeFile(path.join(folder, name), content);
  }
  return folder;
}

const BODY = Buffer.from('Message-ID: <in.body>\r\n.dot\r\n\xe9\r\n', 'latin1');

test('a file is sent with a Message-ID of its own, in its header alone', async (t) => {
  const folder = await folderWith(t, {
    'a.eml': Buffer.concat([
      Buffer.from('Subject: x\r\nMESSAGE-ID:\r\n <old@x.test>\r\nTo: b@y.test\r\n\r\n'),
      BODY,
    ]),
    'none.eml': Buffer.concat([Buffer.from('Subject: x\r\n\r\n'), BODY]),
  });
  for (const [file = Buffer.alloc(0)] of [
    await readEmlFiles(['a.eml'], folder),
    await readEmlFiles(['none.eml'], folder),
  ]) {
    const message = withMessageId(file, '5.run@relaymesh-lab.test');
    const header = message.toString('latin1', 0, findHeaderEnd(message));
    assert.deepEqual(header.match(/^message-id:.*$/gim), [
      'Message-ID: <5.run@relaymesh-lab.test>',
    ]);
    assert.doesNotMatch(header, /old@x/);
    assert.deepEqual(message.subarray(findHeaderEnd(message)), BODY);
    assert.equal(bodySha256(message), createHash('sha256').update(BODY).digest('hex'));
  }
});

test('a file with bare LF, without an end of its last line or without a body, is sent as SMTP has it', async (t) => {
  const folder = await folderWith(t, {
    'lf.eml': 'Subject: x\n\none\ntwo',
    'header.eml': 'Subject: x\r\nTo: b@y.test\r\n',
  });
  const [lf, header] = await readEmlFiles(['lf.eml', 'header.eml'], folder);
  assert.equal(lf?.toString(), 'Subject: x\r\n\r\none\r\ntwo\r\n');
  assert.equal(header?.toString(), 'Subject: x\r\nTo: b@y.test\r\n\r\n');
});

test('a file that is missing, too large or no mail is named', async (t) => {
  const folder = await folderWith(t, {
    'mbox.eml': 'From a@x.test Mon Jan  5\nSubject: x\n\nx\n',
    'empty.eml': '',
    'large.eml': Buffer.alloc(32 * 1024 * 1024 + 1, 'x'),
  });
  for (const file of ['missing.eml', 'mbox.eml', 'empty.eml', 'large.eml']) {
    await assert.rejects(readEmlFiles([file], folder), (error) => {
      assert.ok(error instanceof RelayError);
      assert.deepEqual([error.code, error.where], ['LAB_EML_UNREADABLE', path.join(folder, file)]);
      return true;
    });
  }
});
