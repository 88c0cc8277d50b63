import assert from 'node:assert/strict';
import type { RelayError } from '../../src/base/errors.js';
import { SpoolRefusal } from '../../src/queue/group-commit.js';
import type { Item } from '../../src/queue/item.js';
import type { Spool } from '../../src/queue/spool.js';
import { anItem, aRecipient, idOf, NOW_MS } from './samples.js';
import {
  bytesOf,
  scanned,
  scannedIds,
  store,
  type SpoolMedium,
  type SpoolTest,
} from './spool-medium.js';
import { InlineBody } from '../../src/queue/inline-body.js';

/** How a medium refuses, and what a spool says then. */
const REFUSALS = [
  { why: 'full', code: 'SPOOL_FULL', passes: true },
  { why: 'refusing', code: 'SPOOL_FAILED', passes: false },
] as const;

const KEY = { node: 'edge', queueId: idOf(77), recipient: 'one@b.example' };

/** Makes the spool fail; nothing comes of the message that it fails over. */
async function fail(spool: Spool, medium: SpoolMedium): Promise<void> {
  medium.refuseWrites('full');
  await assert.rejects(store(spool, idOf(99)), { code: 'SPOOL_FULL' });
}

/** There is room again. */
async function heal(spool: Spool, medium: SpoolMedium): Promise<void> {
  medium.takeWrites();
  await spool.reopen();
  assert.equal(spool.healthy, true);
  assert.equal(spool.failurePasses, false);
}

/** The one item that the next process finds. */
async function onlyItem(opened: () => Promise<Spool>): Promise<Item> {
  const [entry, ...others] = await scanned(await opened());
  assert.ok(entry?.kind === 'item' && others.length === 0);
  return entry.item;
}

export function failures(spoolTest: SpoolTest): void {
  refusals(spoolTest);
  reopenings(spoolTest);
  madeGood(spoolTest);
}

function refusals(spoolTest: SpoolTest): void {
  spoolTest(
    'a second spool on the same medium is refused until the first is closed',
    async (medium, opened) => {
      const first = await opened();
      await assert.rejects(medium.spool().open(), { code: 'SPOOL_IN_USE', fault: 'operator' });
      await store(first, idOf(1));
      await first.close();
      const second = medium.spool();
      await second.open();
      assert.deepEqual(await scannedIds(second), [idOf(1)]);
      await second.close();
    },
  );

  for (const { why, code, passes } of REFUSALS) {
    spoolTest(
      `after a failed write (${why}) nothing is acknowledged until the spool is opened again`,
      async (medium, opened) => {
        const spool = await opened();
        const before = await store(spool, idOf(1));
        assert.deepEqual([spool.healthy, spool.failurePasses], [true, false]);
        medium.refuseWrites(why);
        const item = anItem(idOf(2));
        const body = new InlineBody([Buffer.alloc(0)]);
        const writes = (): Array<Promise<void>> => [
          spool.accept(item, body),
          spool.update(before),
          spool.update(before, { sync: true }),
          spool.remove(anItem(idOf(3))),
          spool.removeCorrupt(idOf(4)),
        ];
        const failed = { code, fault: 'system' };
        await Promise.all(writes().map((write) => assert.rejects(write, failed)));
        assert.deepEqual([spool.healthy, spool.failurePasses], [false, passes]);
        // The disk is well again, but what it had taken before is not certain.
        medium.takeWrites();
        await Promise.all(writes().map((write) => assert.rejects(write, failed)));
        const next = await opened();
        assert.equal(next.healthy, true);
        assert.deepEqual(await scannedIds(next), [idOf(1)], 'nothing else was acknowledged');
        await store(next, idOf(5));
      },
    );

    spoolTest(
      `who is refused (${why}) hears whether the medium was asked: then it may be there until the spool is opened again`,
      async (medium, opened) => {
        const spool = await opened();
        medium.refuseWrites(why);
        const refused = async (undetermined: boolean): Promise<void> => {
          const accepted = store(spool, idOf(1));
          await assert.rejects(accepted, (error) => {
            assert.ok(error instanceof SpoolRefusal);
            assert.deepEqual([error.code, error.undetermined], [code, undetermined]);
            return true;
          });
        };
        await refused(true);
        await refused(false);
        await heal(spool, medium);
        medium.refuseWrites(why);
        await refused(true);
      },
    );

    spoolTest(
      `a failure (${why}) is heard of once, and the next one again`,
      async (medium, opened) => {
        const spool = await opened();
        const heard: RelayError[] = [];
        spool.onFailure((error) => void heard.push(error));
        const kept = await store(spool, idOf(1));
        for (const failures of [1, 2]) {
          medium.refuseWrites(why);
          const writes = [store(spool, idOf(2)), spool.update(kept), spool.remove(anItem(idOf(3)))];
          for (const write of writes) await assert.rejects(write, { code });
          await assert.rejects(spool.update(kept), { code });
          assert.deepEqual(
            heard.map((error) => error.code),
            Array.from({ length: failures }, () => code),
          );
          await heal(spool, medium);
        }
      },
    );
  }

  spoolTest(
    'a spool that failed takes mail again when it is opened again',
    async (medium, opened) => {
      const spool = await opened();
      medium.refuseWrites('refusing');
      await assert.rejects(store(spool, idOf(1)), { code: 'SPOOL_FAILED' });
      medium.takeWrites();
      await spool.close();
      await spool.open();
      assert.equal(spool.healthy, true);
      await store(spool, idOf(2));
      assert.deepEqual(await scannedIds(spool), [idOf(2)]);
    },
  );

  spoolTest('a spool that failed still reads', async (medium, opened) => {
    const spool = await opened();
    const note = { key: 'n', value: 'v', untilMs: NOW_MS };
    const item = await store(spool, idOf(1), bytesOf(10), {}, { keys: [KEY], note });
    await fail(spool, medium);
    assert.ok((await spool.openBody(item)) !== null);
    assert.deepEqual(await spool.findKeys([KEY]), [idOf(1)]);
    assert.equal(await spool.recall('n', 0), 'v');
    assert.deepEqual(await scannedIds(spool), [idOf(1)]);
  });
}

