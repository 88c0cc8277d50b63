import assert from 'node:assert/strict';
import { queueIdTime } from '../../src/base/identifiers.js';
import type { DeliveryKey, Spool } from '../../src/queue/spool.js';
import { anItem, DAY_MS, idOf, NOW_MS } from './samples.js';
import { bytesOf, scannedIds, store, type SpoolTest } from './spool-medium.js';
import { InlineBody } from '../../src/queue/inline-body.js';

/** The key of what a node took at a time and hands over. */
function keyAt(atMs: number, changes: Partial<DeliveryKey> = {}): DeliveryKey {
  const queueId = `${queueIdTime(atMs)}000000000`;
  return { node: 'edge', queueId, recipient: 'one@b.example', ...changes };
}

/** Which of them the spool knows. */
async function areKnown(spool: Spool, keys: DeliveryKey[]): Promise<boolean[]> {
  return (await spool.findKeys(keys)).map((queueId) => queueId !== null);
}

export function keys(spoolTest: SpoolTest): void {
  keptKeys(spoolTest);
  forgottenKeys(spoolTest);
}

function keptKeys(spoolTest: SpoolTest): void {
  spoolTest('of several keys each is answered for itself, and in order', async (_, opened) => {
    const spool = await opened();
    const [first, second, third] = [0, 1, 2].map((age) => keyAt(NOW_MS - age));
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    assert.deepEqual(await spool.findKeys([first, second]), [null, null]);
    await store(spool, idOf(1), undefined, {}, { keys: [first] });
    await store(spool, idOf(2), undefined, {}, { keys: [third] });
    assert.deepEqual(await spool.findKeys([first, second, third]), [idOf(1), null, idOf(2)]);
    assert.deepEqual(await spool.findKeys([]), []);
  });

  spoolTest(
    'a key is another one with another node, another id or another recipient',
    async (_, opened) => {
      const spool = await opened();
      const key = keyAt(NOW_MS);
      await store(spool, idOf(1), undefined, {}, { keys: [key] });
      const others = [
        { ...key, node: 'edge-2' },
        { ...key, node: 'edg' },
        keyAt(NOW_MS + 1),
        { ...key, recipient: 'One@b.example' },
        { ...key, recipient: 'one@b.example ' },
      ];
      assert.deepEqual(await areKnown(spool, others), [false, false, false, false, false]);
    },
  );

  spoolTest('keys outlive their message and the process', async (_, opened) => {
    let spool = await opened();
    const recipients = ['a@b.example', '"a !b"@é.example', 'x'.repeat(254)];
    const all = recipients.map((recipient) => keyAt(NOW_MS, { recipient }));
    const item = await store(spool, idOf(1), bytesOf(2000), {}, { keys: all });
    await spool.remove(item);
    assert.deepEqual(await spool.findKeys(all), [idOf(1), idOf(1), idOf(1)]);
    spool = await opened();
    assert.deepEqual(await spool.findKeys(all), [idOf(1), idOf(1), idOf(1)]);
    assert.deepEqual(await scannedIds(spool), [], 'a key is no message');
  });

  spoolTest('many keys of one message are all kept', async (_, opened) => {
    let spool = await opened();
    const all = Array.from({ length: 2000 }, (_, index) =>
      keyAt(NOW_MS, { recipient: `r${index}@b.example` }),
    );
    await store(spool, idOf(1), undefined, {}, { keys: all.slice(0, 1000) });
    spool = await opened();
    const known = await areKnown(spool, all);
    assert.ok(known.slice(0, 1000).every(Boolean));
    assert.ok(!known.slice(1000).some(Boolean), 'and no others are known by chance');
  });
}

