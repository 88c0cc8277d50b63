import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Item } from '../../src/queue/item.js';
import type { Route } from '../../src/queue/route-groups.js';
import { QueueBench, SETTINGS } from './queue-bench.js';
import {
  aCapacity,
  aHop,
  aRecipient,
  aRoute,
  DEFERRED,
  DELIVERED,
  HOP_FAULT,
  idOf,
} from './samples.js';

const NUMBERS = Array.from({ length: 12 }, (_, index) => index + 1);
const IDS = NUMBERS.map(idOf);

/** A queue of which only two messages stay in memory, and whose hop takes one at a time. */
async function startedSmall(): Promise<QueueBench> {
  const bench = await QueueBench.started({}, {}, 2);
  bench.capacity = aCapacity({ maxConnections: 1 });
  return bench;
}

/** The same, with all messages waiting for the hop at fault. */
async function filled(changes: Partial<Item> = {}): Promise<{ bench: QueueBench; items: Item[] }> {
  const bench = await startedSmall();
  bench.answer = () => HOP_FAULT;
  const items: Item[] = [];
  for (const id of IDS) items.push(await bench.accept(id, changes));
  await bench.attempted(1);
  return { bench, items };
}

function parkedOf(bench: QueueBench, items: readonly Item[]): string[] {
  return items.filter((item) => bench.queue.find(item.id) !== item).map(({ id }) => id);
}

function attemptedIds(bench: QueueBench): string[] {
  return bench.attempts.map(({ queueId }) => queueId);
}

test('all but the first messages of a queue leave memory, and are delivered in their order, whole', async () => {
  const { bench, items } = await filled();
  assert.deepEqual(parkedOf(bench, items).length, 10);
  assert.equal(bench.shown.ready, 12);
  assert.equal(bench.queue.size, 12);
  bench.attempts.length = 0;
  bench.answer = () => DELIVERED;
  await bench.pass(10);
  await bench.empty();
  assert.deepEqual(attemptedIds(bench), IDS);
  for (const { queueId, body, doubt } of bench.attempts) {
    assert.deepEqual([body, doubt], [`Subject: ${queueId}\r\n\r\nbody\r\n`, false]);
  }
});

test('what was found at the start is marked as doubtful, also when it left memory meanwhile', async () => {
  const { bench } = await filled();
  await bench.crash(() => HOP_FAULT);
  await bench.attempted(1);
  assert.equal(bench.queue.size, 12);
  bench.attempts.length = 0;
  bench.answer = () => DELIVERED;
  await bench.pass(10);
  await bench.empty();
  assert.deepEqual(attemptedIds(bench), IDS);
  assert.ok(bench.attempts.every(({ doubt }) => doubt));
});

test('deferred messages leave memory and are tried again in time, with their attempts counted', async () => {
  const bench = await startedSmall();
  bench.answer = () => DEFERRED;
  const items: Item[] = [];
  for (const id of IDS) items.push(await bench.accept(id));
  await bench.attempted(12);
  assert.equal(bench.shown.deferred, 12);
  assert.equal(parkedOf(bench, items).length, 10);
  assert.deepEqual(
    IDS.map((id) => bench.queue.queued(id)?.recipients[0]?.attempts),
    IDS.map(() => 1),
  );
  await bench.pass(60);
  await bench.attempted(24);
  assert.equal(bench.shown.deferred, 12);
  assert.equal(bench.queue.queued(IDS[11] ?? '')?.recipients[0]?.attempts, 2);
  bench.attempts.length = 0;
  bench.answer = () => DELIVERED;
  assert.ok(bench.queue.control('(smarthost)', 'retry'));
  await bench.empty();
  assert.deepEqual(attemptedIds(bench).toSorted(), IDS);
});

test('what is not in memory expires in its time, whatever the wall clock says', async () => {
  const { bench } = await filled();
  bench.clock.setWall(bench.clock.nowMs() + 2 * 3600_000);
  bench.attempts.length = 0;
  await bench.pass(80);
  assert.deepEqual(
    bench.attempts.filter(({ sender }) => sender === ''),
    [],
  );
  for (let round = 0; round < 60; round++) await bench.pass(60);
  bench.answer = () => DELIVERED;
  for (let round = 0; round < 3; round++) await bench.pass(80);
  await bench.empty();
  const bounces = bench.attempts.filter(({ sender }) => sender === '');
  assert.equal(new Set(bounces.map(({ queueId }) => queueId)).size, 12);
});

