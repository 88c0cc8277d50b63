import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock, test, type TestContext } from 'node:test';
import { crc32 } from 'node:zlib';
import { InlineBody } from '../../src/queue/inline-body.js';
import { systemDisk, type Disk } from '../../src/base/disk.js';
import { LevelSpool } from '../../src/queue/level-spool.js';
import { encodeItem } from '../../src/queue/record-format.js';
import { LevelStore } from '../../src/queue/store.js';
import { watchBatches } from '../base/level-batches.js';
import { hostileTest } from '../hostile/rows.js';
import { FailingDisk } from './failing-disk.js';
import { anItem, idOf } from './samples.js';
import { bodyFilesIn, changeStored, DAMAGES } from './level-medium.js';
import { NO_ROOM, ScriptedStore } from './scripted-store.js';
import { spoolConformance } from './spool-conformance.js';
import { bodyOf, bytesOf, INLINE_BYTES, scannedIds, store } from './spool-medium.js';
import { BodyMemory } from '../../src/queue/body-memory.js';

function levelSpool(directory: string, disk: Disk): LevelSpool {
  const settings = { directory, inlineBodyBytes: INLINE_BYTES };
  return new LevelSpool(settings, disk, new BodyMemory(() => Infinity));
}

async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'relaymesh-spool-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function folderBytes(folder: string): Promise<number> {
  const names = await readdir(folder);
  const sizes = await Promise.all(names.map((name) => systemDisk.sizeBytes(`${folder}/${name}`)));
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
}

async function openSpool(t: TestContext, disk: Disk = systemDisk): Promise<LevelSpool> {
  const spool = levelSpool(await scratch(t), disk);
  await spool.open();
  t.after(() => spool.close());
  return spool;
}

spoolConformance('level spool', async (t) => {
  const folder = await scratch(t);
  const refusals: Array<{ restore(): void }> = [];
  const takeWrites = (): void => refusals.splice(0).forEach((refusal) => refusal.restore());
  t.after(takeWrites);
  return {
    spool: () => levelSpool(folder, systemDisk),
    ...bodyFilesIn(folder),
    damageRecord: (id, damage) => changeStored(folder, `q!${id}`, DAMAGES[damage]),
    refuseWrites: (why) => {
      const words = why === 'full' ? 'No space left on device' : 'Input/output error';
      const { mock: refusal } = mock.method(LevelStore.prototype, 'batch', () =>
        Promise.reject(new Error(`IO error: ${words}`)),
      );
      refusals.push(refusal);
    },
    takeWrites,
  };
});

test('an accept is acknowledged only after its record was synced', async (t) => {
  const spool = await openSpool(t);
  const batches = watchBatches(t);
  for (let number = 0; number < 20; number++) {
    await store(spool, idOf(number));
    assert.ok(batches.some(({ keys, sync }) => sync && keys.includes(`q!${idOf(number)}`)));
  }
});

test('fifty accepts at once need few syncs', async (t) => {
  const spool = await openSpool(t);
  const batches = watchBatches(t);
  await Promise.all(Array.from({ length: 50 }, (_, number) => store(spool, idOf(number))));
  assert.ok(batches.length <= 5, `${batches.length} batches`);
  assert.equal(batches.flatMap(({ keys }) => keys).length, 50);
  assert.ok(batches.every(({ sync }) => sync));
});

test('what comes while a write is running goes into the next one together', async (t) => {
  const spool = await openSpool(t);
  const batches = watchBatches(t);
  const first = store(spool, idOf(0));
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  const item = anItem(idOf(0));
  await Promise.all([first, spool.update(item), store(spool, idOf(1)), store(spool, idOf(2))]);
  assert.equal(batches.length, 2);
  assert.deepEqual(batches[0]?.keys, [`q!${idOf(0)}`]);
});

test('updates and removals alone do not wait for the medium', async (t) => {
  const spool = await openSpool(t);
  const item = await store(spool, idOf(0));
  const batches = watchBatches(t);
  await spool.update(item);
  await spool.remove(item);
  assert.deepEqual(
    batches.map(({ sync }) => sync),
    [false, false],
  );
});

