import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RelayError } from '../../src/base/errors.js';
import { GroupCommit, type Write } from '../../src/queue/group-commit.js';
import type { StoreOperation } from '../../src/queue/store.js';
import { hostileTest } from '../hostile/rows.js';
import { BROKEN, NO_ROOM, ScriptedStore } from './scripted-store.js';

function put(key: string, value = key): StoreOperation {
  return { type: 'put', key, value: Buffer.from(value) };
}

/** Progress: written as it is, now or later. */
function progress(key: string, value = key): Write {
  const operations = [put(key, value)];
  return { operations, sync: false, ifRefused: () => operations };
}

/** A promise: undone when it is refused. */
function promised(key: string): Write {
  return { operations: [put(key)], sync: true, ifRefused: () => [{ type: 'del', key }] };
}

interface Bench {
  store: ScriptedStore;
  commit: GroupCommit;
  failures: RelayError[];
}

function bench(): Bench {
  const store = new ScriptedStore();
  const commit = new GroupCommit(store, '/spool');
  const failures: RelayError[] = [];
  commit.onFailure = (error) => void failures.push(error);
  return { store, commit, failures };
}

/** Fails with these words of the system. */
async function failed(words: string): Promise<Bench> {
  const made = bench();
  made.store.refusal = words;
  await assert.rejects(made.commit.write(promised('lost')));
  return made;
}

/** What waits for `open` before it is written. */
function gate(store: ScriptedStore): () => void {
  let open: () => void = () => undefined;
  store.gate = new Promise((resolve) => (open = resolve));
  return open;
}

test('what comes in one turn, and while a write is running, is written together and in order', async () => {
  const { store, commit } = bench();
  const open = gate(store);
  const first = [commit.write(progress('a')), commit.write(progress('b'))];
  await new Promise((resolve) => setImmediate(resolve));
  const second = [commit.write(progress('c')), commit.write(promised('d'))];
  open();
  await Promise.all([...first, ...second]);
  assert.deepEqual(store.batches, [
    { changes: ['put a', 'put b'], sync: false },
    { changes: ['put c', 'put d'], sync: true },
  ]);
});

test('nothing resolves before its write has ended', async () => {
  const { store, commit } = bench();
  const open = gate(store);
  let written = false;
  const write = commit.write(promised('a')).then(() => (written = true));
  let settled = false;
  const idle = commit.settled().then(() => (settled = true));
  for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([written, settled], [false, false]);
  open();
  await Promise.all([write, idle]);
});

hostileTest(
  'failed-sync',
  'a refusal fails all that was in the write and all that waited, and is heard of once',
  async () => {
    const { store, commit, failures } = bench();
    const open = gate(store);
    store.refusal = BROKEN;
    const inside = [commit.write(progress('a')), commit.write(promised('b'))];
    await new Promise((resolve) => setImmediate(resolve));
    const waiting = commit.write(promised('c'));
    open();
    const refusal = { code: 'SPOOL_FAILED', fault: 'system', where: '/spool' };
    for (const write of inside) {
      await assert.rejects(write, { ...refusal, undetermined: true });
    }
    await assert.rejects(waiting, { ...refusal, undetermined: false });
    await assert.rejects(commit.write(promised('d')), { ...refusal, undetermined: false });
    assert.equal(store.batches.length, 1, 'nothing is written after it');
    assert.equal(failures.length, 1);
    assert.equal(failures[0], commit.failure);
    assert.match(failures[0]?.message ?? '', /Input\/output error/);
  },
);

hostileTest('failed-sync', 'what was refused is never written after all', async () => {
  const { store, commit } = bench();
  const open = gate(store);
  store.refusal = NO_ROOM;
  const inside = commit.write(promised('a'));
  await new Promise((resolve) => setImmediate(resolve));
  const waiting = commit.write(promised('b'));
  open();
  await Promise.all([inside, waiting].map((write) => assert.rejects(write)));
  store.refusal = null;
  await commit.resume();
  await commit.write(promised('c'));
  assert.deepEqual([...store.records.keys()], ['c']);
});