function forgottenKeys(spoolTest: SpoolTest): void {
  spoolTest(
    'keys are forgotten by the age of the queue id, of every node, and no others',
    async (_, opened) => {
      let spool = await opened();
      const limitMs = NOW_MS - DAY_MS;
      const ages = [limitMs - DAY_MS, limitMs - 1, limitMs, limitMs + 1, NOW_MS];
      const all = ['edge', 'edge-2', 'z'].flatMap((node) =>
        ages.map((atMs) => keyAt(atMs, { node })),
      );
      await store(spool, idOf(1), undefined, {}, { keys: all });
      assert.equal(await spool.forgetKeys(limitMs, NOW_MS, 1e9), null);
      const expected = all.map(({ queueId }) => queueId >= keyAt(limitMs).queueId);
      assert.deepEqual(await areKnown(spool, all), expected);
      spool = await opened();
      assert.deepEqual(await areKnown(spool, all), expected, 'by the next process too');
      assert.deepEqual(await scannedIds(spool), [idOf(1)], 'messages stay');
    },
  );

  spoolTest('beyond the room for keys the oldest are forgotten first', async (_, opened) => {
    const spool = await opened();
    const stepMs = DAY_MS / 4000;
    const all = Array.from({ length: 3000 }, (_, index) =>
      keyAt(NOW_MS - (3000 - index) * stepMs, { node: index % 2 === 0 ? 'edge' : 'other' }),
    );
    for (let first = 0; first < all.length; first += 100) {
      await store(spool, idOf(first), undefined, {}, { keys: all.slice(first, first + 100) });
    }
    // What was written last counts from here on.
    await spool.compact();
    assert.equal(await spool.forgetKeys(NOW_MS - DAY_MS, NOW_MS, 1e9), null, 'there is room');
    const cutMs = await spool.forgetKeys(NOW_MS - DAY_MS, NOW_MS, 60_000);
    assert.ok(cutMs !== null);
    const known = await areKnown(spool, all);
    const kept = known.filter(Boolean).length;
    assert.ok(kept > 100 && kept < 1500, `${kept} of 3000 are kept in 60,000 bytes`);
    assert.deepEqual(
      known,
      all.map(({ queueId }) => queueId >= keyAt(cutMs).queueId),
    );
    assert.equal(await spool.forgetKeys(NOW_MS - DAY_MS, NOW_MS, 60_000), null, 'once is enough');
    assert.equal((await scannedIds(spool)).length, 30);
  });

  spoolTest('a key that was forgotten may be stored again', async (_, opened) => {
    const spool = await opened();
    const key = keyAt(NOW_MS - DAY_MS);
    await store(spool, idOf(1), undefined, {}, { keys: [key] });
    await spool.forgetKeys(NOW_MS, NOW_MS, 1e9);
    await store(spool, idOf(2), undefined, {}, { keys: [key] });
    assert.deepEqual(await spool.findKeys([key]), [idOf(2)]);
  });
}

export function notes(spoolTest: SpoolTest): void {
  const accept = (spool: Spool, id: string, key: string, untilMs: number): Promise<void> =>
    spool.accept(
      anItem(id, { body: { kind: 'inline', sizeBytes: 3, ownHeaderBytes: 0 } }),
      new InlineBody([Buffer.from('abc')]),
      { note: { key, value: `value of ${key}`, untilMs } },
    );

  spoolTest('a note is found by its key, also by the next process', async (_, opened) => {
    let spool = await opened();
    await accept(spool, idOf(1), 'inject!1', NOW_MS + 1);
    assert.equal(await spool.recall('inject!1', NOW_MS), 'value of inject!1');
    spool = await opened();
    assert.equal(await spool.recall('inject!1', NOW_MS), 'value of inject!1');
    assert.equal(await spool.recall('inject!2', NOW_MS), null);
    assert.deepEqual(await scannedIds(spool), [idOf(1)], 'a note is no message');
  });

  spoolTest('a note outlives its message, and is forgotten after its time', async (_, opened) => {
    const spool = await opened();
    for (let number = 0; number < 200; number++) {
      await accept(spool, idOf(number), `n${number}`, NOW_MS + number);
    }
    await spool.remove(anItem(idOf(150)));
    assert.equal(await spool.recall('n150', NOW_MS), 'value of n150');
    assert.equal(await spool.recall('n150', NOW_MS + 150), null, 'its time is over');
    await spool.forgetNotes(NOW_MS + 100);
    assert.equal(await spool.recall('n100', 0), null);
    assert.equal(await spool.recall('n101', 0), 'value of n101');
  });

  spoolTest('a note that is erased is gone, and its message is not', async (_, opened) => {
    let spool = await opened();
    await accept(spool, idOf(1), 'inject!1', NOW_MS + 1);
    await accept(spool, idOf(2), 'inject!2', NOW_MS + 1);
    await spool.eraseNotes(['inject!1', 'inject!3']);
    spool = await opened();
    assert.equal(await spool.recall('inject!1', NOW_MS), null);
    assert.equal(await spool.recall('inject!2', NOW_MS), 'value of inject!2');
    assert.deepEqual(await scannedIds(spool), [idOf(1), idOf(2)]);
  });
}
