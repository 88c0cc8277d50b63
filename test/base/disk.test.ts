import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemDisk } from '../../src/base/disk.js';

async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'relaymesh-disk-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('a file holds what was written, in order, and is for its owner alone', async (t) => {
  const folder = join(await scratch(t), 'a', 'b');
  await systemDisk.makeFolder(folder);
  await systemDisk.makeFolder(folder);
  const path = join(folder, 'body');
  const file = await systemDisk.create(path);
  const first = Buffer.alloc(3 * 1024 * 1024, 'x');
  await file.write(first);
  await file.write(Buffer.from('end'));
  await file.sync();
  await file.close();
  await systemDisk.syncFolder(folder);
  assert.ok((await readFile(path)).equals(Buffer.concat([first, Buffer.from('end')])));
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  assert.equal(await systemDisk.sizeBytes(path), first.length + 3);
  assert.deepEqual(await systemDisk.list(folder), ['body']);
});

test('a file that exists is not written over', async (t) => {
  const path = join(await scratch(t), 'body');
  await (await systemDisk.create(path)).close();
  await assert.rejects(systemDisk.create(path), { code: 'EEXIST' });
});

test('a file that is not there has no size and is removed without a word', async (t) => {
  const folder = await scratch(t);
  assert.equal(await systemDisk.sizeBytes(join(folder, 'no')), null);
  await systemDisk.remove(join(folder, 'no'));
  assert.deepEqual(await readdir(folder), []);
});

test('a disk says what is free, and nothing of a path that is not there', async () => {
  const free = await systemDisk.freeBytes(tmpdir());
  assert.ok(free !== null && Number.isSafeInteger(free) && free > 0, `${free}`);
  assert.equal(await systemDisk.freeBytes('/nonexistent/spool'), null);
});
