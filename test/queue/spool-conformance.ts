import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Item } from '../../src/queue/item.js';
import type { Spool } from '../../src/queue/spool.js';
import { anItem, aRecipient, DAY_MS, idOf, NOW_MS } from './samples.js';
import { failures } from './spool-conformance-failures.js';
import { keys, notes } from './spool-conformance-keys.js';
import { peeks } from './spool-conformance-peeks.js';
import {
  bodyOf,
  bytesOf,
  INLINE_BYTES,
  scanned,
  scannedIds,
  store,
  type SpoolMedium,
  type SpoolTest,
} from './spool-medium.js';
import { InlineBody } from '../../src/queue/inline-body.js';

/** What every spool keeps to, whatever it is made of. */
export function spoolConformance(
  name: string,
  makeMedium: (t: TestContext) => Promise<SpoolMedium>,
): void {
  const spoolTest: SpoolTest = (behaviour, body) => {
    test(`${name}: ${behaviour}`, async (t) => {
      const medium = await makeMedium(t);
      let current: Spool | null = null;
      // A process ends and the next one opens the same medium.
      const opened = async (): Promise<Spool> => {
        await current?.close();
        current = medium.spool();
        await current.open();
        return current;
      };
      try {
        await body(medium, opened);
      } finally {
        await (current as Spool | null)?.close();
      }
    });
  };

  lifeOfMessages(spoolTest);
  bodies(spoolTest);
  damagedBodies(spoolTest);
  scans(spoolTest);
  damages(spoolTest);
  peeks(spoolTest);
  failures(spoolTest);
  notes(spoolTest);
  keys(spoolTest);
}

function lifeOfMessages(spoolTest: SpoolTest): void {
  spoolTest(
    'what was accepted is found by the next process, letter by letter',
    async (_, opened) => {
      const changes: Partial<Item> = {
        sender: '',
        recipients: [
          aRecipient('"a b"@é.example', { notify: 'SUCCESS,DELAY', orcpt: 'rfc822;x+2By@z' }),
          aRecipient('two@b.example'),
        ],
        ret: 'FULL',
        envid: 'e+3D1',
        smtpUtf8: true,
        eightBit: true,
        messageId: null,
        trace: {
          traceId: 'f'.repeat(32),
          spanId: '1'.repeat(16),
          parentSpanId: '2'.repeat(16),
          path: ['edge'],
        },
        bounceOf: idOf(9),
      };
      const item = await store(await opened(), idOf(1), bytesOf(50), changes);
      const spool = await opened();
      assert.deepEqual(await scanned(spool), [{ kind: 'item', item }]);
      assert.ok((await bodyOf(spool, item))?.equals(bytesOf(50)));
    },
  );

  spoolTest('progress survives: states, attempts, times, replies and doubt', async (_, opened) => {
    let spool = await opened();
    const item = await store(spool, idOf(1), undefined, {
      recipients: ['a', 'b', 'c', 'd'].map((local) => aRecipient(`${local}@b.example`)),
    });
    const reply = { code: 451, enhanced: '4.7.1', text: 'später' };
    const [first, second, third, fourth] = item.recipients;
    Object.assign(first as object, { state: 'delivered', attempts: 2, lastReply: reply });
    Object.assign(second as object, {
      state: 'deferred',
      attempts: 1,
      nextAttemptAtMs: NOW_MS + DAY_MS,
    });
    Object.assign(third as object, { state: 'sending' });
    Object.assign(fourth as object, { state: 'quarantined' });
    item.doubt = true;
    await spool.update(item);
    spool = await opened();
    const entries = await scanned(spool);
    const kept = entries[0]?.kind === 'item' ? entries[0].item : null;
    assert.deepEqual(
      kept?.recipients.map(({ state }) => state),
      ['delivered', 'deferred', 'ready', 'quarantined'],
    );
    assert.deepEqual(kept?.recipients[0], first);
    assert.deepEqual(kept?.recipients[1], second);
    assert.equal(kept?.doubt, true);
  });

  spoolTest(
    'what was removed is gone, its body too, and its neighbours stay',
    async (medium, opened) => {
      let spool = await opened();
      const items: Item[] = [];
      for (const number of [1, 2, 3]) items.push(await store(spool, idOf(number), bytesOf(2000)));
      const gone = items[1] as Item;
      gone.doubt = true;
      await spool.update(gone);
      await spool.remove(gone);
      assert.deepEqual((await medium.bodyFiles()).sort(), [idOf(1), idOf(3)]);
      assert.equal(await spool.openBody(gone), null);
      spool = await opened();
      assert.deepEqual(await scannedIds(spool), [idOf(1), idOf(3)]);
    },
  );

  spoolTest(
    "a message that reports on another is stored together with that one's state",
    async (_, opened) => {
      let spool = await opened();
      const cause = await store(spool, idOf(1));
      Object.assign(cause.recipients[0] as object, { state: 'failed', attempts: 1 });
      const report = anItem(idOf(2), {
        bounceOf: cause.id,
        body: { kind: 'inline', sizeBytes: 3, ownHeaderBytes: 0 },
      });
      await spool.accept(report, new InlineBody([Buffer.from('abc')]), {
        settles: cause,
      });
      spool = await opened();
      assert.deepEqual(await scanned(spool), [
        { kind: 'item', item: cause },
        { kind: 'item', item: report },
      ]);
    },
  );

  spoolTest(
    'what was written before a close is there after it, also when nobody waited',
    async (_, opened) => {
      let spool = await opened();
      const [kept, removed] = [
        await store(spool, idOf(1)),
        await store(spool, idOf(2), bytesOf(2000)),
      ];
      kept.doubt = true;
      const writes = Promise.all([spool.update(kept), spool.remove(removed)]);
      spool = await opened();
      await writes;
      assert.deepEqual(await scanned(spool), [{ kind: 'item', item: kept }]);
    },
  );
}

