import assert from 'node:assert/strict';
import type { Item } from '../../src/queue/item.js';
import type { Spool, StoredMessage } from '../../src/queue/spool.js';
import { aRecipient, idOf, NOW_MS } from './samples.js';
import { bytesOf, scanned, scannedIds, store, type SpoolTest } from './spool-medium.js';

/** A message that is there and can be read. */
function peeked(spool: Spool, id: string): StoredMessage {
  const stored = spool.peek(id);
  assert.ok(stored !== null && 'item' in stored);
  return stored;
}

/** Looks at one message of the spool as `peek` promises to: what it was, or nothing can be read. */
function assertNotMissed(spool: Spool, item: Item): void {
  let stored: ReturnType<Spool['peek']>;
  try {
    stored = spool.peek(item.id);
  } catch {
    return;
  }
  assert.ok(stored !== null && 'item' in stored, 'it is neither gone nor unreadable');
  assert.deepEqual(stored.item, item);
}

export function peeks(spoolTest: SpoolTest): void {
  presentAndAbsent(spoolTest);
  underWay(spoolTest);
  unreadable(spoolTest);
}

function presentAndAbsent(spoolTest: SpoolTest): void {
  spoolTest(
    'a peek shows a message as the next process would find it, with its body where that is inline',
    async (_, opened) => {
      let spool = await opened();
      const recipients = ['a', 'b'].map((local) => aRecipient(`${local}@b.example`));
      const inline = await store(spool, idOf(1), bytesOf(50), { recipients });
      const inFile = await store(spool, idOf(2), bytesOf(2000));
      const reply = { code: 451, enhanced: '4.7.1', text: 'später' };
      const [first, second] = inline.recipients;
      Object.assign(first as object, { state: 'delivered', attempts: 2, lastReply: reply });
      Object.assign(second as object, { state: 'deferred', nextAttemptAtMs: NOW_MS });
      await spool.update(inline);
      for (const process of ['the same process', 'the next one']) {
        assert.deepEqual(peeked(spool, inline.id).item, inline, process);
        assert.deepEqual(peeked(spool, inline.id).body, bytesOf(50), process);
        assert.deepEqual(peeked(spool, inFile.id), { item: inFile, body: Buffer.alloc(0) });
        spool = await opened();
      }
      assert.deepEqual(await scanned(spool), [
        { kind: 'item', item: peeked(spool, inline.id).item },
        { kind: 'item', item: peeked(spool, inFile.id).item },
      ]);
    },
  );

  spoolTest(
    'what is done to a message that was peeked at, or that was accepted, is not stored by that',
    async (_, opened) => {
      const spool = await opened();
      const item = await store(spool, idOf(1), bytesOf(50));
      const before = structuredClone(item);
      item.doubt = true;
      const found = peeked(spool, item.id);
      found.item.recipients.length = 0;
      found.body.fill(0);
      assert.deepEqual(peeked(spool, item.id), { item: before, body: bytesOf(50) });
    },
  );

  spoolTest(
    'a peek at what is not there, was removed or never accepted is null',
    async (_, opened) => {
      const spool = await opened();
      const [kept, updated, gone] = [
        await store(spool, idOf(1)),
        await store(spool, idOf(2)),
        await store(spool, idOf(3), bytesOf(2000)),
      ];
      updated.doubt = true;
      await spool.update(updated);
      await Promise.all([spool.remove(updated), spool.remove(gone, { sync: true })]);
      const unfinished = spool.writeBody(idOf(4));
      await unfinished.write(bytesOf(2000));
      for (const id of [updated.id, gone.id, idOf(4), idOf(5), '', `../${kept.id}`]) {
        assert.equal(spool.peek(id), null, id);
      }
      await unfinished.discard();
      assert.deepEqual(peeked(spool, kept.id).item, kept);
    },
  );
}

function underWay(spoolTest: SpoolTest): void {
  spoolTest(
    'a peek while a write is under way sees the message before it or after it, never a part',
    async (_, opened) => {
      const spool = await opened();
      const item = await store(spool, idOf(1), undefined, {
        recipients: ['a', 'b', 'c'].map((local) => aRecipient(`${local}@b.example`)),
      });
      let before = structuredClone(item);
      for (let attempts = 1; attempts <= 10; attempts++) {
        for (const recipient of item.recipients) Object.assign(recipient, { attempts });
        let done = false;
        const written = spool.update(item).then(() => (done = true));
        while (!done) {
          const seen = peeked(spool, item.id).item;
          const isAfter = seen.recipients[0]?.attempts === attempts;
          assert.deepEqual(seen, isAfter ? item : before);
          await new Promise((resolve) => setImmediate(resolve));
        }
        await written;
        assert.deepEqual(peeked(spool, item.id).item, item);
        before = structuredClone(item);
      }
      const removed = spool.remove(item);
      const found = spool.peek(item.id);
      if (found !== null) assert.deepEqual('item' in found ? found.item : found, item);
      await removed;
      assert.equal(spool.peek(item.id), null);
    },
  );
}

function unreadable(spoolTest: SpoolTest): void {
  for (const damage of ['flip', 'cut', 'extend'] as const) {
    spoolTest(
      `a peek at a record that was damaged (${damage}) gives the reason of the scan, and it stays`,
      async (medium, opened) => {
        const first = await opened();
        for (const number of [1, 2]) await store(first, idOf(number));
        await first.close();
        await medium.damageRecord(idOf(1), damage);
        const spool = medium.spool();
        await spool.open();
        const found = spool.peek(idOf(1));
        const [corrupt] = await scanned(spool);
        assert.ok(corrupt?.kind === 'corrupt' && found !== null);
        assert.deepEqual(found, { reason: corrupt.corrupt.reason });
        assert.equal(peeked(spool, idOf(2)).item.id, idOf(2));
        assert.deepEqual(await scannedIds(spool), [`corrupt ${idOf(1)}`, idOf(2)]);
        await spool.removeCorrupt(idOf(1));
        assert.equal(spool.peek(idOf(1)), null);
        await spool.close();
      },
    );
  }

  spoolTest(
    'a peek at a spool that failed sees what was stored, and while nothing can be read throws: nothing is taken for gone',
    async (medium, opened) => {
      const spool = await opened();
      const item = await store(spool, idOf(1), bytesOf(50));
      medium.refuseWrites('full');
      await assert.rejects(store(spool, idOf(2)), { code: 'SPOOL_FULL' });
      assert.deepEqual(peeked(spool, item.id).item, item);
      await assert.rejects(spool.reopen());
      assertNotMissed(spool, item);
      medium.takeWrites();
      let done = false;
      const reopened = spool.reopen().then(() => (done = true));
      while (!done) {
        assertNotMissed(spool, item);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await reopened;
      assert.deepEqual(peeked(spool, item.id).item, item);
      assert.equal(spool.peek(idOf(2)), null);
      await spool.close();
      assertNotMissed(spool, item);
    },
  );
}