test('a removal is of all that is stored of the message, and of nothing else', async (t) => {
  const folder = await scratch(t);
  const spool = levelSpool(folder, systemDisk);
  await spool.open();
  const [fresh, changed, settled, left] = await Promise.all(
    [0, 1, 2, 3].map((number) => store(spool, idOf(number))),
  );
  assert.ok(fresh && changed && settled && left);
  await spool.update(changed);
  await store(spool, idOf(4), bytesOf(1), {}, { settles: settled });
  await spool.update(left);
  const batches = watchBatches(t);
  await spool.remove(fresh);
  await spool.remove(changed);
  await spool.remove(settled);
  assert.deepEqual(
    batches.map(({ keys }) => keys.length),
    [1, 2, 2],
  );
  await spool.close();
  // Of what another process left it is not known.
  const next = levelSpool(folder, systemDisk);
  await next.open();
  await next.remove(anItem(left.id));
  assert.deepEqual(batches.at(-1)?.keys, [`q!${left.id}`, `q!${left.id}!p`]);
  await next.close();
});

test('an update is durable when it resolves if that is wanted, and so is a removal before its file goes', async (t) => {
  const disk = new FailingDisk();
  const spool = await openSpool(t, disk);
  const item = await store(spool, idOf(0), bytesOf(5000));
  const batches = watchBatches(t);
  await spool.update(item, { sync: true });
  disk.remove = async () => {
    assert.deepEqual(batches.at(-1), { keys: [`q!${item.id}`, `q!${item.id}!p`], sync: true });
  };
  await spool.remove(item);
  assert.deepEqual(
    batches.map(({ sync }) => sync),
    [true, true],
  );
});

test('a body in a file is synced, its folder too, before its record is written', async (t) => {
  const disk = new FailingDisk();
  const spool = await openSpool(t, disk);
  disk.log.length = 0;
  const writer = spool.writeBody(idOf(0));
  await writer.write(bytesOf(5000));
  const body = await writer.finish();
  assert.deepEqual(disk.log, ['create', 'write', 'sync', 'close', 'syncFolder']);
  assert.deepEqual(body, { kind: 'file', sizeBytes: 5000, crc32: crc32(bytesOf(5000)) });
  await writer.discard();
});

test('a disk that refuses any one step of a body fails the message and leaves no file', async (t) => {
  const disk = new FailingDisk();
  const spool = await openSpool(t, disk);
  const steps = ['create', 'write', 'write', 'write', 'sync', 'syncFolder'];
  for (const [index, step] of steps.entries()) {
    disk.log.length = 0;
    disk.failAt(index + 1);
    const writer = spool.writeBody(idOf(index));
    await assert.rejects(
      async () => {
        await writer.write(bytesOf(300_000));
        await writer.write(bytesOf(300_000));
        await writer.write(bytesOf(10));
        await writer.finish();
      },
      { code: 'ENOSPC' },
      `${step} ${index}`,
    );
    assert.equal(disk.log.filter((done) => done !== 'close').at(-1), step);
    await writer.discard();
    assert.equal(disk.open, 0, `an open file after ${step}`);
  }
  disk.failAt(Infinity);
  assert.equal(spool.healthy, true, 'a full disk is refused mail by mail');
  const item = await store(spool, idOf(9), bytesOf(5000));
  assert.ok((await bodyOf(spool, item))?.equals(bytesOf(5000)));
  assert.deepEqual(await scannedIds(spool), [idOf(9)]);
});

test('no file stays behind a failed step', async (t) => {
  const folder = await scratch(t);
  const disk = new FailingDisk();
  const spool = levelSpool(folder, disk);
  await spool.open();
  t.after(() => spool.close());
  for (const step of [1, 2, 3, 4]) {
    disk.failAt(step);
    const writer = spool.writeBody(idOf(step));
    await Promise.resolve(writer.write(bytesOf(5000)))
      .then(() => writer.finish())
      .catch(() => undefined);
    await writer.discard();
    assert.deepEqual(await readdir(`${folder}/bodies`), [], `step ${step}`);
  }
});

