import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { systemClock, type Clock } from '../../src/base/clock.js';
import type { FaultRule } from '../../src/sink/faults.js';
import type { SinkStats } from '../../src/sink/store.js';
import { get, runSink, scratchDirectory, SmtpClient } from './client.js';

const LONG = { minMs: 123_456, maxMs: 123_456, distribution: 'uniform' } as const;
const LATER = { code: 451, text: '4.7.1 later' };

async function statsOf(sink: Parameters<typeof get>[0]): Promise<SinkStats> {
  return (await (await get(sink, '/stats')).json()) as SinkStats;
}

test('a fault at connect takes the place of the greeting', async (t) => {
  const faults: FaultRule[] = [
    { at: 'connect', match: '127.*', reply: { code: 554, text: '5.3.2 closed' }, first: 1 },
    { at: 'connect', match: '127.*', close: true, first: 1 },
    { at: 'connect', match: '10.*', close: true },
  ];
  const sink = await runSink(t, { faults });
  const refused = await SmtpClient.connect(sink.smtp.port);
  assert.equal(await refused.ended(), '554 5.3.2 closed\r\n');
  const closed = await SmtpClient.connect(sink.smtp.port);
  assert.equal(await closed.ended(), '');
  const third = await SmtpClient.connect(sink.smtp.port);
  assert.match(await third.reply(), /^220 /);
  assert.deepEqual(await statsOf(sink), {
    lost: 0,
    accepted: 0,
    refused: 2,
    bytes: 0,
    connections: 3,
  });
});

test('a fault at helo refuses EHLO by the name it gives', async (t) => {
  const sink = await runSink(t, { faults: [{ at: 'helo', match: '*.bad', reply: LATER }] });
  const client = await SmtpClient.connect(sink.smtp.port);
  await client.reply();
  assert.equal(await client.ask('EHLO very.bad'), '451 4.7.1 later');
  assert.match(await client.ask('MAIL FROM:<a@x.example>'), /^503 /);
  assert.match(await client.ask('EHLO good.example'), /^250-/);
});

test('a fault at mail is about the sender and leaves no transaction', async (t) => {
  const sink = await runSink(t, { faults: [{ at: 'mail', match: 'bad@*', reply: LATER }] });
  const client = await SmtpClient.greeted(sink.smtp.port);
  assert.equal(await client.ask('MAIL FROM:<bad@x.example>'), '451 4.7.1 later');
  assert.match(await client.ask('RCPT TO:<b@x.example>'), /^503 /);
  assert.match(await client.ask('MAIL FROM:<good@x.example>'), /^250 /);
  assert.equal((await statsOf(sink)).refused, 1);
});

test('a fault at rcpt refuses that recipient and no other', async (t) => {
  const sink = await runSink(t, {
    faults: [{ at: 'rcpt', match: '*@busy.example', reply: LATER }],
  });
  const client = await SmtpClient.greeted(sink.smtp.port);
  const replies = await client.send('a@x.example', ['b@busy.example', 'c@idle.example'], 'x');
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 3)),
    ['250', '451', '250', '354', '250'],
  );
  const { messages } = (await (await get(sink, '/messages')).json()) as {
    messages: Array<{ recipients: string[] }>;
  };
  assert.deepEqual(messages[0]?.recipients, ['c@idle.example']);
});

test('a fault at data refuses before 354, for any of the recipients', async (t) => {
  const sink = await runSink(t, { faults: [{ at: 'data', match: 'b@*', reply: LATER, first: 1 }] });
  const client = await SmtpClient.greeted(sink.smtp.port);
  const recipients = ['a@x.example', 'b@x.example'];
  assert.equal((await client.send('a@x.example', recipients, 'x')).at(-1), '451 4.7.1 later');
  assert.match(await client.ask('DATA'), /^354 /);
  assert.match(await client.ask('x\r\n.'), /^250 /);
});

test('a fault after the dot refuses the whole message, which is not listed', async (t) => {
  const sink = await runSink(t, { faults: [{ at: 'message', reply: LATER, every: 2 }] });
  const client = await SmtpClient.greeted(sink.smtp.port);
  const last: string[] = [];
  for (let round = 0; round < 4; round++) {
    last.push((await client.send('a@x.example', ['b@x.example'], 'x')).at(-1)?.slice(0, 3) ?? '');
  }
  assert.deepEqual(last, ['250', '451', '250', '451']);
  assert.deepEqual(await statsOf(sink), {
    lost: 0,
    accepted: 2,
    refused: 2,
    bytes: 6,
    connections: 1,
  });
});

