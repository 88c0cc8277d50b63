import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InlineBody } from '../../src/queue/inline-body.js';
import type { Item } from '../../src/queue/item.js';
import type { ScanEntry } from '../../src/queue/spool.js';
import { eventually } from '../base/eventually.js';
import { hostileTest } from '../hostile/rows.js';
import { QueueBench } from './queue-bench.js';
import {
  aCapacity,
  anItem,
  aRecipient,
  DEFERRED,
  DELIVERED,
  FAILED,
  HOP_FAULT,
  idOf,
} from './samples.js';

/** An item as the next process would find it. */
function stored(bench: QueueBench, number: number): Item | null {
  const found = bench.medium.messages.get(idOf(number));
  return found === undefined ? null : (JSON.parse(found.item) as Item);
}

/** The spool has failed: over a message that nobody was promised. */
async function failed(bench: QueueBench, why: 'full' | 'refusing'): Promise<void> {
  bench.medium[why] = true;
  const code = why === 'full' ? 'SPOOL_FULL' : 'SPOOL_FAILED';
  await assert.rejects(bench.accept(idOf(999)), { code });
}

test('beyond its limits the queue refuses mail, and takes it again as soon as there is room', async () => {
  const bench = await QueueBench.started({ maxMessages: 2 });
  bench.answer = () => DEFERRED;
  await bench.accept(idOf(1));
  assert.equal(bench.queue.refusal(0), null);
  await bench.accept(idOf(2));
  assert.equal(bench.queue.refusal(0)?.full, 'messages');
  await assert.rejects(bench.accept(idOf(3)), { code: 'QUEUE_FULL', fault: 'system' });
  assert.equal(bench.queue.accepting, true);
  assert.deepEqual([...bench.medium.messages.keys()], [1, 2].map(idOf));
  bench.answer = () => DELIVERED;
  await bench.pass(60);
  await bench.empty();
  assert.equal(bench.queue.refusal(0), null);
  await bench.accept(idOf(4));
});

test('of messages that come at once no more are taken than have room, and what is refused takes none', async () => {
  const bench = await QueueBench.started({ maxMessages: 3 });
  bench.answer = () => DEFERRED;
  await failed(bench, 'full');
  bench.medium.full = false;
  await bench.pass(1);
  const numbers = [1, 2, 3, 4, 5];
  const ends = await Promise.allSettled(numbers.map((number) => bench.accept(idOf(number))));
  assert.deepEqual(
    ends.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
  );
  assert.equal(bench.medium.messages.size, 3);
});

test('bytes are counted too, and what a restart finds counts as well', async () => {
  const bench = await QueueBench.started({ maxBytes: 5000 });
  bench.answer = () => HOP_FAULT;
  await bench.accept(idOf(1), {}, 'x'.repeat(3000));
  assert.equal(bench.queue.refusal(2000), null);
  assert.equal(bench.queue.refusal(2001)?.full, 'bytes');
  await assert.rejects(bench.accept(idOf(2), {}, 'x'.repeat(2001)), { code: 'QUEUE_FULL' });
  assert.deepEqual([...bench.medium.files.keys()], [idOf(1)]);
  await bench.restart(() => HOP_FAULT);
  assert.equal(bench.queue.refusal(2001)?.full, 'bytes');
  await assert.rejects(bench.accept(idOf(2), {}, 'x'.repeat(2001)), { code: 'QUEUE_FULL' });
  await bench.accept(idOf(3), {}, 'x'.repeat(1900));
});

test('the reserve of the disk is kept free, and a body that is written already needs none', async () => {
  const bench = await QueueBench.started({ diskReserveBytes: 10_000 });
  bench.answer = () => HOP_FAULT;
  bench.freeBytes = 10_500;
  await bench.pass(10);
  bench.queue.refusal(0);
  await bench.pass(1);
  assert.equal(bench.queue.refusal(500), null);
  assert.equal(bench.queue.refusal(501)?.full, 'disk');
  // 600 bytes in the record have no room; 2000 bytes in a file have theirs.
  await assert.rejects(bench.accept(idOf(1), {}, 'x'.repeat(600)), { code: 'QUEUE_FULL' });
  await bench.accept(idOf(2), {}, 'x'.repeat(2000));
});

test('own reports are taken however full the queue is', async () => {
  const bench = await QueueBench.started({ maxMessages: 1 });
  bench.answer = ({ message }) => (message.sender === '' ? DEFERRED : FAILED);
  await bench.accept(idOf(1));
  await bench.attempted(2);
  assert.equal(bench.queue.size, 1, 'the report is in its place');
  assert.equal(bench.queue.refusal(0)?.full, 'messages');
});