function reopenings(spoolTest: SpoolTest): void {
  spoolTest(
    'a refused message leaves nothing behind: no record, no key, no note',
    async (medium, opened) => {
      let spool = await opened();
      medium.refuseWrites('full');
      const also = { keys: [KEY], note: { key: 'n', value: 'v', untilMs: NOW_MS } };
      for (const number of [1, 2]) {
        await assert.rejects(store(spool, idOf(number), bytesOf(10), {}, also));
      }
      await heal(spool, medium);
      for (const _ of ['the same process', 'the next one']) {
        assert.deepEqual(await scannedIds(spool), []);
        assert.deepEqual(await spool.findKeys([KEY]), [null]);
        assert.equal(await spool.recall('n', 0), null);
        spool = await opened();
      }
    },
  );

  spoolTest('a message that was refused is taken when it comes again', async (medium, opened) => {
    let spool = await opened();
    medium.refuseWrites('full');
    await assert.rejects(store(spool, idOf(1), bytesOf(10), {}, { keys: [KEY] }));
    await heal(spool, medium);
    await store(spool, idOf(1), bytesOf(10), {}, { keys: [KEY] });
    spool = await opened();
    assert.deepEqual(await scannedIds(spool), [idOf(1)]);
    assert.deepEqual(await spool.findKeys([KEY]), [idOf(1)]);
  });

  spoolTest(
    'while the medium refuses, opening again fails, and nothing is forgotten',
    async (medium, opened) => {
      const spool = await opened();
      const [kept, gone] = [await store(spool, idOf(1)), await store(spool, idOf(2))];
      await fail(spool, medium);
      kept.doubt = true;
      await assert.rejects(spool.update(kept));
      await assert.rejects(spool.reopen());
      assert.deepEqual([spool.healthy, spool.failurePasses], [false, true]);
      await assert.rejects(spool.remove(gone), { code: 'SPOOL_FULL' });
      await assert.rejects(spool.reopen());
      await heal(spool, medium);
      await store(spool, idOf(3));
      await spool.remove(anItem(idOf(3)));
      assert.deepEqual(await onlyItem(opened), kept);
    },
  );

  spoolTest('who reads while the spool is opened again waits for it', async (medium, opened) => {
    const spool = await opened();
    const note = { key: 'n', value: 'v', untilMs: NOW_MS };
    const item = await store(spool, idOf(1), bytesOf(10), {}, { keys: [KEY], note });
    await fail(spool, medium);
    medium.takeWrites();
    const reopened = spool.reopen();
    const [body, keys, value] = await Promise.all([
      spool.openBody(item),
      spool.findKeys([KEY]),
      spool.recall('n', 0),
      spool.forgetNotes(0),
      spool.forgetKeys(0, NOW_MS, 1e9),
    ]);
    await reopened;
    assert.ok(Buffer.isBuffer(body) && body.equals(bytesOf(10)));
    assert.deepEqual([keys, value], [[idOf(1)], 'v']);
  });
}

