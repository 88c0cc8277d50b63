import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queueIdTime } from '../../src/base/identifiers.js';
import { findKeys, forgetKeys as forget, keyOperations } from '../../src/queue/key-records.js';
import type { DeliveryKey } from '../../src/queue/spool.js';
import { DAY_MS, idOf, NOW_MS } from './samples.js';
import { NO_ROOM, ScriptedStore } from './scripted-store.js';

function forgetKeys(
  store: ScriptedStore,
  ...limits: [bornBeforeMs: number, nowMs: number, maxBytes: number]
): Promise<number | null> {
  return forget(store, (operations) => store.batch(operations, { sync: false }), ...limits);
}

/** The key of a message that its sender took at a time. */
function keyAt(atMs: number, changes: Partial<DeliveryKey> = {}): DeliveryKey {
  const queueId = `${queueIdTime(atMs)}000000000`;
  return { node: 'edge', queueId, recipient: 'one@b.example', ...changes };
}

async function stored(store: ScriptedStore, ...keys: DeliveryKey[]): Promise<void> {
  await store.batch(keyOperations(keys, idOf(1)), { sync: true });
}

/** Times of the keys that are still known, of those that were stored. */
function known(store: ScriptedStore, times: number[], node = 'edge'): number[] {
  const ids = findKeys(
    store,
    times.map((atMs) => keyAt(atMs, { node })),
  );
  return times.filter((_, index) => ids[index] !== null);
}

async function sizeOf(store: ScriptedStore): Promise<number> {
  return store.approximateSize('k!', 'k!~');
}

test('a key is known under all three of its parts, and under no two of them', async () => {
  const store = new ScriptedStore();
  const key = keyAt(NOW_MS);
  await stored(store, key);
  const others = [
    { ...key, node: 'other' },
    { ...key, queueId: keyAt(NOW_MS + 1).queueId },
    { ...key, recipient: 'One@b.example' },
  ];
  assert.deepEqual(findKeys(store, [key, ...others]), [idOf(1), null, null, null]);
});

test('what is stored of a key is short, and no address', async () => {
  const store = new ScriptedStore();
  const recipient = `${'x'.repeat(200)}@b.example`;
  await stored(store, keyAt(NOW_MS, { recipient }));
  const [[name, value] = ['', Buffer.alloc(0)]] = [...store.records];
  assert.ok(!name.includes('x'.repeat(10)));
  assert.ok(name.length + value.length < 70, `${name.length + value.length} bytes`);
});

test('keys go by the age of the queue id, of every node, however many there are', async () => {
  const store = new ScriptedStore();
  // Names of which one begins with the other, and that lie next to each other.
  const nodes = ['edge', 'edge-2', 'edge2', 'f'];
  const limitMs = NOW_MS - DAY_MS;
  const times = [limitMs - 5, limitMs - 1, limitMs, limitMs + 1, NOW_MS];
  for (const node of nodes) await stored(store, ...times.map((atMs) => keyAt(atMs, { node })));
  const many = Array.from({ length: 12_000 }, (_, index) => keyAt(limitMs - 1 - index));
  await stored(store, ...many);
  assert.equal(await forgetKeys(store, limitMs, NOW_MS, Infinity), null);
  for (const node of nodes) {
    assert.deepEqual(known(store, times, node), times.slice(2), node);
  }
  assert.equal(store.records.size, nodes.length * 3);
});

test('other records than keys are never touched', async () => {
  const store = new ScriptedStore();
  for (const key of ['j!a', 'k', 'l!a', 'n!a', 'q!a', 'q!a!p']) {
    store.records.set(key, Buffer.alloc(1000));
  }
  await stored(store, keyAt(NOW_MS - 2 * DAY_MS), keyAt(NOW_MS - 1000));
  await forgetKeys(store, NOW_MS - DAY_MS, NOW_MS, 0);
  assert.deepEqual([...store.records.keys()], ['j!a', 'k', 'l!a', 'n!a', 'q!a', 'q!a!p']);
});

test('beyond the room for them the oldest go, of all nodes alike, and it is told up to when', async () => {
  const store = new ScriptedStore();
  const hours = Array.from({ length: 20 }, (_, hour) => NOW_MS - (20 - hour) * 3_600_000);
  for (const node of ['a', 'b']) await stored(store, ...hours.map((atMs) => keyAt(atMs, { node })));
  const maxBytes = (await sizeOf(store)) / 2;
  const cutMs = await forgetKeys(store, NOW_MS - DAY_MS, NOW_MS, maxBytes);
  assert.ok(cutMs !== null && (await sizeOf(store)) <= maxBytes);
  const kept = hours.filter((atMs) => atMs >= cutMs);
  assert.equal(kept.length, 10);
  assert.deepEqual(known(store, hours, 'a'), kept);
  assert.deepEqual(known(store, hours, 'b'), kept);
});

test('keys that all came of late are cut as well, and not all of them', async () => {
  const store = new ScriptedStore();
  const minutes = Array.from({ length: 100 }, (_, minute) => NOW_MS - (100 - minute) * 60_000);
  await stored(store, ...minutes.map((atMs) => keyAt(atMs)));
  const maxBytes = (await sizeOf(store)) / 2;
  const cutMs = await forgetKeys(store, NOW_MS - 5 * DAY_MS, NOW_MS, maxBytes);
  const kept = known(store, minutes);
  assert.deepEqual(
    kept,
    minutes.filter((atMs) => atMs >= (cutMs ?? 0)),
  );
  assert.ok(kept.length >= 48 && kept.length <= 50, `${kept.length} of 100 are kept`);
});

test('what is forgotten is written in slices, so that mail comes in between', async () => {
  const store = new ScriptedStore();
  const old = Array.from({ length: 2500 }, (_, index) => keyAt(NOW_MS - DAY_MS - index));
  await stored(store, ...old);
  store.batches.length = 0;
  await forgetKeys(store, NOW_MS, NOW_MS, Infinity);
  assert.deepEqual(
    store.batches.map(({ changes }) => changes.length),
    [1000, 1000, 500],
  );
});

test('the medium is given back what keys took that went for want of room', async () => {
  const store = new ScriptedStore();
  await stored(store, keyAt(NOW_MS - 1000));
  await forgetKeys(store, NOW_MS - DAY_MS, NOW_MS, 1_000_000);
  assert.equal(store.compactions, 0, 'not for age alone: that comes by itself');
  await forgetKeys(store, NOW_MS - DAY_MS, NOW_MS, 0);
  assert.ok(store.compactions > 0);
});

test('a medium that refuses is not asked for ever', async () => {
  const store = new ScriptedStore();
  await stored(store, keyAt(NOW_MS - 2 * DAY_MS));
  store.refusal = NO_ROOM;
  await assert.rejects(forgetKeys(store, NOW_MS - DAY_MS, NOW_MS, Infinity));
});
