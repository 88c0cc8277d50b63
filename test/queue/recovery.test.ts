import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recover } from '../../src/queue/recovery.js';
import type { Item } from '../../src/queue/item.js';
import type { Corrupt, ScanEntry } from '../../src/queue/spool.js';
import { capturedLog } from '../base/captured-log.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { MemoryMedium, MemorySpool } from './memory-spool.js';
import { anItem, idOf } from './samples.js';
import { InlineBody } from '../../src/queue/inline-body.js';

/** A spool with the messages 1 to 5, of which the third cannot be read. */
class RecoveryBench {
  readonly medium = new MemoryMedium();
  readonly spool = new MemorySpool(this.medium);
  readonly captured = capturedLog();
  readonly taken: string[] = [];
  readonly corrupt: Corrupt[] = [];
  readonly known = new Set<string>();
  stopping = false;
  takeUp: (item: Item) => Promise<void> = async () => undefined;
  healed: () => Promise<boolean> = () => Promise.resolve(false);

  static async filled(): Promise<RecoveryBench> {
    const bench = new RecoveryBench();
    await bench.spool.open();
    for (const number of [1, 2, 3, 4, 5]) {
      await bench.spool.accept(anItem(idOf(number)), new InlineBody([Buffer.alloc(0)]));
    }
    Object.assign(bench.medium.messages.get(idOf(3)) ?? {}, { damaged: true });
    return bench;
  }

  recover(stored: AsyncGenerator<ScanEntry> = this.spool.scan()): Promise<void> {
    return recover(
      {
        spool: this.spool,
        log: this.captured.log,
        clock: new VirtualClock(),
        rest: () => Promise.resolve(),
        trace: () => Promise.resolve(),
        isKnown: (id) => this.known.has(id),
        takeUp: async (item) => {
          await this.takeUp(item);
          this.known.add(item.id);
          this.taken.push(item.id);
        },
        quarantine: (corrupt) => void this.corrupt.push(corrupt),
        stopping: () => this.stopping,
        healed: () => this.healed(),
      },
      stored,
    );
  }

  /** What the log says at the end. */
  get found(): unknown[] {
    return this.captured.lines
      .filter(({ event }) => event === 'recovered')
      .map(({ messages, corrupt }) => [messages, corrupt]);
  }

  /** A scan that reads some entries, and then fails with the spool or by itself. */
  async *broken(entries: number, fail: () => void): AsyncGenerator<ScanEntry> {
    let read = 0;
    for await (const entry of this.spool.scan()) {
      if (read++ === entries) {
        fail();
        throw new Error('the scan broke');
      }
      yield entry;
    }
  }

  /** The spool has failed for want of room. */
  failSpool(): void {
    this.medium.full = true;
    void this.spool.update(anItem(idOf(1))).catch(() => undefined);
  }
}

test('all that can be read is taken up in order of arrival, and the rest is shown', async () => {
  const bench = await RecoveryBench.filled();
  await bench.recover();
  assert.deepEqual(bench.taken, [1, 2, 4, 5].map(idOf));
  assert.deepEqual(
    bench.corrupt.map(({ id }) => id),
    [idOf(3)],
  );
  assert.deepEqual(bench.found, [[4, 1]]);
});

test('what came in meanwhile is not taken up again', async () => {
  const bench = await RecoveryBench.filled();
  bench.known.add(idOf(2));
  await bench.recover();
  assert.deepEqual(bench.taken, [1, 4, 5].map(idOf));
  assert.deepEqual(bench.found, [[3, 1]]);
});

test('a spool that fails in between is gone through again once it is well: nothing twice', async () => {
  const bench = await RecoveryBench.filled();
  bench.healed = async () => {
    bench.medium.full = false;
    await bench.spool.reopen();
    return true;
  };
  await bench.recover(bench.broken(3, () => bench.failSpool()));
  assert.deepEqual(bench.taken, [1, 2, 4, 5].map(idOf));
  assert.equal(bench.corrupt.length, 1);
  assert.deepEqual(bench.found, [[4, 1]]);
});

test('a node that stops before the spool is well again takes up nothing more', async () => {
  const bench = await RecoveryBench.filled();
  await bench.recover(bench.broken(2, () => bench.failSpool()));
  assert.deepEqual(bench.taken, [1, 2].map(idOf));
  assert.deepEqual(bench.found, [], 'the spool was not read');
});

test('a node that stops meanwhile takes up nothing more', async () => {
  const bench = await RecoveryBench.filled();
  bench.takeUp = async ({ id }) => void (bench.stopping = id === idOf(2));
  await bench.recover();
  assert.deepEqual(bench.taken, [1, 2].map(idOf));
});

test('one message that cannot be taken up is shown, and holds up nobody', async () => {
  const bench = await RecoveryBench.filled();
  bench.takeUp = ({ id }) =>
    id === idOf(2) ? Promise.reject(new Error('a bug of ours')) : Promise.resolve();
  await bench.recover();
  assert.deepEqual(bench.taken, [1, 4, 5].map(idOf));
  assert.deepEqual(
    bench.corrupt.map(({ id }) => id),
    [2, 3].map(idOf),
  );
  assert.match(bench.corrupt[0]?.reason ?? '', /a bug of ours/);
});

test('a scan that breaks although the spool is well is said in the log, and ends', async () => {
  const bench = await RecoveryBench.filled();
  await bench.recover(bench.broken(2, () => undefined));
  assert.deepEqual(bench.taken, [1, 2].map(idOf));
  assert.ok(bench.captured.lines.some(({ message }) => message === 'the scan broke'));
});
