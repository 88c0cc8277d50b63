import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { crc32 } from 'node:zlib';
import { BodyMemory } from '../../src/queue/body-memory.js';
import { SpillingBodyWriter } from '../../src/queue/body-writer.js';
import type { FinishedBody } from '../../src/queue/spool.js';
import { FailingDisk } from './failing-disk.js';

const INLINE_BYTES = 4096;

function bodies(t: TestContext, limitBytes: number) {
  const folder = mkdtempSync(join(tmpdir(), 'relaymesh-bodies-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const memory = new BodyMemory(() => limitBytes);
  const disk = new FailingDisk();
  return {
    memory,
    disk,
    begin: (id: string) => new SpillingBodyWriter(disk, folder, id, INLINE_BYTES, memory),
    files: () => readdirSync(folder),
    stored: (id: string, body: FinishedBody) =>
      body.kind === 'inline' ? body.bytes : readFileSync(join(folder, id)),
  };
}

test('a body that is in memory holds it and its slices, until it is dropped', async (t) => {
  const { memory, begin, files } = bodies(t, 100_000);
  const writer = begin('a');
  for (let index = 0; index < 10; index++) {
    await writer.write(Buffer.alloc(100, 'x'));
  }
  assert.ok(memory.usedBytes > 1000, 'slices take more than their bytes');
  const body = await writer.finish();
  assert.equal(body.kind, 'inline');
  assert.ok(memory.usedBytes > 1000, 'they are joined in its record only');
  await writer.discard();
  assert.equal(memory.usedBytes, 0);
  assert.deepEqual(files(), []);
});

test('a body that gets no memory goes to its file, whole, and nothing is refused', async (t) => {
  const { memory, begin, stored } = bodies(t, 3000);
  const first = begin('first');
  const second = begin('second');
  await first.write(Buffer.alloc(1500, 'f'));
  await second.write(Buffer.alloc(1000, 's'));
  await second.write(Buffer.alloc(1000, 't'));
  const finished = await second.finish();
  const content = Buffer.from('s'.repeat(1000) + 't'.repeat(1000));
  assert.deepEqual(finished, { kind: 'file', sizeBytes: 2000, crc32: crc32(content) });
  assert.equal(stored('second', finished).toString(), `${'s'.repeat(1000)}${'t'.repeat(1000)}`);
  assert.ok(memory.usedBytes < 2000, 'what is in a file holds no memory');
  assert.equal((await first.finish()).kind, 'inline', 'who was first is not disturbed');
});

test('with no memory at all every slice goes to the file', async (t) => {
  const { memory, begin, stored } = bodies(t, 0);
  const writer = begin('a');
  for (const letter of 'relay') {
    await writer.write(Buffer.from(letter));
    assert.equal(memory.usedBytes, 0);
  }
  assert.equal(stored('a', await writer.finish()).toString(), 'relay');
});

test('a body of many short slices holds what they really take', async (t) => {
  const { memory, begin, files } = bodies(t, 100_000);
  const writer = begin('a');
  for (let index = 0; index < 2000; index++) {
    await writer.write(Buffer.from('.'));
    assert.ok(memory.usedBytes <= 100_000);
  }
  assert.deepEqual(files(), ['a'], '2,000 bytes in 2,000 slices are more than 100,000 bytes');
  const digest = crc32(Buffer.alloc(2000, '.'));
  assert.deepEqual(await writer.finish(), { kind: 'file', sizeBytes: 2000, crc32: digest });
  assert.equal(memory.usedBytes, 0);
});

test('a body larger than what is kept inline gives its memory back once it is in the file', async (t) => {
  const { memory, begin } = bodies(t, 100_000);
  const writer = begin('a');
  await writer.write(Buffer.alloc(INLINE_BYTES));
  assert.ok(memory.usedBytes >= INLINE_BYTES);
  await writer.write(Buffer.alloc(1));
  assert.equal(memory.usedBytes, 0);
  await writer.finish();
  assert.equal(memory.usedBytes, 0);
});

test('a body that the disk refuses gives its memory back when it is discarded', async (t) => {
  const { memory, disk, begin, files } = bodies(t, 100_000);
  const writer = begin('a');
  await writer.write(Buffer.alloc(3000));
  disk.failAt(2);
  await assert.rejects(async () => writer.write(Buffer.alloc(3000)), { code: 'ENOSPC' });
  await writer.discard();
  assert.equal(memory.usedBytes, 0);
  assert.deepEqual(files(), []);
});