function madeGood(spoolTest: SpoolTest): void {
  spoolTest(
    'a spool that failed and is closed leaves nothing undetermined behind',
    async (medium, opened) => {
      const spool = await opened();
      const [kept, gone] = [
        await store(spool, idOf(1), bytesOf(2000)),
        await store(spool, idOf(2), bytesOf(2000)),
      ];
      medium.refuseWrites('refusing');
      await assert.rejects(store(spool, idOf(3), bytesOf(2000), {}, { keys: [KEY] }));
      await assert.rejects(spool.remove(gone));
      kept.doubt = true;
      await assert.rejects(spool.update(kept));
      medium.takeWrites();
      const next = await opened();
      assert.deepEqual(await medium.bodyFiles(), [idOf(1)]);
      assert.deepEqual(await scanned(next), [{ kind: 'item', item: kept }]);
      assert.deepEqual(await next.findKeys([KEY]), [null]);
    },
  );

  spoolTest(
    'a spool that failed and that the medium still refuses can be closed',
    async (medium, opened) => {
      const spool = await opened();
      await fail(spool, medium);
      await spool.close();
      medium.takeWrites();
      assert.deepEqual(await scannedIds(await opened()), []);
    },
  );

  spoolTest(
    'the body of a refused message stays as long as its record may be there, and goes with it',
    async (medium, opened) => {
      const spool = await opened();
      medium.refuseWrites('full');
      await assert.rejects(store(spool, idOf(1), bytesOf(2000)));
      assert.deepEqual(await medium.bodyFiles(), [idOf(1)]);
      await heal(spool, medium);
      assert.deepEqual(await medium.bodyFiles(), []);
    },
  );

  spoolTest(
    'updates and removals that were refused are made good, bodies included',
    async (medium, opened) => {
      const spool = await opened();
      const kept = await store(spool, idOf(1), bytesOf(2000));
      const gone = await store(spool, idOf(2), bytesOf(2000));
      const corrupt = await store(spool, idOf(3), bytesOf(2000));
      await fail(spool, medium);
      Object.assign(kept.recipients[0] as object, { state: 'deferred', attempts: 1 });
      await assert.rejects(spool.update(kept));
      Object.assign(kept.recipients[0] as object, { attempts: 2, nextAttemptAtMs: NOW_MS });
      await assert.rejects(spool.update(kept));
      const state = structuredClone(kept);
      // What the item is like afterwards is nobody's business: nobody has said so.
      Object.assign(kept.recipients[0] as object, { attempts: 3 });
      await assert.rejects(spool.remove(gone));
      await assert.rejects(spool.removeCorrupt(corrupt.id));
      await heal(spool, medium);
      assert.deepEqual(await medium.bodyFiles(), [idOf(1)]);
      assert.deepEqual(await onlyItem(opened), state);
    },
  );

  spoolTest(
    'what a refused message would have settled keeps the state that it has when the spool is opened again',
    async (medium, opened) => {
      const spool = await opened();
      const cause = await store(spool, idOf(1));
      medium.refuseWrites('full');
      const [recipient] = cause.recipients;
      Object.assign(recipient as object, { state: 'failed', attempts: 1 });
      await assert.rejects(store(spool, idOf(2), bytesOf(10), {}, { settles: cause }));
      // To the disk nothing has happened, as long as nobody reports it.
      Object.assign(recipient as object, { unreported: true });
      await heal(spool, medium);
      const found = await onlyItem(opened);
      assert.equal(found.recipients[0]?.state, 'ready');
      assert.equal(found.recipients[0].attempts, 1);
    },
  );

  spoolTest(
    'progress and removal of one message are made good in their order',
    async (medium, opened) => {
      const spool = await opened();
      const [first, second] = [await store(spool, idOf(1)), await store(spool, idOf(2))];
      await fail(spool, medium);
      await assert.rejects(spool.update(first));
      await assert.rejects(store(spool, idOf(3), bytesOf(10), {}, { settles: first }));
      await assert.rejects(spool.remove(first));
      second.recipients.push(aRecipient('never@b.example'));
      second.recipients.pop();
      await heal(spool, medium);
      assert.deepEqual(await onlyItem(opened), second);
    },
  );

  spoolTest(
    'a record that cannot be read is removed when it is asked for, its body too',
    async (medium, opened) => {
      const first = await opened();
      for (const number of [1, 2]) await store(first, idOf(number), bytesOf(2000));
      await first.close();
      await medium.damageRecord(idOf(1), 'flip');
      let spool = medium.spool();
      await spool.open();
      assert.deepEqual(await scannedIds(spool), [`corrupt ${idOf(1)}`, idOf(2)]);
      await spool.removeCorrupt(idOf(1));
      await spool.removeCorrupt('../store');
      await spool.removeCorrupt('');
      assert.deepEqual(await scannedIds(spool), [idOf(2)]);
      assert.deepEqual(await medium.bodyFiles(), [idOf(2)]);
      await spool.close();
      spool = medium.spool();
      await spool.open();
      assert.deepEqual(await scannedIds(spool), [idOf(2)]);
      await spool.close();
    },
  );

  spoolTest(
    'what is there stays when the medium is given back what is gone',
    async (medium, opened) => {
      let spool = await opened();
      const note = { key: 'n', value: 'v', untilMs: NOW_MS };
      const kept = await store(spool, idOf(1), bytesOf(2000), {}, { keys: [KEY], note });
      await spool.remove(await store(spool, idOf(2), bytesOf(2000)));
      await spool.compact();
      await spool.compact();
      spool = await opened();
      assert.deepEqual(await scanned(spool), [{ kind: 'item', item: kept }]);
      assert.deepEqual(await medium.bodyFiles(), [idOf(1)]);
      assert.deepEqual(await spool.findKeys([KEY]), [idOf(1)]);
      assert.equal(await spool.recall('n', 0), 'v');
    },
  );
}
