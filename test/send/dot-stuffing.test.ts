import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as assertProperty, asyncProperty, constantFrom } from 'fast-check';
import DataStream from 'nodemailer/lib/smtp-connection/data-stream';
import { DotStuffing } from '../../src/send/dot-stuffing.js';

function stuffed(...chunks: Buffer[]): string {
  const stuffing = new DotStuffing();
  const sent = chunks.map((chunk) => stuffing.stuff(chunk));
  return Buffer.concat([...sent, stuffing.ending]).toString('latin1');
}

async function byLibrary(chunks: readonly Buffer[]): Promise<string> {
  const stream = new DataStream();
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  return Buffer.concat((await stream.toArray()) as Buffer[]).toString('latin1');
}

test('a dot that begins a line is doubled, at the start, behind a line end and across pieces', () => {
  assert.equal(stuffed(Buffer.from('.a\r\n.\r\nb.\r\n')), '..a\r\n..\r\nb.\r\n.\r\n');
  assert.equal(stuffed(Buffer.from('a\r\n'), Buffer.from('.b\r\n')), 'a\r\n..b\r\n.\r\n');
});

test('content without a line end at its end gets one before the final dot', () => {
  assert.equal(stuffed(Buffer.from('a')), 'a\r\n.\r\n');
  assert.equal(stuffed(Buffer.from('a\r')), 'a\r\n.\r\n');
  assert.equal(stuffed(), '\r\n.\r\n');
});

test('bytes to which nothing is to be done are not copied', () => {
  const chunk = Buffer.from('a: b\r\n\r\nbody. with .dots\r\n');
  assert.equal(new DotStuffing().stuff(chunk), chunk);
});

test('whatever the bytes and the pieces, it is what the library would send', async () => {
  const byte = constantFrom('\r', '\n', '\r\n', '.', 'a', '\0', '\xff');
  const piece = array(byte, { maxLength: 12 }).map((parts) =>
    Buffer.from(parts.join(''), 'latin1'),
  );
  await assertProperty(
    asyncProperty(array(piece, { maxLength: 4 }), async (chunks) => {
      assert.equal(stuffed(...chunks), await byLibrary(chunks));
    }),
    { numRuns: 2000 },
  );
});