function bodies(spoolTest: SpoolTest): void {
  spoolTest(
    'bodies come back as they were, around the border between record and file',
    async (medium, opened) => {
      let spool = await opened();
      const items: Item[] = [];
      const lengths = [0, 1, INLINE_BYTES - 1, INLINE_BYTES, INLINE_BYTES + 1, 1_000_000];
      for (const [number, length] of lengths.entries()) {
        items.push(await store(spool, idOf(number), bytesOf(length)));
      }
      assert.deepEqual(
        items.map(({ body }) => [body.kind, body.sizeBytes]),
        lengths.map((length) => [length <= INLINE_BYTES ? 'inline' : 'file', length]),
      );
      assert.deepEqual((await medium.bodyFiles()).sort(), [idOf(4), idOf(5)]);
      spool = await opened();
      for (const [number, item] of items.entries()) {
        const body = await bodyOf(spool, item);
        assert.ok(body?.equals(bytesOf(lengths[number] as number)), `${lengths[number]} bytes`);
        assert.ok((await bodyOf(spool, item))?.equals(body as Buffer), 'a second time');
      }
    },
  );

  spoolTest(
    'a discarded body leaves nothing, whatever its size and whenever it ends',
    async (medium, opened) => {
      let spool = await opened();
      for (const [number, length] of [0, INLINE_BYTES, INLINE_BYTES + 1, 300_000].entries()) {
        const writer = spool.writeBody(idOf(number));
        await writer.write(bytesOf(length));
        if (number % 2 === 1) await writer.finish();
        await writer.discard();
        await writer.discard();
      }
      assert.deepEqual(await medium.bodyFiles(), []);
      spool = await opened();
      assert.deepEqual(await scannedIds(spool), []);
    },
  );

  spoolTest(
    'a body that is missing or short is null, never less than it was',
    async (medium, opened) => {
      const first = await opened();
      const short = await store(first, idOf(1), bytesOf(5000));
      const missing = await store(first, idOf(2), bytesOf(5000));
      await first.close();
      await medium.shortenBodyFile(short.id);
      await medium.removeBodyFile(missing.id);
      const spool = medium.spool();
      await spool.open();
      assert.deepEqual(
        await scannedIds(spool),
        [short.id, missing.id],
        'the messages are still shown',
      );
      assert.equal(await spool.openBody(short), null);
      assert.equal(await spool.openBody(missing), null);
      assert.equal(await spool.openBody(anItem(idOf(3))), null);
      await spool.close();
    },
  );
}