hostileTest(
  'disk-full',
  'a spool that is full stops the attempts, and goes on by itself when there is room',
  async () => {
    const bench = await QueueBench.started();
    bench.capacity = aCapacity({ maxConnections: 1 });
    bench.answer = () => HOP_FAULT;
    for (const number of [1, 2, 3]) await bench.accept(idOf(number));
    await bench.attempted(1);
    await failed(bench, 'full');
    assert.equal(bench.queue.accepting, true, 'senders are not sent away');
    assert.deepEqual(bench.queue.refusal(0), { full: 'disk', text: 'The disk is full' });
    bench.answer = () => DELIVERED;
    for (let count = 0; count < 30; count++) await bench.pass(1);
    assert.equal(bench.attempts.length, 1, 'no attempt whose end could not be stored');
    assert.equal(bench.queue.size, 3);
    bench.medium.full = false;
    await bench.pass(1);
    await bench.empty();
    assert.deepEqual(
      bench.attempts.slice(1).map(({ queueId }) => queueId),
      [1, 2, 3].map(idOf),
    );
    assert.equal(bench.queue.refusal(0), null);
    await bench.accept(idOf(4));
    await bench.empty();
  },
);

test('what fell due while the spool was full goes once it is well', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => DEFERRED;
  await bench.accept(idOf(1));
  await bench.attempted(1);
  await failed(bench, 'full');
  bench.answer = () => DELIVERED;
  await bench.pass(100);
  assert.equal(bench.attempts.length, 1);
  bench.medium.full = false;
  await bench.pass(1);
  await bench.empty();
  assert.equal(bench.attempts.length, 2);
});

test('a hop whose pause began or ended while the spool was full is asked again', async () => {
  const bench = await QueueBench.started();
  let end: () => void = () => undefined;
  bench.answer = () => new Promise((resolve) => (end = () => resolve(HOP_FAULT)));
  await bench.accept(idOf(1));
  await eventually('it is under way', () => bench.attempts.length === 1);
  await failed(bench, 'full');
  end();
  await bench.settledTurns();
  assert.equal(bench.shown.state, 'backoff');
  await bench.pass(3600);
  bench.medium.full = false;
  bench.answer = () => DELIVERED;
  await bench.pass(1);
  await bench.empty();
});

test('what became of attempts that were under way when the spool filled is made good', async () => {
  const bench = await QueueBench.started();
  bench.capacity = aCapacity({ maxConnections: 5 });
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  bench.answer = async ({ message }) => {
    await ended;
    return message.queueId === idOf(1) ? DELIVERED : DEFERRED;
  };
  for (const number of [1, 2]) await bench.accept(idOf(number));
  await eventually('both are under way', () => bench.attempts.length === 2);
  await failed(bench, 'full');
  end();
  await bench.settledTurns();
  assert.equal(bench.queue.find(idOf(1)), undefined, 'it is delivered');
  assert.equal(stored(bench, 1)?.recipients[0]?.state, 'ready');
  bench.medium.full = false;
  await bench.pass(1);
  assert.equal(stored(bench, 1), null);
  const [recipient] = stored(bench, 2)?.recipients ?? [];
  assert.deepEqual([recipient?.state, recipient?.attempts], ['deferred', 1]);
  await bench.crash();
  assert.deepEqual(bench.attempts, [], 'neither is sent again');
});

hostileTest(
  'disk-full',
  'a process that dies while the spool is full sends again what it could not store',
  async () => {
    const bench = await QueueBench.started();
    let end: () => void = () => undefined;
    bench.answer = () => new Promise((resolve) => (end = () => resolve(DELIVERED)));
    await bench.accept(idOf(1));
    await eventually('it is under way', () => bench.attempts.length === 1);
    await failed(bench, 'full');
    end();
    await bench.settledTurns();
    bench.medium.full = false;
    await bench.crash();
    await bench.attempted(1);
    await bench.empty();
    assert.equal(bench.attempts[0]?.doubt, true, 'with doubt, so that a peer recognises it');
  },
);

test('a report for which there is no room is made when there is some, and only once', async () => {
  const bench = await QueueBench.started();
  bench.answer = ({ message }) => {
    if (message.sender === '') return DELIVERED;
    bench.medium.full = true;
    return FAILED;
  };
  await bench.accept(idOf(1));
  await eventually('it failed', () => bench.attempts.length === 1);
  for (let count = 0; count < 10; count++) {
    bench.clock.advance(1000);
    await bench.settledTurns();
  }
  assert.equal(bench.attempts.length, 1);
  assert.equal(bench.queue.size, 1, 'it is not forgotten');
  bench.medium.full = false;
  bench.clock.advance(1000);
  await bench.empty();
  assert.equal(bench.attempts.length, 2);
  assert.match(bench.bounce.body ?? '', /Status: 5\.1\.1/);
});

test('a process that dies while its report has no room tries the message again', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => {
    bench.medium.full = true;
    return FAILED;
  };
  await bench.accept(idOf(1));
  await eventually('it failed', () => bench.attempts.length === 1);
  await bench.settledTurns();
  bench.medium.full = false;
  await bench.crash(({ message }) => (message.sender === '' ? DELIVERED : FAILED));
  await bench.attempted(2);
  await bench.empty();
  assert.match(bench.bounce.body ?? '', /Status: 5\.1\.1/);
});