test('want of room, and of open files, passes; everything else does not', async () => {
  const passing = [
    NO_ROOM,
    'Disk quota exceeded',
    'Too many open files',
    'Too many open files in system',
    'ENOSPC: no space left on device, write',
  ];
  for (const words of passing) {
    const { commit } = await failed(words);
    assert.equal(commit.failure?.code, 'SPOOL_FULL', words);
    assert.equal(commit.passing, true, words);
  }
  for (const words of [
    BROKEN,
    'Read-only file system',
    'Bad file descriptor',
    'Stale file handle',
  ]) {
    const { commit } = await failed(words);
    assert.equal(commit.failure?.code, 'SPOOL_FAILED', words);
    assert.equal(commit.passing, false, words);
  }
  assert.equal(bench().commit.passing, false);
});

test('what was refused is made good in one synced write, in its order, before anything else', async () => {
  const { store, commit } = await failed(NO_ROOM);
  await assert.rejects(commit.write(progress('a', 'first')));
  await assert.rejects(commit.write(promised('b')));
  await assert.rejects(commit.write(progress('a', 'second')));
  store.refusal = null;
  store.batches.length = 0;
  await commit.resume();
  assert.equal(commit.failure, null);
  await commit.write(promised('c'));
  assert.deepEqual(store.batches, [
    { changes: ['del lost', 'put a', 'del b', 'put a'], sync: true },
    { changes: ['put c'], sync: true },
  ]);
  assert.equal(store.records.get('a')?.toString(), 'second');
});

test('what replaces a refused write is asked for when it is written, not before', async () => {
  const { store, commit } = await failed(NO_ROOM);
  let state = 'at the refusal';
  const ifRefused = (): StoreOperation[] => [put('state', state)];
  await assert.rejects(commit.write({ operations: [], sync: true, ifRefused }));
  state = 'at the opening';
  store.refusal = null;
  await commit.resume();
  assert.equal(store.records.get('state')?.toString(), 'at the opening');
});

test('a medium that still refuses leaves the failure, and loses nothing of what is owed', async () => {
  const { store, commit } = await failed(NO_ROOM);
  await assert.rejects(commit.write(progress('a')));
  await assert.rejects(commit.resume());
  assert.equal(commit.failure?.code, 'SPOOL_FULL');
  await assert.rejects(commit.write(progress('b')), { code: 'SPOOL_FULL' });
  store.refusal = null;
  await commit.resume();
  assert.deepEqual([...store.records.keys()], ['a', 'b']);
});

test('what is refused while the refused is written is made good too, and right after it', async () => {
  const { store, commit } = await failed(NO_ROOM);
  await assert.rejects(commit.write(progress('a', 'before')));
  store.refusal = null;
  const open = gate(store);
  const resumed = commit.resume();
  // Nothing may be acknowledged before what came first is written.
  await assert.rejects(commit.write(progress('a', 'meanwhile')), { code: 'SPOOL_FULL' });
  await assert.rejects(commit.write(promised('b')), { code: 'SPOOL_FULL' });
  open();
  await resumed;
  assert.equal(commit.failure, null);
  assert.equal(store.records.get('a')?.toString(), 'meanwhile');
  assert.equal(store.records.has('b'), false);
  assert.deepEqual(store.batches.at(-1)?.changes, ['put a', 'del b']);
});

test('a medium that refuses again in the middle of the opening owes the rest still', async () => {
  const { store, commit, failures } = await failed(NO_ROOM);
  store.refusal = null;
  const open = gate(store);
  const resumed = commit.resume();
  await assert.rejects(commit.write(progress('late')), { code: 'SPOOL_FULL' });
  open();
  // Between the first write of the opening and the second one.
  const batch = store.batch.bind(store);
  store.batch = (...given) => {
    store.refusal = BROKEN;
    return batch(...given);
  };
  await assert.rejects(resumed, { code: 'SPOOL_FAILED' });
  assert.equal(commit.failure?.code, 'SPOOL_FAILED');
  assert.equal(failures.length, 2, 'each failure is heard of');
  store.batch = batch;
  store.refusal = null;
  await commit.resume();
  assert.ok(store.records.has('late'));
});

test('an opening with nothing owed writes nothing', async () => {
  const { store, commit } = bench();
  await commit.resume();
  assert.deepEqual(store.batches, []);
});
