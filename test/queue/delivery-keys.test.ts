import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DeliveryKeys,
  type Accepted,
  type HandedOver,
  type Siblings,
} from '../../src/queue/delivery-keys.js';
import { InlineBody } from '../../src/queue/inline-body.js';
import type { Item } from '../../src/queue/item.js';
import type { DeliveryKey } from '../../src/queue/spool.js';
import { MemoryMedium, MemorySpool } from './memory-spool.js';
import { anItem, aRecipient, idOf } from './samples.js';

const BODY = new InlineBody([Buffer.alloc(0)]);

/** What the sender of the tests calls its message. */
const HANDED_OVER = { node: 'edge', queueId: idOf(77) };

/** One acceptance, and what of the item was to be stored. */
interface Taking {
  accepted: Promise<Accepted>;
  item: Item;
}

class KeysBench {
  readonly medium = new MemoryMedium();
  readonly spool = new MemorySpool(this.medium);
  readonly keys: DeliveryKeys;
  /** Addresses that were stored, one list for each time. */
  readonly stored: string[][] = [];
  /** What each store waits for, and whether it fails then. */
  storing: (item: Item) => Promise<void> = () => Promise.resolve();

  constructor(siblings: Siblings | null = null) {
    this.keys = new DeliveryKeys(this.spool, { monotonicMs: () => 0 }, siblings);
  }

  take(number: number, addresses: string[], handedOver: HandedOver = HANDED_OVER): Taking {
    const { node, queueId } = handedOver;
    const recipients = addresses.map((address) => aRecipient(address));
    const item = anItem(idOf(number), { recipients });
    const store = async (keys: readonly DeliveryKey[]): Promise<void> => {
      const own = item.recipients.map(({ address }) => address);
      assert.deepEqual(
        keys,
        own.map((recipient) => ({ node, queueId, recipient })),
      );
      await this.storing(item);
      await this.spool.accept(item, BODY, { keys });
      this.stored.push(own);
    };
    return { accepted: this.keys.once(item, handedOver, store), item };
  }
}

test('what comes for the first time is stored as it is, with a key for each recipient', async () => {
  const bench = new KeysBench();
  const { accepted } = bench.take(1, ['a', 'b']);
  assert.deepEqual(await accepted, { queueId: idOf(1), repeated: false });
  assert.deepEqual(bench.stored, [['a', 'b']]);
  assert.equal(bench.medium.keys.size, 2);
});

test('what comes again is not stored, and has the id of the first time', async () => {
  const bench = new KeysBench();
  await bench.take(1, ['a', 'b']).accepted;
  const again = bench.take(2, ['a', 'b']);
  assert.deepEqual(await again.accepted, { queueId: idOf(1), repeated: true });
  const part = bench.take(3, ['b']);
  assert.deepEqual(await part.accepted, { queueId: idOf(1), repeated: true });
  assert.equal(bench.stored.length, 1);
});

test('of what comes again with more recipients only those are stored, and become known too', async () => {
  const bench = new KeysBench();
  await bench.take(1, ['a', 'b']).accepted;
  const more = bench.take(2, ['c', 'a', 'd', 'b']);
  assert.deepEqual(await more.accepted, { queueId: idOf(2), repeated: false });
  assert.deepEqual(
    more.item.recipients.map(({ address }) => address),
    ['c', 'd'],
  );
  const all = bench.take(3, ['a', 'b', 'c', 'd']);
  assert.equal((await all.accepted).repeated, true);
  assert.deepEqual(bench.stored, [
    ['a', 'b'],
    ['c', 'd'],
  ]);
});

test('a recipient that is named twice gets two copies, as it would from anybody else, and no more', async () => {
  const bench = new KeysBench();
  await bench.take(1, ['a', 'a']).accepted;
  assert.deepEqual(bench.stored, [['a', 'a']]);
  assert.equal((await bench.take(2, ['a', 'a']).accepted).repeated, true);
  const more = bench.take(3, ['a', 'b', 'a']);
  assert.equal((await more.accepted).repeated, false);
  assert.deepEqual(bench.stored.at(-1), ['b']);
});

test('the same id of another node is another message, and so is another id of the same', async () => {
  const bench = new KeysBench();
  await bench.take(1, ['a']).accepted;
  const others = [
    { node: 'other', queueId: HANDED_OVER.queueId },
    { node: 'edge', queueId: idOf(78) },
    { node: 'edge 01', queueId: idOf(77) },
  ];
  for (const [index, handedOver] of others.entries()) {
    const { accepted } = bench.take(2 + index, ['a'], handedOver);
    assert.deepEqual(await accepted, { queueId: idOf(2 + index), repeated: false });
  }
  assert.equal(bench.stored.length, 4);
});

test('addresses are compared letter by letter', async () => {
  const bench = new KeysBench();
  await bench.take(1, ['smith@b.example']).accepted;
  const { accepted } = bench.take(2, ['Smith@b.example']);
  assert.equal((await accepted).repeated, false);
});

test('of two at once the second one waits for the first, and is a repeat of it', async () => {
  const bench = new KeysBench();
  let go: () => void = () => undefined;
  const written = new Promise<void>((resolve) => (go = resolve));
  bench.storing = () => written;
  const first = bench.take(1, ['a']);
  const second = bench.take(2, ['a']);
  const third = bench.take(3, ['a']);
  await turns();
  assert.equal(bench.stored.length, 0);
  go();
  const all = await Promise.all([first, second, third].map(({ accepted }) => accepted));
  assert.deepEqual(
    all.map(({ queueId, repeated }) => [queueId, repeated]),
    [
      [idOf(1), false],
      [idOf(1), true],
      [idOf(1), true],
    ],
  );
  assert.equal(bench.stored.length, 1);
});

