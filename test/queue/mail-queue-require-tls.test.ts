import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leastSecurity } from '../../src/queue/route-query.js';
import type { ChooseRoute } from '../../src/queue/route-groups.js';
import type { Outcome } from '../../src/send/outcome.js';
import { QueueBench } from './queue-bench.js';
import { reportsIn, told } from './report-bench.js';
import {
  aHop,
  anItem,
  aRoute,
  aRecipient,
  DEFERRED,
  DELIVERED,
  HOP_FAULT,
  idOf,
} from './samples.js';

/* RFC 8689: what REQUIRETLS means for the queue. */

const UNFIT: Outcome = {
  kind: 'failed',
  inTransaction: false,
  code: null,
  enhanced: '5.7.30',
  text: 'REQUIRETLS support required, and the next hop does not offer it',
  unfit: true,
};

/** The first of the queues that is well and fit, else the first that is fit, else the first. */
function firstOf(
  ...queues: string[]
): (...asked: Parameters<ChooseRoute>) => ReturnType<ChooseRoute> {
  return (_item, { unfitQueues = [], doubtAt }, isWell) => {
    const fit = queues.filter((queue) => !unfitQueues.includes(queue));
    const chosen = doubtAt?.queue ?? fit.find(isWell) ?? fit[0] ?? queues[0] ?? '';
    return aRoute(aHop(chosen), { movable: true });
  };
}

const hops = (bench: QueueBench): string[] => bench.attempts.map(({ hop }) => hop);

test('a message that its hop is unfit for comes back at once, by a report that asks for TLS too', async () => {
  const bench = await QueueBench.started();
  const demands: boolean[] = [];
  bench.answer = ({ message }) => {
    demands.push(message.requireTls);
    return message.sender === '' ? DELIVERED : UNFIT;
  };
  const text = 'Subject: secret\r\n\r\nthe words of the body\r\n';
  await bench.accept(idOf(1), { requireTls: true, ret: 'FULL' }, text);
  await bench.attempted(2);
  assert.deepEqual(demands, [true, true]);
  assert.deepEqual(told(bench.bounce), ['rfc822; one@b.example failed 5.7.30']);
  assert.match(bench.bounce.body ?? '', /Subject: secret/);
  assert.doesNotMatch(bench.bounce.body ?? '', /the words of the body/, 'RET=FULL does not count');
  await bench.empty();
});

test('other mail of the queue is not held up by it, and no pause comes of it', async () => {
  const bench = await QueueBench.started();
  bench.answer = ({ message }) => (message.requireTls && message.sender !== '' ? UNFIT : DELIVERED);
  for (let number = 1; number <= 6; number++) {
    await bench.accept(idOf(number), number % 2 === 0 ? { requireTls: true } : {});
  }
  await bench.empty();
  assert.equal(bench.clock.monotonicMs(), 0, 'nothing waited for anything');
  assert.equal(reportsIn(bench).length, 3);
});

test('a hop that is unfit is passed over, at no cost, while there is another one', async () => {
  const bench = await QueueBench.started();
  bench.routeOf = firstOf('a', 'b', 'c');
  bench.answer = (_request, { hop }) => (hop === 'c' ? DELIVERED : UNFIT);
  const item = await bench.accept(idOf(1), { requireTls: true });
  await bench.empty();
  assert.deepEqual(hops(bench), ['a', 'b', 'c']);
  assert.equal(item.recipients[0]?.attempts, 1);
  await bench.accept(idOf(2));
  await bench.attempted(4);
  assert.equal(hops(bench)[3], 'a', 'it is no worse for others');
});

test('when every hop is unfit the message comes back, once', async () => {
  const bench = await QueueBench.started();
  bench.routeOf = firstOf('a', 'b');
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : UNFIT);
  await bench.accept(idOf(1), { requireTls: true });
  await bench.attempted(3);
  assert.deepEqual(hops(bench), ['a', 'b', 'a']);
  assert.deepEqual(told(bench.bounce), ['rfc822; one@b.example failed 5.7.30']);
  await bench.empty();
});