test('a close sends what was answered before and then hangs up', async (t) => {
  for (const at of ['mail', 'rcpt', 'data', 'message'] as const) {
    const sink = await runSink(t, { faults: [{ at, close: true }] });
    const client = await SmtpClient.greeted(sink.smtp.port);
    const commands =
      'MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n';
    client.write(commands);
    const codes = (await client.ended()).match(/^\d{3}/gm) ?? [];
    assert.deepEqual(codes, ['250', '250', '354'].slice(0, codes.length));
    assert.equal(codes.length, { mail: 0, rcpt: 1, data: 2, message: 3 }[at], at);
    assert.deepEqual(await statsOf(sink), {
      lost: 0,
      accepted: 0,
      refused: 1,
      bytes: 0,
      connections: 1,
    });
  }
});

test('a reply of 421 also closes', async (t) => {
  const sink = await runSink(t, {
    faults: [{ at: 'rcpt', reply: { code: 421, text: '4.3.2 bye' } }],
  });
  const client = await SmtpClient.greeted(sink.smtp.port);
  await client.ask('MAIL FROM:<a@x.example>');
  client.write('RCPT TO:<b@x.example>\r\n');
  assert.equal(await client.ended(), '421 4.3.2 bye\r\n');
});

test('a positive reply stands in for ours, and at data for a peer that is broken', async (t) => {
  const faults: FaultRule[] = [
    { at: 'message', reply: { code: 250, text: '2.0.0 Taken as 42' } },
    { at: 'data', reply: { code: 250, text: '2.0.0 Fine' }, first: 1 },
  ];
  const sink = await runSink(t, { faults });
  const client = await SmtpClient.greeted(sink.smtp.port);
  assert.equal((await client.send('a@x.example', ['b@x.example'], 'x')).at(-1), '250 2.0.0 Fine');
  await client.ask('RSET');
  const replies = await client.send('a@x.example', ['b@x.example'], 'x');
  assert.equal(replies.at(-1), '250 2.0.0 Taken as 42');
  assert.equal((await statsOf(sink)).accepted, 1);
});

/** A clock on which delays of `delayMs` end only when `finish` is called. */
function stoppedClock(delayMs: number): { clock: Clock; begun: Promise<void>; finish: () => void } {
  let onBegun: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (onBegun = resolve));
  let waiting: () => void = () => undefined;
  const clock: Clock = {
    ...systemClock,
    after(ms, task) {
      if (ms !== delayMs) return systemClock.after(ms, task);
      waiting = task;
      onBegun();
      return { cancel: () => (waiting = () => undefined) };
    },
  };
  return { clock, begun, finish: () => waiting() };
}

test('a delay holds the reply back, and other sessions go on', async (t) => {
  const faults: FaultRule[] = [{ at: 'rcpt', match: 'slow@*', delay: LONG }];
  const { clock, begun, finish } = stoppedClock(123_456);
  const sink = await runSink(t, { faults }, { clock });
  const slow = await SmtpClient.greeted(sink.smtp.port);
  const quick = await SmtpClient.greeted(sink.smtp.port);
  await slow.ask('MAIL FROM:<a@x.example>');
  const order: string[] = [];
  const slowReply = slow.ask('RCPT TO:<slow@x.example>').then((reply) => order.push(reply));
  await begun;
  await quick.send('a@x.example', ['b@x.example'], 'x');
  order.push('quick');
  finish();
  await slowReply;
  assert.deepEqual(order, ['quick', '250 2.1.5 Ok']);
});

test('a client that leaves during a delay is not counted and leaves nothing behind', async (t) => {
  const directory = scratchDirectory(t);
  const { clock, begun } = stoppedClock(123_456);
  const faults: FaultRule[] = [{ at: 'message', delay: LONG }];
  const sink = await runSink(t, { faults, captureDirectory: directory }, { clock });
  const client = await SmtpClient.greeted(sink.smtp.port);
  client.write('MAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nx\r\n.\r\n');
  await begun;
  client.destroy();
  await sink.stop();
  assert.deepEqual(readdirSync(directory), []);
});

test('nothing that follows a close is carried out', async (t) => {
  const sink = await runSink(t, { faults: [{ at: 'message', close: true, first: 1 }] });
  const client = await SmtpClient.greeted(sink.smtp.port);
  const one = 'MAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nx\r\n.\r\n';
  client.write(one + one);
  await client.ended();
  const next = await SmtpClient.greeted(sink.smtp.port);
  await next.send('', ['c@x.example'], 'x');
  assert.equal((await statsOf(sink)).accepted, 1);
});
