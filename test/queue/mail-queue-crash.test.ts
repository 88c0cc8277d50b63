import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../base/eventually.js';
import type { ItemRecipient } from '../../src/queue/item.js';
import type { Route } from '../../src/queue/route-groups.js';
import { hostileTest } from '../hostile/rows.js';
import type { MemorySpool } from './memory-spool.js';
import { QueueBench } from './queue-bench.js';
import {
  aCapacity,
  aHop,
  aRecipient,
  aRoute,
  DEFERRED,
  DELIVERED,
  FAILED,
  HOP_FAULT,
  idOf,
  LOST_REPLY,
} from './samples.js';

/** An attempt that never comes to an end: the process dies in it. */
const FOR_EVER = (): Promise<never> => new Promise(() => undefined);

/** Ids of the messages that are attempted, in order. */
function ids(bench: QueueBench): string[] {
  return bench.attempts.map(({ queueId }) => queueId);
}

/** The first recipient of a message as it is stored. */
function stored(bench: QueueBench, number: number): Partial<ItemRecipient> {
  const found = bench.medium.messages.get(idOf(number));
  assert.ok(found !== undefined, `${number} is not stored`);
  const { recipients } = JSON.parse(found.item) as { recipients: ItemRecipient[] };
  return recipients[0] ?? {};
}

/** Dies as soon as it attempts one of these messages; takes the others. */
async function dyingOver(bench: QueueBench, ...deadly: number[]): Promise<void> {
  const over = deadly.map(idOf);
  let died = false;
  await bench.crash(({ message }) => {
    if (!over.includes(message.queueId)) return DELIVERED;
    died = true;
    return FOR_EVER();
  });
  // What is deferred and due is so at once.
  bench.clock.advance(0);
  if (over.some((id) => bench.queue.find(id) !== undefined && bench.medium.messages.has(id))) {
    await eventually('it died or has nothing to die over', () => died || inQuarantine(bench, over));
  }
  await bench.settledTurns();
}

function inQuarantine(bench: QueueBench, over: string[]): boolean {
  const kept = bench.queue.quarantined().map(({ queue_id: id }) => id);
  return over.every((id) => kept.includes(id) || bench.queue.find(id) === undefined);
}

hostileTest(
  'crashing-message',
  'a message that takes the process down is counted before each attempt, and kept at the start after the third',
  async () => {
    const bench = await QueueBench.started();
    bench.answer = FOR_EVER;
    await bench.accept(idOf(1));
    await eventually('it is under way', () => bench.attempts.length === 1);
    assert.equal(stored(bench, 1).unfinished, undefined, 'fresh mail is spared the write');
    for (const count of [1, 2, 3]) {
      await dyingOver(bench, 1);
      assert.deepEqual(ids(bench), [idOf(1)]);
      assert.equal(stored(bench, 1).unfinished, count, 'stored before the hop is asked');
    }
    await bench.crash();
    await bench.pass(600);
    assert.deepEqual(bench.attempts, []);
    assert.deepEqual(
      bench.queue.quarantined().map(({ queue_id: id, kind }) => [id, kind]),
      [[idOf(1), 'crashed']],
    );
    await bench.crash();
    assert.equal(bench.queue.quarantined().length, 1, 'it stays there');
  },
);

test('the count begins anew when an attempt has come to an end', async () => {
  const bench = await QueueBench.started();
  bench.answer = FOR_EVER;
  await bench.accept(idOf(1));
  await eventually('it is under way', () => bench.attempts.length === 1);
  for (const ended of [DEFERRED, HOP_FAULT, LOST_REPLY]) {
    await dyingOver(bench, 1);
    await dyingOver(bench, 1);
    assert.equal(stored(bench, 1).unfinished, 2, ended.kind);
    await bench.crash(() => ended);
    await bench.attempted(1);
    assert.equal(stored(bench, 1).unfinished, undefined, ended.kind);
    bench.answer = FOR_EVER;
    bench.clock.advance(60_000);
    await eventually('the next one is under way', () => bench.attempts.length === 2);
  }
});

hostileTest(
  'crashing-message',
  'messages that were under way beside it are cleared, and it is found out',
  async () => {
    const bench = await QueueBench.started();
    bench.capacity = aCapacity({ maxConnections: 10 });
    bench.answer = FOR_EVER;
    for (let number = 1; number <= 8; number++) await bench.accept(idOf(number));
    await eventually('all are under way', () => bench.attempts.length === 8);
    const lives: string[][] = [];
    for (let life = 0; life < 6; life++) {
      await dyingOver(bench, 5);
      lives.push(ids(bench));
    }
    assert.deepEqual(
      bench.queue.quarantined().map(({ queue_id: id, kind }) => [id, kind]),
      [[idOf(5), 'crashed']],
    );
    const sent = new Set(lives.flat());
    assert.deepEqual(
      [...sent].sort(),
      Array.from({ length: 8 }, (_, index) => idOf(index + 1)),
    );
    await bench.empty().catch(() => undefined);
    assert.equal(bench.medium.messages.size, 1, 'all others were delivered');
  },
);

