import assert from 'node:assert/strict';
import { cp, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { assert as assertProperty, asyncProperty, constantFrom, integer } from 'fast-check';
import { checkStore, type StoreDamage } from '../../src/queue/store-check.js';
import { hostileTest } from '../hostile/rows.js';
import { idOf } from './samples.js';
import { change, fileOf, flipped, idsIn, makeStore, scratch } from './store-files.js';

const MESSAGES = 100;
const ALL = Array.from({ length: MESSAGES }, (_, number) => idOf(number));

/** Messages that a damage of the test hits itself, at most. */
const HIT = { flipped: 1, missing: 2, extra: 1, zeroed: 5 };

interface Place {
  store: string;
  kept: string;
  check: () => Promise<StoreDamage[]>;
}

async function aStore(
  t: TestContext,
  options: Partial<Parameters<typeof makeStore>[1]> = {},
): Promise<Place> {
  const folder = await scratch(t);
  const [store, kept] = [path.join(folder, 'store'), path.join(folder, 'damaged')];
  await makeStore(store, { messages: MESSAGES, ...options });
  return { store, kept, check: () => checkStore(store, kept) };
}

async function assertRefused({ store, check }: Place, words: RegExp): Promise<void> {
  const before = await readdir(store);
  await assert.rejects(check(), { code: 'SPOOL_UNREADABLE', message: words });
  assert.deepEqual(await readdir(store), before, 'nothing was changed');
}

test('a store that is whole, new, or not there has no damage', async (t) => {
  const inLog = await aStore(t);
  assert.deepEqual(await inLog.check(), []);
  const inTable = await aStore(t, { inTable: true });
  assert.deepEqual(await inTable.check(), []);
  const folder = await scratch(t);
  assert.deepEqual(await checkStore(folder, path.join(folder, 'damaged')), []);
  assert.deepEqual(await checkStore(path.join(folder, 'none'), path.join(folder, 'none')), []);
  await idsIn(inLog.store);
  assert.deepEqual(await inLog.check(), [], 'opened and closed');
});

hostileTest(
  'damaged-records',
  'messages that the store will drop out of its log are reported and named',
  async (t) => {
    const { store, kept } = await aStore(t);
    const log = await fileOf(store, '.log');
    const damages = {
      flipped: (bytes: Buffer, at: number) => flipped(bytes, at),
      missing: (bytes: Buffer, at: number) =>
        Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 10)]),
      extra: (bytes: Buffer, at: number) =>
        Buffer.concat([bytes.subarray(0, at), Buffer.alloc(10, 1), bytes.subarray(at)]),
      zeroed: (bytes: Buffer, at: number) => Buffer.from(bytes).fill(0, at, at + 4096),
    };
    const kinds = Object.keys(damages) as (keyof typeof damages)[];
    const property = asyncProperty(
      constantFrom(...kinds),
      integer({ min: 0, max: MESSAGES * 1000 }),
      async (kind, at) => {
        const damaged = `${store}-damaged`;
        await rm(damaged, { recursive: true, force: true });
        await rm(kept, { recursive: true, force: true });
        await cp(store, damaged, { recursive: true });
        await change(path.join(damaged, path.basename(log)), (bytes) => damages[kind](bytes, at));
        const [damage, ...others] = await checkStore(damaged, kept);
        assert.deepEqual(others, []);
        const found = new Set(await idsIn(damaged));
        const gone = ALL.filter((id) => !found.has(id));
        assert.equal(damage !== undefined, gone.length > 0);
        // The bytes that were hit may be those of a name.
        const named = new Set(damage?.queueIds);
        const unnamed = gone.filter((id) => !named.has(id));
        assert.ok(unnamed.length <= HIT[kind], `${unnamed.length} of ${gone.length} are not named`);
        assert.ok(named.size <= gone.length + 1, `${named.size} are named, ${gone.length} gone`);
      },
    );
    await assertProperty(property, { numRuns: 60 });
  },
);

hostileTest(
  'damaged-records',
  'a log that ends in the middle of a record is not damaged',
  async (t) => {
    const { store, check } = await aStore(t);
    const log = await fileOf(store, '.log');
    await change(log, (bytes) => Buffer.concat([bytes, Buffer.alloc(100_000)]));
    assert.deepEqual(await check(), [], 'room that was set aside');
    await change(log, (bytes) => bytes.subarray(0, -100_000));
    for (const cut of [1, 6, 500, 1000, 40_000]) {
      await change(log, (bytes) => bytes.subarray(0, bytes.length - cut));
      assert.deepEqual(await check(), [], `cut by ${cut}`);
    }
  },
);

test('messages that were removed later are not missed', async (t) => {
  const { store, check } = await aStore(t, { removed: [1, 2, 3] });
  await change(await fileOf(store, '.log'), (bytes) => flipped(bytes, 10));
  const [damage] = await check();
  assert.deepEqual(damage?.queueIds.slice(0, 3), [idOf(0), idOf(4), idOf(5)]);
});

hostileTest(
  'damaged-records',
  'a damaged log is kept and reported at each start, until somebody removes it',
  async (t) => {
    const { store, kept, check } = await aStore(t);
    await change(await fileOf(store, '.log'), (bytes) => flipped(bytes, 10));
    const [first] = await check();
    const copy = first?.copy ?? '';
    assert.equal(path.dirname(copy), kept);
    // The store drops what it cannot read, and then the log.
    await idsIn(store);
    const [second, ...others] = await check();
    assert.deepEqual(others, []);
    assert.deepEqual(second, { ...first, file: copy });
    await rm(copy);
    assert.deepEqual(await check(), []);
  },
);

hostileTest(
  'damaged-records',
  'a damaged index of a table is refused: reading it would end the process',
  async (t) => {
    for (const [back, words] of [
      [1, /end of the table/],
      [47, /index/],
      [100, /index/],
      [500, /index/],
    ] as const) {
      const place = await aStore(t, { inTable: true, messages: 1000 });
      const table = await fileOf(place.store, '.ldb');
      await change(table, (bytes) => flipped(bytes, bytes.length - back));
      await assertRefused(place, words);
    }
    const short = await aStore(t, { inTable: true });
    await change(await fileOf(short.store, '.ldb'), (bytes) => bytes.subarray(0, -100));
    await assertRefused(short, /end of the table/);
  },
);

test('a table that is not in the list of files does not matter', async (t) => {
  const { store, check } = await aStore(t, { inTable: true });
  await writeFile(path.join(store, '000099.ldb'), 'half of a table');
  await change(await fileOf(store, '.ldb'), (bytes) => Buffer.concat([bytes, Buffer.alloc(9)]));
  assert.deepEqual(await check(), []);
});

hostileTest(
  'damaged-records',
  'a store that has lost its list of files is refused: opening it would empty it',
  async (t) => {
    const noCurrent = await aStore(t);
    await rm(path.join(noCurrent.store, 'CURRENT'));
    await assertRefused(noCurrent, /CURRENT is missing/);
    const short = await aStore(t, { inTable: true });
    await change(await fileOf(short.store, 'MANIFEST'), (bytes) => bytes.subarray(0, -5));
    await assertRefused(short, /cut short/);
    const damaged = await aStore(t, { inTable: true });
    await change(await fileOf(damaged.store, 'MANIFEST'), (bytes) => flipped(bytes, 20));
    await assertRefused(damaged, /list of files is damaged/);
    const noLog = await aStore(t);
    await rm(await fileOf(noLog.store, '.log'));
    await assertRefused(noLog, /log is missing/);
  },
);