test('it waits for a hop at fault that may be fit, and never goes to the one that is not', async () => {
  const bench = await QueueBench.started();
  bench.routeOf = firstOf('a', 'b');
  let healed = false;
  bench.answer = (_request, { hop }) => (hop === 'a' ? UNFIT : healed ? DELIVERED : HOP_FAULT);
  await bench.accept(idOf(1), { requireTls: true });
  await bench.attempted(2);
  for (let pauses = 0; pauses < 3; pauses++) await bench.pass(80);
  assert.deepEqual([hops(bench)[0], new Set(hops(bench).slice(1))], ['a', new Set(['b'])]);
  healed = true;
  await bench.pass(80);
  await bench.empty();
});

test('after a wait of its own all hops are asked anew, and so they are after a reload', async () => {
  const bench = await QueueBench.started();
  bench.routeOf = firstOf('a', 'b');
  const answers: Record<string, Outcome> = { a: UNFIT, b: DEFERRED };
  bench.answer = (_request, { hop }) => answers[hop] ?? DELIVERED;
  await bench.accept(idOf(1), { requireTls: true });
  await bench.attempted(2);
  answers['b'] = HOP_FAULT;
  await bench.pass(60);
  assert.deepEqual(hops(bench), ['a', 'b', 'a', 'b']);
  answers['a'] = DELIVERED;
  bench.queue.reload(bench.settings);
  await bench.empty();
  assert.equal(hops(bench).at(-1), 'a');
});

test('an unfit hop that may have the message is not left for another one', async () => {
  const bench = await QueueBench.started();
  bench.routeOf = firstOf('a', 'b');
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : UNFIT);
  const doubtAt = { queue: 'a', host: '127.0.0.1' };
  await bench.accept(idOf(1), {
    requireTls: true,
    recipients: [aRecipient('one@b.example', { doubtAt })],
  });
  await bench.attempted(2);
  assert.deepEqual(hops(bench), ['a', 'a'], 'the second one is the report');
});

test('a hop at fault is not taken for well because it is unfit for one message', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => HOP_FAULT;
  const quiet = aRecipient('one@b.example', { notify: 'NEVER' });
  await bench.accept(idOf(1), { requireTls: true, recipients: [quiet] });
  await bench.attempted(1);
  await bench.accept(idOf(2));
  bench.answer = ({ message }) => (message.requireTls ? UNFIT : HOP_FAULT);
  await bench.pass(10);
  assert.equal(bench.attempts.length, 3, 'the other one is the next probe, at once');
  await bench.pass(10);
  assert.equal(
    bench.attempts.length,
    3,
    'its fault is the second in a row, so the pause is longer',
  );
  bench.answer = () => DELIVERED;
  await bench.pass(10);
  await bench.empty();
});

test('what the message asks of its hop: verified TLS; a report what the hop has', () => {
  const settings = { security: 'required' } as const;
  assert.equal(leastSecurity(anItem('1', { requireTls: true, settings })), 'verified');
  assert.equal(leastSecurity(anItem('1', { settings })), 'required');
  assert.equal(leastSecurity(anItem('1', { requireTls: true, sender: '' })), undefined);
  assert.equal(leastSecurity(anItem('1')), undefined);
});

test('a crash keeps it with the message and with its report', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => HOP_FAULT;
  await bench.accept(idOf(1), { requireTls: true });
  await bench.attempted(1);
  const seen: Array<[sender: string, requireTls: boolean]> = [];
  await bench.crash(({ message }) => {
    seen.push([message.sender, message.requireTls]);
    return message.sender === '' ? HOP_FAULT : UNFIT;
  });
  await bench.attempted(2);
  await bench.crash(({ message }) => {
    seen.push([message.sender, message.requireTls]);
    return DELIVERED;
  });
  await bench.empty();
  const sender = 'sender@a.example';
  assert.deepEqual(seen, [
    [sender, true],
    ['', true],
    ['', true],
  ]);
});