test('of messages over which the process may have died one is attempted at a time, node-wide', async () => {
  const bench = await QueueBench.started();
  bench.capacity = aCapacity({ maxConnections: 10 });
  bench.routeOf = (_, { address }) => aRoute(aHop(address.split('@')[0] ?? ''));
  const to = (hop: string) => ({ recipients: [aRecipient(`${hop}@b.example`)] });
  bench.answer = FOR_EVER;
  for (const number of [1, 2, 3]) await bench.accept(idOf(number), to(`hop${number}`));
  await eventually('all are under way', () => bench.attempts.length === 3);
  // In this life they are counted, in the next one they are suspects.
  await bench.crash(FOR_EVER);
  await bench.settledTurns();
  const ends: Array<() => void> = [];
  await bench.crash(() => new Promise((resolve) => ends.push(() => resolve(DELIVERED))));
  await bench.settledTurns();
  await bench.accept(idOf(4), to('hop1'));
  await bench.settledTurns();
  assert.deepEqual(ids(bench), [1, 4].map(idOf), 'fresh mail does not wait for them');
  for (const [index, expected] of [
    [0, [1, 4, 2]],
    [2, [1, 4, 2, 3]],
  ] as const) {
    ends[index]?.();
    await eventually('the next one', () => bench.attempts.length === expected.length);
    await bench.settledTurns();
    assert.deepEqual(ids(bench), expected.map(idOf));
  }
  ends.forEach((end) => end());
  await bench.empty();
});

test('a suspect that waits for its turn goes when a faulty hop holds up the one before it', async () => {
  const bench = await QueueBench.started();
  bench.answer = FOR_EVER;
  bench.capacity = aCapacity({ maxConnections: 10 });
  bench.routeOf = (_, { address }) => aRoute(aHop(address.split('@')[0] ?? ''));
  for (const hop of ['down', 'well']) {
    await bench.accept(idOf(hop.length + Number(hop === 'well')), {
      recipients: [aRecipient(`${hop}@b.example`)],
    });
  }
  await eventually('both are under way', () => bench.attempts.length === 2);
  await bench.crash(FOR_EVER);
  await bench.settledTurns();
  await bench.crash(({ nextHop }) => (nextHop.name === 'down' ? HOP_FAULT : DELIVERED));
  await bench.pass(0);
  assert.deepEqual(
    bench.attempts.map(({ hop }) => hop),
    ['down', 'well'],
  );
  assert.equal(bench.medium.messages.size, 1);
});

hostileTest(
  'crashing-message',
  'recipients that go different ways are counted apart: what kills at one hop is found out although another one refuses',
  async () => {
    const bench = await QueueBench.started();
    bench.routeOf = (_, { address }) => aRoute(aHop(address.split('@')[0] ?? ''));
    bench.answer = ({ nextHop }) => (nextHop.name === 'down' ? HOP_FAULT : FOR_EVER());
    const recipients = ['down', 'deadly'].map((hop) => aRecipient(`${hop}@b.example`));
    await bench.accept(idOf(1), { recipients });
    await eventually('both were asked', () => bench.attempts.length === 2);
    for (let life = 0; life < 4; life++) {
      await bench.crash(({ nextHop }) => (nextHop.name === 'down' ? HOP_FAULT : FOR_EVER()));
      await bench.settledTurns();
    }
    const [kept] = bench.queue.quarantined();
    assert.equal(kept?.kind, 'crashed');
    assert.deepEqual(
      kept.recipients.map(({ address }) => address),
      ['deadly@b.example'],
    );
    bench.answer = () => DELIVERED;
    await bench.pass(10);
    assert.deepEqual(bench.attempts.at(-1)?.recipients, ['down@b.example']);
  },
);

/** Two hops, of which the first is at fault: mail goes to the second one. */
async function pool(): Promise<QueueBench> {
  const bench = await QueueBench.started();
  const routes = ['one', 'two'].map((name) => aRoute(aHop(name), { movable: true }));
  bench.routeOf = (_, { doubtAt }, isWell): Route | null => {
    const doubted = routes.find(({ queue }) => queue === doubtAt?.queue);
    if (doubted !== undefined) return { ...doubted, movable: false };
    return routes.find(({ queue }) => isWell(queue)) ?? routes[0] ?? null;
  };
  return bench;
}

