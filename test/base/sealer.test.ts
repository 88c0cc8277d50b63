import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Sealer } from '../../src/base/sealer.js';

const CANARY = 'qVxKzPwRtYhBnéß';

async function newFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'relaymesh-sealer-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('what was sealed is had back, also after a restart, and by its key alone', async (t) => {
  const folder = await newFolder(t);
  const sealed = Sealer.keptIn(join(folder, 'data', 'message-key')).seal(CANARY);
  assert.match(sealed, /^v1:[\w-]+$/);
  const restarted = Sealer.keptIn(join(folder, 'data', 'message-key'));
  assert.equal(restarted.unseal(sealed)?.reveal(), CANARY);
  assert.equal(Sealer.keptIn(join(folder, 'other')).unseal(sealed), null);
  assert.equal(restarted.unseal(restarted.seal(''))?.reveal(), '');
});

test('the same text is never sealed to the same bytes, and none of it shows', async (t) => {
  const sealer = Sealer.keptIn(join(await newFolder(t), 'key'));
  const sealed = Array.from({ length: 100 }, () => sealer.seal(CANARY));
  assert.equal(new Set(sealed).size, 100);
  for (const one of sealed) {
    const bytes = Buffer.from(one.slice(3), 'base64url');
    assert.ok(!one.includes('qVxK') && !bytes.includes('qVxK'));
  }
});

test('text that was changed in any place cannot be had', async (t) => {
  const sealer = Sealer.keptIn(join(await newFolder(t), 'key'));
  const sealed = sealer.seal(CANARY);
  const bytes = Buffer.from(sealed.slice(3), 'base64url');
  for (let index = 0; index < bytes.length; index++) {
    const changed = Buffer.from(bytes);
    changed[index] = (changed[index] as number) ^ 1;
    assert.equal(sealer.unseal(`v1:${changed.toString('base64url')}`), null, `byte ${index}`);
  }
  for (const broken of [
    '',
    'v1:',
    'v2:abc',
    sealed.slice(0, -4),
    sealed.slice(3),
    'x'.repeat(99),
  ]) {
    assert.equal(sealer.unseal(broken), null, broken);
  }
});

test('the key file is for its owner alone, and nothing else is left beside it', async (t) => {
  const folder = await newFolder(t);
  const file = join(folder, 'message-key');
  Sealer.keptIn(file);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(folder), ['message-key']);
});

test('a key that others may read, or that is damaged, is refused and not replaced', async (t) => {
  const folder = await newFolder(t);
  const file = join(folder, 'message-key');
  Sealer.keptIn(file);
  const good = await readFile(file, 'utf8');
  const refused = { code: 'SEAL_KEY_UNREADABLE', fault: 'operator', where: file };
  for (const mode of [0o640, 0o604, 0o660, 0o644]) {
    await chmod(file, mode);
    assert.throws(() => Sealer.keptIn(file), refused, mode.toString(8));
  }
  await chmod(file, 0o600);
  const key = good.trim();
  const damaged = ['', '\n', key.slice(0, -2), `${key}AAAA`, '!'.repeat(44), key.repeat(1000)];
  for (const text of damaged) {
    await writeFile(file, text);
    assert.throws(() => Sealer.keptIn(file), refused, text.slice(0, 50));
    assert.equal(await readFile(file, 'utf8'), text);
  }
  assert.throws(() => Sealer.keptIn(folder), { code: 'SEAL_KEY_UNREADABLE', where: folder });
  assert.throws(() => Sealer.keptIn(join(file, 'below')), { code: 'SEAL_KEY_UNREADABLE' });
});

test('an error about the key does not hold it', async (t) => {
  const file = join(await newFolder(t), 'message-key');
  Sealer.keptIn(file);
  const key = (await readFile(file, 'utf8')).trim();
  await writeFile(file, `${key}=`);
  assert.throws(
    () => Sealer.keptIn(file),
    (error: Error) => !`${error.message}${error.stack}`.includes(key.slice(0, 10)),
  );
});
