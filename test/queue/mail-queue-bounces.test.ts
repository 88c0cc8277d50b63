import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InlineBody } from '../../src/queue/inline-body.js';
import type { AlsoDurable, FinishedBody } from '../../src/queue/spool.js';
import type { Item, ItemRecipient } from '../../src/queue/item.js';
import { eventually } from '../base/eventually.js';
import { hostileTest } from '../hostile/rows.js';
import { QueueBench } from './queue-bench.js';
import {
  anItem,
  aRecipient,
  DEFERRED,
  DELIVERED,
  FAILED,
  HOP_FAULT,
  idOf,
  NOW_MS,
  outcome,
  UNREADABLE,
} from './samples.js';

/** Refuses the message and takes the report on it. */
async function refusing(failure = FAILED): Promise<QueueBench> {
  const bench = await QueueBench.started();
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : failure);
  return bench;
}

test('a refusal is reported to the sender, in the same trace, and both messages are gone', async () => {
  const bench = await refusing();
  const item = await bench.accept(idOf(1));
  await bench.attempted(2);
  await bench.empty();
  const { recipients, body, queueId } = bench.bounce;
  assert.deepEqual(recipients, ['sender@a.example']);
  assert.match(body ?? '', /core said: 550 5\.1\.1 no such user here/);
  assert.match(body ?? '', /Status: 5\.1\.1/);
  assert.match(body ?? '', new RegExp(`Subject: ${idOf(1)}`));
  const record = bench.trace.records.get(queueId);
  assert.equal(record?.bounce_of, idOf(1));
  assert.equal(record.trace_id, item.trace.traceId);
  assert.equal(record.parent_span_id, item.trace.spanId);
});

test('a bounce that fails is not bounced, and nobody hears of what asked not to be reported', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => FAILED;
  await bench.accept(idOf(1), { sender: '' });
  await bench.accept(idOf(2), { recipients: [aRecipient('a@b.example', { notify: 'NEVER' })] });
  await bench.accept(idOf(3));
  await bench.attempted(4);
  await bench.settledTurns();
  assert.equal(bench.attempts.length, 4, 'one bounce, for the third message');
  const kept = [...bench.medium.messages.values()].map(({ item }) => JSON.parse(item) as Item);
  assert.deepEqual(
    kept.map(({ id, bounceOf }) => bounceOf ?? id),
    [idOf(1), idOf(3)],
    'what nobody can be told of is kept',
  );
});

test('the bounce becomes durable together with the failure, and before the message goes', async () => {
  const bench = await refusing();
  const calls: string[] = [];
  const accept = bench.spool.accept.bind(bench.spool);
  const remove = bench.spool.remove.bind(bench.spool);
  bench.spool.accept = async (item: Item, body: FinishedBody, also: AlsoDurable) => {
    await accept(item, body, also);
    const { settles } = also;
    calls.push(
      `accept ${item.bounceOf ?? ''} settles ${settles?.id} ${settles?.recipients[0]?.state}`,
    );
  };
  bench.spool.remove = async (item) => {
    calls.push(`remove ${item.id}`);
    await remove(item);
  };
  await bench.accept(idOf(1));
  await bench.attempted(2);
  await bench.empty();
  assert.deepEqual(calls.slice(0, 3), [
    'accept  settles undefined undefined',
    `accept ${idOf(1)} settles ${idOf(1)} failed`,
    `remove ${idOf(1)}`,
  ]);
});

hostileTest('kill', 'a crash between bounce and removal gives one bounce, not two', async () => {
  const bench = await refusing();
  // Nothing is removed any more: the process dies just before.
  bench.spool.remove = () => new Promise(() => undefined);
  await bench.accept(idOf(1));
  await bench.attempted(2);
  await bench.crash();
  await bench.empty();
  assert.deepEqual(
    bench.attempts.map(({ sender }) => sender),
    [''],
    'the bounce itself, in doubt',
  );
  assert.equal(bench.attempts[0]?.doubt, true);
});

