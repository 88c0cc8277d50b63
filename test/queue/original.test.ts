import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { readOriginal } from '../../src/queue/original.js';

const HEADER = 'Subject: x\r\nX: y\r\n\r\n';
const WHOLE = Buffer.from(`${HEADER}body\r\n\r\nmore\r\n`);

function stream(bytes: Buffer, chunkBytes: number): Readable {
  const chunks: Buffer[] = [];
  for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
    chunks.push(bytes.subarray(offset, offset + chunkBytes));
  }
  return Readable.from(chunks, { objectMode: false });
}

test('the header is returned, or all of it where that is asked for', async () => {
  for (const body of [() => WHOLE, () => stream(WHOLE, 3), () => stream(WHOLE, 1000)]) {
    const header = await readOriginal(body(), WHOLE.length, false);
    assert.deepEqual([header.bytes.toString(), header.full], [HEADER, false]);
    const full = await readOriginal(body(), WHOLE.length, true);
    assert.deepEqual([full.bytes.toString(), full.full], [WHOLE.toString(), true]);
  }
});

test('of a message over a MiB only the header is returned, and no more is read than that needs', async () => {
  const big = Buffer.concat([Buffer.from(HEADER), Buffer.alloc(1024 * 1024, 'x')]);
  let readBytes = 0;
  const body = stream(big, 64 * 1024).on('data', (chunk: Buffer) => (readBytes += chunk.length));
  body.pause();
  const original = await readOriginal(body, big.length, true);
  assert.deepEqual([original.bytes.toString(), original.full], [HEADER, false]);
  assert.ok(readBytes <= 512 * 1024, `${readBytes} bytes read`);
  assert.ok(body.destroyed, 'its file is closed');
});

test('a message without empty line is all header', async () => {
  const original = await readOriginal(Buffer.from('Subject: x\r\n'), 12, false);
  assert.equal(original.bytes.toString(), 'Subject: x\r\n');
});

test('a body that cannot be read gives nothing, and the bounce still goes', async () => {
  const failing = (): Readable =>
    Readable.from(
      (async function* () {
        yield Buffer.from('Subject: x\r\n');
        throw Object.assign(new Error('EIO'), { code: 'EIO' });
      })(),
      { objectMode: false },
    );
  for (const full of [true, false]) {
    for (const body of [null, failing()]) {
      const original = await readOriginal(body, 5000, full);
      assert.deepEqual([original.bytes.length, original.full], [0, false]);
    }
  }
});