function hops(bench: QueueBench): Array<[hop: string, onlyHost: string | null]> {
  return bench.attempts.map(({ hop, onlyHost }) => [hop, onlyHost]);
}

hostileTest(
  'kill',
  'what a hop of several was asked to take when the process died goes nowhere else',
  async () => {
    const bench = await pool();
    bench.answer = ({ nextHop }) => (nextHop.name === 'one' ? HOP_FAULT : FOR_EVER());
    await bench.accept(idOf(1));
    await eventually('the second one was asked', () => bench.attempts.length === 2);
    assert.deepEqual(stored(bench, 1).doubtAt, { queue: 'two', host: '127.0.0.1' });
    // Now the first one is well, and the second one is not.
    await bench.crash(({ nextHop }) => (nextHop.name === 'two' ? HOP_FAULT : DELIVERED));
    for (let count = 0; count < 5; count++) await bench.pass(80);
    assert.ok(bench.attempts.length > 3);
    assert.ok(
      hops(bench).every(([hop, only]) => hop === 'two' && only === '127.0.0.1'),
      JSON.stringify(hops(bench)),
    );
    await bench.restart(() => DELIVERED);
    await bench.empty();
    assert.deepEqual(hops(bench), [['two', '127.0.0.1']]);
  },
);

hostileTest(
  'kill',
  'the mark is on the medium before the hop is asked; a count alone need not be',
  async () => {
    const bench = await pool();
    const synced: Array<boolean | undefined> = [];
    const watched = (spool: MemorySpool): void => {
      const update = spool.update.bind(spool);
      spool.update = (item, options) => {
        synced.push(options?.sync);
        return update(item);
      };
    };
    watched(bench.spool);
    bench.answer = () => {
      synced.push(undefined);
      return FOR_EVER();
    };
    await bench.accept(idOf(1));
    await eventually('it is asked', () => bench.attempts.length === 1);
    assert.deepEqual(synced, [true, undefined], 'stored, and then asked');
    synced.length = 0;
    bench.routeOf = () => aRoute(aHop('one'));
    bench.beforeStart = watched;
    await bench.crash(FOR_EVER);
    await eventually('it is asked', () => bench.attempts.length === 1);
    assert.deepEqual(synced, [false]);
  },
);

test('a reply that does not say whether the hop has it leaves it there, another one ends the doubt', async () => {
  const bench = await pool();
  bench.answer = ({ nextHop }) => (nextHop.name === 'one' ? HOP_FAULT : FOR_EVER());
  await bench.accept(idOf(1));
  await eventually('the second one was asked', () => bench.attempts.length === 2);
  await bench.crash(() => DEFERRED);
  await bench.attempted(1);
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : FAILED);
  await bench.pass(60);
  await bench.empty();
  assert.deepEqual(hops(bench), [
    ['two', '127.0.0.1'],
    ['two', '127.0.0.1'],
    ['one', null],
  ]);
});

test('an attempt that ends before anything was offered leaves no mark', async () => {
  const bench = await pool();
  bench.answer = () => HOP_FAULT;
  await bench.accept(idOf(1));
  await bench.attempted(2);
  assert.equal(stored(bench, 1).doubtAt, undefined);
  await bench.crash(() => DELIVERED);
  await bench.empty();
  assert.deepEqual(hops(bench), [['one', null]]);
});

hostileTest('hop-lost', 'a lost reply holds a message to its hop, also over a crash', async () => {
  const bench = await pool();
  bench.answer = ({ nextHop }) => (nextHop.name === 'one' ? HOP_FAULT : LOST_REPLY);
  await bench.accept(idOf(1));
  await bench.attempted(2);
  await bench.crash(({ nextHop }) => (nextHop.name === 'two' ? HOP_FAULT : DELIVERED));
  for (let count = 0; count < 3; count++) await bench.pass(80);
  assert.ok(hops(bench).every(([hop]) => hop === 'two'));
});

hostileTest('kill', 'a report and what it reports survive a death at any moment', async () => {
  const bench = await QueueBench.started();
  bench.answer = FOR_EVER;
  await bench.accept(idOf(1));
  await eventually('it is under way', () => bench.attempts.length === 1);
  let reports = 0;
  await bench.crash(({ message }) => {
    if (message.sender !== '') return FAILED;
    reports++;
    return FOR_EVER();
  });
  await eventually('the report is under way', () => reports === 1);
  await bench.crash(({ message }) => (message.sender === '' ? DELIVERED : FAILED));
  await bench.empty();
  assert.equal(bench.attempts.length, 1, 'the report alone');
  assert.equal(bench.attempts[0]?.sender, '');
});