hostileTest(
  'disk-full',
  'a node stops in time although the spool is full and a report waits for it',
  async () => {
    const bench = await QueueBench.started();
    bench.answer = () => {
      bench.medium.full = true;
      return FAILED;
    };
    await bench.accept(idOf(1));
    await eventually('it failed', () => bench.attempts.length === 1);
    await bench.settledTurns();
    await bench.queue.stop();
    assert.equal(
      stored(bench, 1)?.recipients[0]?.state,
      'ready',
      'to the disk nothing has happened',
    );
    assert.equal(bench.clock.timers, 0);
  },
);

hostileTest(
  'failed-sync',
  'a spool that failed for other reasons takes nothing and sends nothing until it could be opened again',
  async () => {
    const bench = await QueueBench.started();
    bench.answer = () => DEFERRED;
    await bench.accept(idOf(1));
    await bench.attempted(1);
    await failed(bench, 'refusing');
    assert.equal(bench.queue.accepting, false);
    assert.equal(bench.queue.refusal(0), null, 'it is not room that is wanting');
    bench.answer = () => DELIVERED;
    for (let count = 0; count < 20; count++) await bench.pass(60);
    assert.equal(bench.attempts.length, 1);
    assert.equal(bench.queue.accepting, false);
    await assert.rejects(bench.accept(idOf(2)), { code: 'SPOOL_FAILED' });
    bench.medium.refusing = false;
    await bench.pass(60);
    assert.equal(bench.queue.accepting, true);
    await bench.empty();
    assert.deepEqual(
      bench.attempts.map(({ queueId }) => queueId),
      [1, 1].map(idOf),
    );
  },
);

test('a restart opens it again as well', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => HOP_FAULT;
  await bench.accept(idOf(1));
  await bench.attempted(1);
  await failed(bench, 'refusing');
  bench.medium.refusing = false;
  await bench.restart();
  assert.equal(bench.queue.accepting, true);
  await bench.empty();
  assert.deepEqual(
    bench.attempts.map(({ queueId }) => queueId),
    [idOf(1)],
  );
});

test('a mark that could not be stored is not counted, and the attempt is made when it can be', async () => {
  const bench = await QueueBench.started();
  bench.answer = () => new Promise(() => undefined);
  await bench.accept(idOf(1));
  await eventually('it is under way', () => bench.attempts.length === 1);
  bench.medium.full = true;
  await bench.crash();
  for (let count = 0; count < 5; count++) await bench.pass(1);
  assert.deepEqual(bench.attempts, []);
  // For a moment there is room, and then there is none again, time after time.
  for (let count = 0; count < 4; count++) {
    bench.medium.full = false;
    bench.clock.advance(1000);
    bench.medium.full = true;
    await bench.settledTurns();
  }
  assert.deepEqual(bench.attempts, []);
  assert.equal(bench.queue.find(idOf(1))?.recipients[0]?.unfinished ?? 0, 0);
  bench.medium.full = false;
  await bench.pass(1);
  await bench.empty();
  assert.equal(bench.attempts.length, 1);
  assert.deepEqual(bench.queue.quarantined(), []);
});

hostileTest(
  'failed-sync',
  'a recovery over which the spool fails goes on when it is well: everything, and nothing twice',
  async () => {
    const bench = await QueueBench.started();
    bench.answer = () => HOP_FAULT;
    for (let number = 1; number <= 20; number++) await bench.accept(idOf(number));
    await bench.attempted(1);
    bench.beforeStart = (spool) => {
      const whole = spool.scan.bind(spool);
      spool.scan = () => {
        spool.scan = whole;
        return broken(whole());
      };
    };
    async function* broken(scan: AsyncGenerator<ScanEntry>): AsyncGenerator<ScanEntry> {
      let read = 0;
      for await (const entry of scan) {
        if (++read === 10) {
          await failed(bench, 'full');
          throw new Error('Database is not open');
        }
        yield entry;
      }
    }
    const started = bench.crash();
    await bench.settledTurns();
    bench.medium.full = false;
    bench.clock.advance(1000);
    await started;
    await bench.empty();
    assert.deepEqual(
      bench.attempts.map(({ queueId }) => queueId).sort(),
      Array.from({ length: 20 }, (_, index) => idOf(index + 1)),
    );
  },
);

test('removals of what a start finds settled are made good as well', async () => {
  const bench = await QueueBench.started();
  const recipients = [aRecipient('a@b.example', { state: 'delivered' })];
  const body = new InlineBody([Buffer.alloc(0)]);
  await bench.spool.accept(anItem(idOf(1), { recipients }), body);
  bench.medium.full = true;
  await bench.crash();
  await bench.settledTurns();
  assert.ok(stored(bench, 1) !== null);
  bench.medium.full = false;
  await bench.pass(1);
  await bench.empty();
  assert.deepEqual(bench.attempts, []);
});
