import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { LevelStore, type Store, type StoreOperation } from '../../src/queue/store.js';
import { Chance } from './chance.js';
import { Drive } from './drive.js';
import { Life, WallClock } from './life.js';
import { SimulatedStore } from './simulated-store.js';
import { StoreMedium } from './store-medium.js';
import { Timeline } from './timeline.js';

/** A machine with a store, for what one process after the other does with it. */
class Machine {
  readonly chance = new Chance('machine');
  readonly timeline = new Timeline();
  readonly drive = new Drive(this.chance);
  readonly medium = new StoreMedium(() => this.timeline.nowMs);
  life = this.newLife();

  newLife(): Life {
    return new Life(this.timeline, new WallClock(this.timeline), this.chance);
  }

  store(life = this.life): SimulatedStore {
    return new SimulatedStore(this.medium, this.drive, life, this.chance);
  }

  /** The next process, with the store open. */
  async reborn(): Promise<SimulatedStore> {
    this.life.end();
    this.life = this.newLife();
    const store = this.store();
    await this.done(store.open());
    return store;
  }

  /** Lets time pass until the work is done. */
  async done<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const ended = work.finally(() => {
      isOver = true;
    });
    ended.catch(() => undefined);
    await this.timeline.run(() => isOver, this.timeline.nowMs + 60_000);
    assert.ok(isOver, 'the work does not end');
    return ended;
  }
}

function put(key: string, text = key): StoreOperation {
  return { type: 'put', key, value: Buffer.from(text) };
}

test('it reads as LevelDB does, whatever was written and deleted', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'relaymesh-store-'));
  const machine = new Machine();
  const chance = new Chance('operations');
  const [real, simulated]: [Store, Store] = [new LevelStore(folder), machine.store()];
  await real.open();
  await machine.done(simulated.open());
  const keyOf = (): string => `${chance.pick(['k', 'n', 'q'])}!${chance.whole(0, 30)}`;
  for (let round = 0; round < 50; round++) {
    const operations = Array.from({ length: chance.whole(1, 6) }, (): StoreOperation => {
      const key = keyOf();
      return chance.happens(0.6) ? put(key, `${key} of round ${round}`) : { type: 'del', key };
    });
    const sync = chance.happens(0.2);
    await real.batch(operations, { sync });
    await machine.done(simulated.batch(operations, { sync }));
    const range = { gt: keyOf(), lt: `${chance.pick(['k', 'n', 'q'])}!~` };
    const iterator = real.iterator(range);
    const read = await iterator.nextv(7);
    await iterator.close();
    assert.deepEqual(await machine.done(simulated.iterator(range).nextv(7)), read);
    const key = keyOf();
    assert.deepEqual(await machine.done(simulated.get(key)), await real.get(key));
    assert.deepEqual(simulated.getSync(key), real.getSync(key));
  }
  await real.close();
  await rm(folder, { recursive: true });
});

test('the death of the process takes nothing that was written, a power cut only the latest', async () => {
  for (let turn = 0; turn < 20; turn++) {
    const machine = new Machine();
    const store = await machine.reborn();
    await machine.done(store.batch([put('synced')], { sync: true }));
    for (const key of ['1', '2', '3']) {
      await machine.done(store.batch([put(key), put(`${key}b`)], { sync: false }));
    }
    if (turn === 0) {
      const next = await machine.reborn();
      assert.equal(next.getSync('3')?.toString(), '3');
      continue;
    }
    machine.life.end();
    const lost = machine.medium.cutPower(new Chance(`cut ${turn}`));
    const next = await machine.reborn();
    assert.ok(next.getSync('synced') !== undefined);
    for (const key of ['1', '2', '3']) {
      const isThere = Number(key) <= 3 - lost;
      assert.equal(next.getSync(key) !== undefined, isThere);
      assert.equal(next.getSync(`${key}b`) !== undefined, isThere, 'all or nothing');
    }
  }
});

test('what is older than the write-back of the system survives a power cut', async () => {
  const machine = new Machine();
  const store = await machine.reborn();
  await machine.done(store.batch([put('old')], { sync: false }));
  await machine.done(machine.timeline.wait(40_000));
  machine.life.end();
  assert.equal(machine.medium.cutPower(machine.chance), 0);
});

test('after a refused write it takes nothing more; opened again, that write is there or not', async () => {
  const found = new Set<boolean>();
  for (let turn = 0; turn < 20; turn++) {
    const machine = new Machine();
    const store = await machine.reborn();
    machine.drive.arm({ inChanges: 1 + (turn % 2), kind: 'io-error', afterwards: false });
    const refusal = /IO error: .*: Input\/output error/;
    await assert.rejects(machine.done(store.batch([put('refused')], { sync: true })), refusal);
    assert.equal(store.getSync('refused'), undefined, 'nobody reads it meanwhile');
    await assert.rejects(machine.done(store.batch([put('later')], { sync: false })), refusal);
    await machine.done(store.close());
    for (let draw = 0; draw < turn; draw++) machine.chance.next();
    await machine.done(store.open());
    found.add(store.getSync('refused') !== undefined);
    assert.equal(store.getSync('later'), undefined);
  }
  assert.equal(found.size, 2);
});

test('a second process is refused while the first lives, and a dead one hears nothing more', async () => {
  const machine = new Machine();
  const store = await machine.reborn();
  const second = machine.store(machine.newLife());
  await assert.rejects(machine.done(second.open()), { code: 'LEVEL_DATABASE_NOT_OPEN' });
  let heard = false;
  void store.batch([put('in vain')], { sync: true }).finally(() => {
    heard = true;
  });
  machine.life.end();
  await machine.timeline.run(() => heard, machine.timeline.nowMs + 60_000);
  assert.equal(heard, false);
  await machine.done(second.open());
});