function damagedBodies(spoolTest: SpoolTest): void {
  spoolTest(
    'a body in a file that is not what was stored fails at its end',
    async (medium, opened) => {
      const first = await opened();
      const item = await store(first, idOf(1), bytesOf(5000));
      await first.close();
      await medium.flipBodyFile(item.id);
      const spool = medium.spool();
      await spool.open();
      await assert.rejects(bodyOf(spool, item), { code: 'BODY_DAMAGED' });
      await spool.close();
    },
  );
}

function scans(spoolTest: SpoolTest): void {
  spoolTest(
    'a scan is in order of arrival, whatever the order of the writes',
    async (_, opened) => {
      const numbers = Array.from({ length: 150 }, (_, index) => (index * 37) % 150);
      const spool = await opened();
      await Promise.all(numbers.map((number) => store(spool, idOf(number))));
      assert.deepEqual(await scannedIds(spool), [...numbers.keys()].map(idOf));
    },
  );

  spoolTest(
    'a scan sees what was stored when it was called, while mail comes and goes',
    async (_, opened) => {
      const spool = await opened();
      const items: Item[] = [];
      for (const number of [1, 2, 3]) items.push(await store(spool, idOf(number)));
      const scan = spool.scan();
      await store(spool, idOf(4));
      const ids: string[] = [];
      for await (const entry of scan) {
        ids.push(entry.kind === 'item' ? entry.item.id : 'corrupt');
        await store(spool, idOf(10 + ids.length));
        await spool.remove(items[2] as Item);
      }
      assert.deepEqual(ids, [1, 2, 3].map(idOf));
      assert.deepEqual(await scannedIds(spool), [1, 2, 4, 11, 12, 13].map(idOf));
    },
  );

  spoolTest('a scan that ends early neither hurts nor sweeps', async (medium, opened) => {
    let spool = await opened();
    for (const number of [1, 2, 3]) await store(spool, idOf(number), bytesOf(2000));
    spool = await opened();
    for await (const entry of spool.scan()) {
      assert.equal(entry.kind, 'item');
      break;
    }
    assert.equal((await medium.bodyFiles()).length, 3);
    assert.equal((await scannedIds(spool)).length, 3);
  });
}

function damages(spoolTest: SpoolTest): void {
  for (const damage of ['flip', 'cut', 'extend'] as const) {
    spoolTest(
      `a record that was damaged (${damage}) is shown as corrupt and stays`,
      async (medium, opened) => {
        const first = await opened();
        for (const number of [1, 2, 3])
          await store(first, idOf(number), bytesOf(2000 * (number % 2)));
        await first.close();
        await medium.damageRecord(idOf(1), damage);
        await medium.damageRecord(idOf(2), damage);
        for (const round of [1, 2]) {
          const spool = medium.spool();
          await spool.open();
          const ids = [`corrupt ${idOf(1)}`, `corrupt ${idOf(2)}`, idOf(3)];
          assert.deepEqual(await scannedIds(spool), ids, `start ${round}`);
          await store(spool, idOf(4 + round));
          await spool.remove(anItem(idOf(4 + round)));
          await spool.close();
        }
        assert.deepEqual(
          await medium.bodyFiles(),
          [idOf(1), idOf(3)],
          'it may be all that is left',
        );
      },
    );
  }

  spoolTest(
    'body files that no record names go with the scan of a start, those of new mail stay',
    async (medium, opened) => {
      const first = await opened();
      await store(first, idOf(1), bytesOf(2000));
      await first.close();
      await medium.strayBodyFile(idOf(7));
      const spool = medium.spool();
      await spool.open();
      const unfinished = spool.writeBody(idOf(8));
      await unfinished.write(bytesOf(2000));
      await store(spool, idOf(9), bytesOf(2000));
      await scannedIds(spool);
      assert.deepEqual((await medium.bodyFiles()).sort(), [1, 8, 9].map(idOf));
      await unfinished.discard();
      await spool.close();
    },
  );
}