hostileTest(
  'damaged-records',
  'progress that was damaged makes the message corrupt',
  async (t, cases) => {
    for (const [name, damage] of Object.entries({
      ...DAMAGES,
      garbage: () => Buffer.from('{}'),
      null: () => Buffer.from('null'),
      empty: () => Buffer.alloc(0),
    })) {
      cases.add();
      const folder = await scratch(t);
      const spool = levelSpool(folder, systemDisk);
      await spool.open();
      const item = await store(spool, idOf(1));
      await store(spool, idOf(2));
      item.doubt = true;
      await spool.update(item);
      await spool.close();
      await changeStored(folder, `q!${idOf(1)}!p`, damage);
      await spool.open();
      assert.deepEqual(await scannedIds(spool), [`corrupt ${idOf(1)}`, idOf(2)], name);
      await spool.close();
    }
  },
);

hostileTest('second-process', 'a second process on the folder is refused', async (t) => {
  const folder = await scratch(t);
  const spool = levelSpool(folder, systemDisk);
  await spool.open();
  t.after(() => spool.close());
  const source = new URL('../../src/', import.meta.url).href;
  const script = `
    const { LevelSpool } = await import('${source}queue/level-spool.js');
    const { systemDisk } = await import('${source}base/disk.js');
    await new LevelSpool({ directory: ${JSON.stringify(folder)}, inlineBodyBytes: 1 }, systemDisk, null).open().then(
      () => console.log('opened'),
      (error) => console.log(error.code),
    );`;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  assert.equal(said.trim(), 'SPOOL_IN_USE');
});

test('a folder that cannot be used is said so', async (t) => {
  const folder = await scratch(t);
  await writeFile(join(folder, 'store'), 'a file in place of the store');
  const spool = levelSpool(folder, systemDisk);
  await assert.rejects(spool.open(), { code: 'SPOOL_UNREADABLE', where: folder });
  await chmod(folder, 0o700);
});

test('a message that was refused although it reached the medium is gone when the spool is opened again', async (t) => {
  const spool = await openSpool(t);
  const key = { node: 'edge', queueId: idOf(77), recipient: 'one@b.example' };
  const batch = Reflect.get(LevelStore.prototype, 'batch') as (...given: unknown[]) => unknown;
  const { mock: refusal } = t.mock.method(
    LevelStore.prototype,
    'batch',
    async function (this: unknown, ...given: unknown[]) {
      await batch.apply(this, given);
      throw new Error('IO error: No space left on device');
    },
  );
  await assert.rejects(store(spool, idOf(1), bytesOf(10), {}, { keys: [key] }));
  refusal.restore();
  assert.deepEqual(await scannedIds(spool), [idOf(1)], 'it is there');
  await spool.reopen();
  assert.deepEqual(await scannedIds(spool), []);
  assert.deepEqual(await spool.findKeys([key]), [null]);
});

/** A spool over a store that refuses to be opened again. */
async function shutSpool(t: TestContext): Promise<{ spool: LevelSpool; scripted: ScriptedStore }> {
  const scripted = new ScriptedStore();
  const settings = { directory: await scratch(t), inlineBodyBytes: INLINE_BYTES };
  const spool = new LevelSpool(settings, systemDisk, new BodyMemory(() => Infinity), scripted);
  await spool.open();
  scripted.refusal = NO_ROOM;
  await assert.rejects(store(spool, idOf(1)), { code: 'SPOOL_FULL' });
  scripted.open = () => Promise.reject(new Error('Database failed to open'));
  await assert.rejects(spool.reopen(), { code: 'SPOOL_UNREADABLE', fault: 'system' });
  return { spool, scripted };
}

test('a store that cannot be opened again leaves the spool failed, and readers hear it', async (t) => {
  const { spool, scripted } = await shutSpool(t);
  assert.deepEqual([spool.healthy, spool.failurePasses], [false, true]);
  const reads = [
    spool.recall('n', 0),
    spool.findKeys([]),
    spool.forgetNotes(0),
    spool.forgetKeys(0, 0, 0),
  ].map((read) => assert.rejects(read, { code: 'SPOOL_FULL' }));
  await Promise.all(reads);
  await assert.rejects(spool.openBody(anItem(idOf(1))), { code: 'BODY_NOT_READABLE' });
  scripted.refusal = null;
  Reflect.deleteProperty(scripted, 'open');
  const reopened = spool.reopen();
  assert.equal(await spool.recall('n', 0), null, 'who comes during the opening waits for it');
  await reopened;
  assert.equal(spool.healthy, true);
});

