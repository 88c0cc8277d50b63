import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock, test, type TestContext } from 'node:test';
import { systemDisk } from '../../src/base/disk.js';
import { BodyMemory } from '../../src/queue/body-memory.js';
import { LevelSpool } from '../../src/queue/level-spool.js';
import { idOf } from './samples.js';
import { ScriptedStore } from './scripted-store.js';
import { INLINE_BYTES, store } from './spool-medium.js';

async function scriptedSpool(
  t: TestContext,
): Promise<{ spool: LevelSpool; scripted: ScriptedStore }> {
  const folder = await mkdtemp(join(tmpdir(), 'relaymesh-spool-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const scripted = new ScriptedStore();
  const settings = { directory: folder, inlineBodyBytes: INLINE_BYTES };
  const spool = new LevelSpool(settings, systemDisk, new BodyMemory(() => Infinity), scripted);
  await spool.open();
  t.after(() => spool.close());
  return { spool, scripted };
}

test('a peek at a record in the place of another, or with progress that was damaged, gives the reason', async (t) => {
  const { spool, scripted } = await scriptedSpool(t);
  const items = await Promise.all([1, 2].map((number) => store(spool, idOf(number))));
  for (const item of items) await spool.update(item);
  const [key, other] = [1, 2].map((number) => `q!${idOf(number)}`) as [string, string];
  scripted.records.set(`${key}!p`, Buffer.from('{}'));
  assert.deepEqual(spool.peek(idOf(1)), { reason: 'stored progress cannot be read' });
  scripted.records.delete(`${key}!p`);
  scripted.records.set(key, scripted.records.get(other) ?? Buffer.alloc(0));
  assert.deepEqual(spool.peek(idOf(1)), { reason: 'item is stored in the place of another' });
});

test('a message that is removed in the middle of a peek is as it was before, or gone; never as it was accepted', async (t) => {
  const { spool, scripted } = await scriptedSpool(t);
  const item = await store(spool, idOf(1));
  Object.assign(item.recipients[0] as object, { state: 'delivered', attempts: 1 });
  await spool.update(item);
  // The writes of the store are made in other threads: also between two reads of this one.
  const reads = mock.method(scripted, 'getSync');
  reads.mock.mockImplementationOnce((key: string) => {
    const value = scripted.records.get(key);
    scripted.records.clear();
    return value;
  });
  const found = spool.peek(item.id);
  assert.equal(scripted.records.size, 0);
  if (found !== null) assert.deepEqual('item' in found ? found.item : found, item);
});