test('an operator finds, lists, holds, releases, retries and deletes what is not in memory', async () => {
  const { bench, items } = await filled();
  const parked = parkedOf(bench, items);
  const [held = '', retried = '', deleted = ''] = parked;
  assert.equal(bench.queue.queued(held)?.recipients[0]?.state, 'ready');
  assert.equal(bench.queue.waiting(held)[0]?.queue, '(smarthost)');
  const shown: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page = bench.queue.messagesIn('(smarthost)', 5, cursor);
    shown.push(...(page?.messages ?? []).map(({ queue_id: id }) => id));
    cursor = page?.nextCursor ?? null;
  }
  assert.deepEqual(shown, IDS);
  assert.equal((await bench.queue.actOn(held, 'hold')).done, true);
  assert.deepEqual([bench.shown.held, bench.shown.ready], [1, 11]);
  assert.equal((await bench.queue.actOn(deleted, 'delete')).done, true);
  assert.equal(bench.queue.find(deleted), undefined);
  bench.attempts.length = 0;
  bench.answer = () => DELIVERED;
  assert.equal((await bench.queue.actOn(retried, 'retry')).done, true);
  await bench.attempted(10);
  assert.equal(attemptedIds(bench)[0], retried);
  assert.equal((await bench.queue.actOn(held, 'release')).done, true);
  await bench.empty();
  assert.deepEqual(
    attemptedIds(bench).toSorted(),
    IDS.filter((id) => id !== deleted),
  );
});

test('a reload sends what is not in memory to its new hop', async () => {
  const { bench } = await filled();
  bench.attempts.length = 0;
  bench.answer = ({ nextHop }) => (nextHop.name === 'core' ? HOP_FAULT : DELIVERED);
  bench.routeOf = () => aRoute(aHop('other'));
  bench.queue.reload(SETTINGS);
  await bench.empty();
  assert.deepEqual(new Set(bench.attempts.map(({ hop }) => hop)), new Set(['other']));
  assert.deepEqual(attemptedIds(bench).toSorted(), IDS);
});

test('of several hops the next one gets what waits for one at fault, in memory or not', async () => {
  const bench = await startedSmall();
  const hops = ['a', 'b'].map((name) => aHop(name));
  bench.routeOf = (_item, _recipient, isWell): Route => {
    const hop = hops.find(({ name }) => isWell(name)) ?? hops[0]!;
    return aRoute(hop, { movable: true, capacity: aCapacity({ maxConnections: 1 }) });
  };
  let fail: () => void = () => undefined;
  bench.answer = (_request, { hop }) =>
    hop === 'a' ? new Promise((resolve) => (fail = () => resolve(HOP_FAULT))) : DELIVERED;
  for (const id of IDS) await bench.accept(id);
  bench.answer = (_request, { hop }) => (hop === 'a' ? HOP_FAULT : DELIVERED);
  fail();
  await bench.empty();
  assert.deepEqual(new Set(bench.attempts.slice(1).map(({ hop }) => hop)), new Set(['b']));
});

test('a record that has become unreadable is shown in quarantine, and holds up nobody', async () => {
  const { bench, items } = await filled();
  const [lost = ''] = parkedOf(bench, items);
  Object.assign(bench.medium.messages.get(lost) ?? {}, { damaged: true });
  bench.answer = () => DELIVERED;
  await bench.pass(10);
  await bench.quiet();
  assert.equal(bench.queue.size, 0);
  assert.equal(bench.queue.bytes, 0);
  assert.deepEqual(
    bench.queue.quarantined().map(({ queue_id: id, kind }) => [id, kind]),
    [[lost, 'corrupt']],
  );
});

test('while nothing can be read the message waits, in its place', async () => {
  const { bench } = await filled();
  const peek = bench.spool.peek.bind(bench.spool);
  bench.spool.peek = () => {
    throw new Error('Input/output error');
  };
  bench.attempts.length = 0;
  bench.answer = () => DELIVERED;
  await bench.pass(10);
  assert.deepEqual(attemptedIds(bench), IDS.slice(0, 2));
  bench.spool.peek = peek;
  await bench.pass(1);
  await bench.empty();
  assert.deepEqual(attemptedIds(bench), IDS);
});

test('what wants to hear of its delay stays in memory, as does what goes several ways', async () => {
  const told = await filled({
    recipients: [aRecipient('one@b.example', { notify: 'FAILURE,DELAY' })],
  });
  assert.deepEqual(parkedOf(told.bench, told.items), []);
  const bench = await startedSmall();
  bench.answer = () => HOP_FAULT;
  bench.routeOf = (_item, { address }) => aRoute(aHop(address));
  const recipients = ['one', 'two'].map((name) => aRecipient(name));
  const items: Item[] = [];
  for (const id of IDS)
    items.push(await bench.accept(id, { recipients: structuredClone(recipients) }));
  assert.deepEqual(parkedOf(bench, items), []);
});