test('of two at once the second one is stored when the first could not be', async () => {
  const bench = new KeysBench();
  bench.storing = (item) =>
    item.id === idOf(1) ? Promise.reject(new Error('refused')) : Promise.resolve();
  const first = bench.take(1, ['a', 'b']);
  const second = bench.take(2, ['a']);
  await assert.rejects(first.accepted, /refused/);
  assert.deepEqual(await second.accepted, { queueId: idOf(2), repeated: false });
  assert.deepEqual(bench.stored, [['a']]);
  const third = bench.take(3, ['a', 'b']);
  assert.deepEqual(await third.accepted, { queueId: idOf(3), repeated: false });
  assert.deepEqual(bench.stored, [['a'], ['b']]);
});

test('different messages do not wait for each other', async () => {
  const bench = new KeysBench();
  bench.storing = (item) =>
    item.id === idOf(1) ? new Promise(() => undefined) : Promise.resolve();
  void bench.take(1, ['a']).accepted;
  await bench.take(2, ['a'], { node: 'edge', queueId: idOf(78) }).accepted;
  await bench.take(3, ['a'], { node: 'other', queueId: HANDED_OVER.queueId }).accepted;
  assert.deepEqual(bench.stored, [['a'], ['a']]);
});

test('a spool that cannot be asked takes nothing, and the next one is asked again', async () => {
  const bench = new KeysBench();
  const findKeys = bench.spool.findKeys.bind(bench.spool);
  bench.spool.findKeys = () => Promise.reject(new Error('not readable'));
  await assert.rejects(bench.take(1, ['a']).accepted, /not readable/);
  bench.spool.findKeys = findKeys;
  assert.equal((await bench.take(2, ['a']).accepted).repeated, false);
  assert.deepEqual(bench.stored, [['a']]);
});

async function turns(): Promise<void> {
  for (let count = 0; count < 5; count++) await new Promise((resolve) => setImmediate(resolve));
}

/** Siblings that say what they have, once the test lets them. */
class ScriptedSiblings implements Siblings {
  asked = 0;
  known: Array<string | null> = [];
  until: Promise<unknown> = Promise.resolve();

  async whileAsked<T>(
    _handedOver: HandedOver,
    recipients: readonly string[],
    take: (known: ReadonlyArray<string | null>) => Promise<T>,
  ): Promise<T> {
    this.asked++;
    await this.until;
    return take(recipients.map((_, index) => this.known[index] ?? null));
  }
}

const DOUBTED = { ...HANDED_OVER, doubt: true };

test('only where the sender doubts are siblings asked, and what they have is not stored', async () => {
  const siblings = new ScriptedSiblings();
  const bench = new KeysBench(siblings);
  await bench.take(1, ['a']).accepted;
  assert.equal(siblings.asked, 0);
  siblings.known = ['ELSEWHERE'];
  const other = { node: 'edge', queueId: idOf(78), doubt: true };
  const part = bench.take(2, ['a', 'b'], other);
  assert.deepEqual(await part.accepted, { queueId: idOf(2), repeated: false });
  assert.deepEqual(bench.stored, [['a'], ['b']]);
  siblings.known = ['ELSEWHERE', 'ELSEWHERE'];
  const again = bench.take(3, ['a', 'c'], other);
  assert.deepEqual(await again.accepted, { queueId: 'ELSEWHERE', repeated: true });
  assert.equal(siblings.asked, 2);
});

test('a sibling that looks waits for what is being stored, and from then on is asked as well', async () => {
  const siblings = new ScriptedSiblings();
  const bench = new KeysBench(siblings);
  const writing = withResolvers();
  const begun = withResolvers();
  bench.storing = () => {
    begun.resolve();
    return writing.promise;
  };
  const { accepted } = bench.take(1, ['a']);
  await begun.promise;
  const looked = bench.keys.look(HANDED_OVER, ['a', 'b']);
  writing.resolve();
  assert.deepEqual(await looked, [idOf(1), null]);
  await accepted;
  siblings.known = [null, 'ELSEWHERE'];
  const late = bench.take(2, ['a', 'b']);
  assert.deepEqual(await late.accepted, { queueId: idOf(1), repeated: true });
  assert.equal(siblings.asked, 1);
});

test('what was looked for before it came asks its siblings', async () => {
  const siblings = new ScriptedSiblings();
  const bench = new KeysBench(siblings);
  siblings.known = ['ELSEWHERE'];
  assert.deepEqual(await bench.keys.look(HANDED_OVER, ['a']), [null]);
  const { accepted } = bench.take(1, ['a']);
  assert.deepEqual(await accepted, { queueId: 'ELSEWHERE', repeated: true });
});

test('what waits for its siblings is no reason to wait for it', async () => {
  const siblings = new ScriptedSiblings();
  const bench = new KeysBench(siblings);
  const answer = withResolvers();
  siblings.until = answer.promise;
  const { accepted } = bench.take(1, ['a'], DOUBTED);
  assert.deepEqual(await bench.keys.look(HANDED_OVER, ['a']), [null]);
  siblings.known = ['ELSEWHERE'];
  answer.resolve();
  assert.deepEqual(await accepted, { queueId: 'ELSEWHERE', repeated: true });
});

test('a sibling that cannot be asked is a reason to store nothing, and the next time may succeed', async () => {
  const siblings = new ScriptedSiblings();
  const bench = new KeysBench(siblings);
  siblings.until = Promise.reject(new Error('not there'));
  await assert.rejects(bench.take(1, ['a'], DOUBTED).accepted, /not there/);
  assert.deepEqual(bench.stored, []);
  siblings.until = Promise.resolve();
  assert.equal((await bench.take(2, ['a'], DOUBTED).accepted).repeated, false);
});

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