test('a scan that an opening cuts short fails: it never looks as if it had seen everything', async (t) => {
  const folder = await scratch(t);
  let spool = levelSpool(folder, systemDisk);
  await spool.open();
  t.after(() => spool.close());
  const numbers = Array.from({ length: 200 }, (_, number) => number);
  await Promise.all(numbers.map((number) => store(spool, idOf(number), bytesOf(1500))));
  await spool.close();
  spool = levelSpool(folder, systemDisk);
  await spool.open();
  const scan = spool.scan();
  await scan.next();
  const { mock: refusal } = t.mock.method(LevelStore.prototype, 'batch', () =>
    Promise.reject(new Error('IO error: No space left on device')),
  );
  await assert.rejects(store(spool, idOf(999)));
  refusal.restore();
  await spool.reopen();
  await assert.rejects(async () => {
    for (let next = await scan.next(); next.done !== true; next = await scan.next());
  });
  assert.equal((await readdir(`${folder}/bodies`)).length, 200, 'no body was swept');
  assert.deepEqual(await scannedIds(spool), numbers.map(idOf));
});

test('a record in the place of another is corrupt: it would be sent again after each start', async (t) => {
  const folder = await scratch(t);
  const first = levelSpool(folder, systemDisk);
  await first.open();
  await store(first, idOf(1), bytesOf(100));
  await store(first, idOf(2), bytesOf(100));
  await first.close();
  const item = anItem(idOf(1), { body: { kind: 'inline', sizeBytes: 0, ownHeaderBytes: 0 } });
  await changeStored(folder, `q!${idOf(2)}`, () =>
    encodeItem(item, new InlineBody([Buffer.alloc(0)])),
  );
  const spool = levelSpool(folder, systemDisk);
  await spool.open();
  t.after(() => spool.close());
  const found: string[] = [];
  for await (const entry of spool.scan()) {
    found.push(
      entry.kind === 'item' ? entry.item.id : `${entry.corrupt.id} ${entry.corrupt.reason}`,
    );
  }
  assert.deepEqual(found, [idOf(1), `${idOf(2)} item is stored in the place of another`]);
});

test('keys that cannot be forgotten fail the spool as any write does', async (t) => {
  const scripted = new ScriptedStore();
  const settings = { directory: await scratch(t), inlineBodyBytes: INLINE_BYTES };
  const spool = new LevelSpool(settings, systemDisk, new BodyMemory(() => Infinity), scripted);
  await spool.open();
  const key = { node: 'edge', queueId: idOf(77), recipient: 'one@b.example' };
  await store(spool, idOf(1), bytesOf(10), {}, { keys: [key] });
  scripted.refusal = NO_ROOM;
  await assert.rejects(spool.forgetKeys(Date.UTC(2030, 0), Date.UTC(2030, 0), 1e9));
  // The log of the store may end within a record: what comes behind it could be lost.
  assert.deepEqual([spool.healthy, spool.failurePasses], [false, true]);
});

test('what removed messages took is given back to the disk', async (t) => {
  const folder = await scratch(t);
  const settings = { directory: folder, inlineBodyBytes: 100_000 };
  const spool = new LevelSpool(settings, systemDisk, new BodyMemory(() => Infinity));
  await spool.open();
  t.after(() => spool.close());
  const bytes = bytesOf(100_000);
  const items = await Promise.all(
    Array.from({ length: 200 }, (_, number) => store(spool, idOf(number), bytes)),
  );
  for (const item of items.slice(1)) await spool.remove(item);
  const before = await folderBytes(`${folder}/store`);
  assert.ok(before > 19_000_000, `${before} bytes`);
  // The first time it may find them in memory still, and does not look deeper.
  await spool.compact();
  await spool.compact();
  const after = await folderBytes(`${folder}/store`);
  assert.ok(after < 1_000_000, `${after} bytes`);
  assert.deepEqual(await scannedIds(spool), [idOf(0)]);
});