test('a bounce that a failed spool does not take leaves the failure to the next start', async () => {
  const bench = await QueueBench.started();
  const recipients = ['no', 'later', 'damaged'].map((local) => aRecipient(`${local}@b.example`));
  bench.answer = () => {
    bench.medium.refusing = true;
    return [FAILED, DEFERRED, UNREADABLE];
  };
  await bench.accept(idOf(1), { recipients });
  await eventually('the spool fails', () => !bench.spool.healthy);
  await bench.settledTurns();
  bench.clock.advance(1_000_000);
  await bench.settledTurns();
  assert.equal(bench.attempts.length, 1);
  assert.ok(!bench.captured.codes.includes('ILLEGAL_MOVE'), bench.captured.codes.join());
  bench.medium.refusing = false;
  await bench.crash();
  await bench.attempted(1);
  assert.deepEqual(bench.attempts[0]?.recipients, [
    'no@b.example',
    'later@b.example',
    'damaged@b.example',
  ]);
});

test('a message whose body is gone still gets its bounce', async () => {
  const bench = await refusing(HOP_FAULT);
  await bench.accept(
    idOf(1),
    { ret: 'FULL', recipients: [aRecipient('a@b.example')] },
    'x'.repeat(2000),
  );
  await bench.attempted(1);
  bench.answer = ({ message }) => {
    bench.medium.files.delete(idOf(1));
    return message.sender === '' ? DELIVERED : FAILED;
  };
  await bench.pass(10);
  await bench.empty();
  assert.match(bench.bounce.body ?? '', /Status: 5\.1\.1/);
});

test('RET=FULL returns the message, else its header alone', async () => {
  const bench = await refusing();
  const text = 'Subject: x\r\n\r\nthe words of the body\r\n';
  await bench.accept(idOf(1), { ret: 'FULL' }, text);
  await bench.attempted(2);
  assert.ok(bench.bounce.body?.includes(text));
  bench.attempts.length = 0;
  await bench.accept(idOf(2), { ret: 'HDRS' }, text);
  await bench.attempted(2);
  assert.ok(!bench.bounce.body?.includes('the words of the body'));
});

test('a bounce needs no more of the next hop than it holds', async () => {
  const cases = [
    { enhanced: '5.6.3', text: 'no 8BITMIME' },
    { enhanced: '5.6.7', text: 'no SMTPUTF8' },
  ];
  for (const { enhanced, text } of cases) {
    for (const ret of ['FULL', 'HDRS', null] as const) {
      const bench = await refusing({
        ...outcome('failed', null, enhanced, text),
        inTransaction: false,
      });
      const changes = { ret, eightBit: true, smtpUtf8: true };
      await bench.accept(idOf(1), changes, 'Subject: gr\u00fcn\r\n\r\nbl\u00e4ulich\r\n');
      await bench.attempted(2);
      const { body, eightBit, smtpUtf8 } = bench.bounce;
      assert.deepEqual([eightBit, smtpUtf8], [false, false], `${enhanced} ${ret}`);
      assert.match(body ?? '', /^[\r\n\x20-\x7e]*$/);
    }
  }
});

test('8-bit content that the hop refused for that comes back as its header alone', async () => {
  for (const ret of ['FULL', 'HDRS'] as const) {
    const bench = await refusing(outcome('failed', 550, '5.6.3', 'no 8BITMIME'));
    await bench.accept(idOf(1), { ret, eightBit: true }, 'Subject: x\r\n\r\nbl\u00e4ulich\r\n');
    await bench.attempted(2);
    assert.equal(bench.bounce.eightBit, false);
    assert.match(bench.bounce.body ?? '', /^Subject: x\r$/m);
    assert.doesNotMatch(bench.bounce.body ?? '', /ulich/);
  }
});

test('a bounce with 8-bit content, or to an address above ASCII, says so', async () => {
  const bench = await refusing();
  const sender = 'j\u00fcrgen@a.example';
  await bench.accept(
    idOf(1),
    { sender, ret: 'FULL', eightBit: true, smtpUtf8: true },
    'X: y\r\n\r\nbl\u00e4u\r\n',
  );
  await bench.attempted(2);
  const { body, eightBit, smtpUtf8 } = bench.bounce;
  assert.ok(body?.includes('bl\u00e4u'));
  assert.deepEqual([eightBit, smtpUtf8], [true, true]);
});

hostileTest(
  'hop-refusal',
  'a message that expires behind a faulty hop is reported with the words of that hop',
  async () => {
    const bench = await QueueBench.started();
    bench.answer = () => HOP_FAULT;
    await bench.accept(idOf(1), { expiresAtMs: NOW_MS + 5000 });
    await bench.attempted(1);
    await bench.pass(10);
    const waiting = [...bench.medium.messages.values()].map(
      ({ item }) => (JSON.parse(item) as Item).bounceOf,
    );
    assert.deepEqual(waiting, [idOf(1)], 'the bounce waits for the same hop');
    bench.attempts.length = 0;
    bench.answer = () => DELIVERED;
    await bench.pass(20);
    await bench.empty();
    assert.match(
      bench.bounce.body ?? '',
      /5\.4\.7 delivery time expired after 0 attempts; last: connection refused/,
    );
  },
);

test('bodies of messages that expire untried do not fill the memory for good', async () => {
  const bench = await QueueBench.started();
  // The queue keeps 32 MiB of bodies for their first attempts: there is room for one of these.
  const bytes = Buffer.alloc(30 * 1024 * 1024);
  const recipients = (): ItemRecipient[] => [aRecipient('one@b.example', { notify: 'NEVER' })];
  const acceptBig = async (number: number): Promise<void> => {
    const body = { kind: 'inline', sizeBytes: bytes.length, ownHeaderBytes: 0 } as const;
    const expiresAtMs = bench.clock.nowMs() + 20_000;
    const item = anItem(idOf(number), { recipients: recipients(), expiresAtMs, body });
    await bench.queue.accept(item, new InlineBody([bytes]));
  };
  bench.answer = () => HOP_FAULT;
  await bench.accept(idOf(1), { recipients: recipients(), expiresAtMs: NOW_MS + 20_000 });
  await bench.attempted(1);
  await acceptBig(2);
  await bench.pass(10);
  await bench.pass(20);
  await bench.empty();
  assert.equal(bench.attempts.length, 2, 'the big one was never tried');
  bench.answer = () => DELIVERED;
  let reads = 0;
  const openBody = bench.spool.openBody.bind(bench.spool);
  bench.spool.openBody = (wanted) => {
    reads++;
    return openBody(wanted);
  };
  await acceptBig(3);
  await bench.empty();
  assert.equal(reads, 0);
});

test('a failure is not settled before its report is safe, whatever becomes of the other recipients', async () => {
  const bench = await QueueBench.started();
  const recipients = [aRecipient('slow@b.example'), aRecipient('held@b.example')];
  bench.answer = () => [DEFERRED, HOP_FAULT];
  await bench.accept(idOf(1), { recipients });
  await bench.attempted(1);
  bench.answer = () => DEFERRED;
  await bench.pass(10);
  // From here on they travel apart. One fails, and while its report is made the other one arrives.
  let go: () => void = () => undefined;
  const both = new Promise<void>((resolve) => (go = resolve));
  bench.answer = async ({ recipients: [recipient] }) => {
    await both;
    return recipient?.address === 'slow@b.example' ? FAILED : DELIVERED;
  };
  bench.clock.advance(50_000);
  await eventually('the first is under way', () => bench.attempts.length === 3);
  bench.clock.advance(10_000);
  await eventually('both are under way', () => bench.attempts.length === 4);
  bench.spool.openBody = () => new Promise(() => undefined);
  go();
  await bench.settledTurns();
  await bench.crash();
  await bench.attempted(1);
  assert.deepEqual(
    bench.attempts.map((attempt) => attempt.recipients),
    [['slow@b.example']],
    'the one that failed is tried again, the one that arrived is not',
  );
});
