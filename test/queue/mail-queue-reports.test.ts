import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../base/eventually.js';
import type { Item } from '../../src/queue/item.js';
import { reporting, reportsIn, told, stored } from './report-bench.js';
import {
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

test('of a success the sender hears where it asked to, and where the hop will not tell', async () => {
  for (const [notify, offersDsn, expected] of [
    ['SUCCESS', false, ['rfc822; a@b.example relayed 2.0.0']],
    ['SUCCESS,FAILURE', false, ['rfc822; a@b.example relayed 2.0.0']],
    ['SUCCESS', true, []],
    ['FAILURE,DELAY', false, []],
    ['NEVER', false, []],
    [null, false, []],
  ] as const) {
    const bench = await reporting();
    bench.offersDsn = offersDsn;
    await bench.accept(idOf(1), { recipients: [aRecipient('a@b.example', { notify })] });
    await bench.empty();
    assert.deepEqual(reportsIn(bench).flatMap(told), expected, `${notify} ${offersDsn}`);
  }
});

test('the null sender hears of nothing, whatever its mail asks for', async () => {
  const bench = await reporting();
  const fromNull = (number: number): Promise<Item> =>
    bench.accept(idOf(number), {
      sender: '',
      recipients: [aRecipient('a@b.example', { notify: 'SUCCESS,FAILURE,DELAY' })],
      expiresAtMs: NOW_MS + 86_400_000,
    });
  await fromNull(1);
  await bench.empty();
  bench.answer = () => DEFERRED;
  await fromNull(2);
  for (let count = 0; count < 5; count++) await bench.pass(300);
  assert.ok(bench.attempts.length > 2);
  assert.deepEqual(stored(bench), []);
});

test('one attempt makes one report, of those who are to hear of it', async () => {
  const bench = await reporting();
  const recipients = [
    aRecipient('gone@b.example', { notify: 'FAILURE' }),
    aRecipient('taken@b.example', { notify: 'SUCCESS' }),
    aRecipient('unasked@b.example'),
    aRecipient('later@b.example', { notify: 'SUCCESS,FAILURE' }),
    aRecipient('quiet@b.example', { notify: 'NEVER' }),
    aRecipient('damaged@b.example', { notify: 'SUCCESS,FAILURE' }),
  ];
  bench.answer = ({ message }) =>
    message.sender === ''
      ? DELIVERED
      : [FAILED, DELIVERED, DELIVERED, DEFERRED, FAILED, UNREADABLE];
  const text = 'Subject: x\r\n\r\nthe words of the body\r\n';
  await bench.accept(idOf(1), { recipients, ret: 'FULL' }, text);
  await bench.attempted(2);
  const [report, ...others] = reportsIn(bench);
  assert.deepEqual(others, []);
  assert.deepEqual(told(report), [
    'rfc822; gone@b.example failed 5.1.1',
    'rfc822; taken@b.example relayed 2.0.0',
  ]);
  assert.ok(report?.body?.includes(text), 'it tells of a failure, so RET=FULL counts');
});

test('a report of success or delay returns the header only, whatever RET says', async () => {
  const bench = await reporting();
  const text = 'Subject: x\r\n\r\nthe words of the body\r\n';
  const recipients = [aRecipient('a@b.example', { notify: 'SUCCESS,DELAY' })];
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : DEFERRED);
  await bench.accept(idOf(1), { ret: 'FULL', recipients }, text);
  for (let count = 0; count < 12; count++) await bench.pass(60);
  bench.answer = () => DELIVERED;
  await bench.pass(300);
  await bench.empty();
  assert.deepEqual(reportsIn(bench).flatMap(told), [
    'rfc822; a@b.example delayed 4.7.1',
    'rfc822; a@b.example relayed 2.0.0',
  ]);
  for (const { body } of reportsIn(bench)) {
    assert.match(body ?? '', /^Subject: x\r$/m);
    assert.ok(!body?.includes('the words of the body'));
  }
});

test('the report of a success is durable in one write with it', async () => {
  const bench = await reporting();
  const writes: string[] = [];
  const accept = bench.spool.accept.bind(bench.spool);
  bench.spool.accept = async (item, body, also) => {
    await accept(item, body, also);
    const state = also?.settles?.recipients[0]?.state;
    if (item.bounceOf !== null) writes.push(`report with ${also?.settles?.id} ${state}`);
  };
  const remove = bench.spool.remove.bind(bench.spool);
  bench.spool.remove = async (item) => {
    writes.push(`remove ${item.id}`);
    await remove(item);
  };
  await bench.accept(idOf(1), { recipients: [aRecipient('a@b.example', { notify: 'SUCCESS' })] });
  await bench.empty();
  assert.deepEqual(writes.slice(0, 2), [`report with ${idOf(1)} delivered`, `remove ${idOf(1)}`]);
});

test('a crash before that write repeats the attempt, one after it loses and doubles nothing', async () => {
  const changes = (): Partial<Item> => ({
    recipients: [aRecipient('a@b.example', { notify: 'SUCCESS' })],
  });
  const before = await reporting();
  const accept = before.spool.accept.bind(before.spool);
  before.spool.accept = (item, ...rest) =>
    item.bounceOf === null ? accept(item, ...rest) : new Promise(() => undefined);
  await before.accept(idOf(1), changes());
  await eventually('the attempt', () => before.attempts.length === 1);
  await before.settledTurns();
  await before.crash();
  await before.empty();
  assert.deepEqual(
    before.attempts.map(({ sender, doubt }) => [sender, doubt]),
    [
      ['sender@a.example', true],
      ['', false],
    ],
  );

  const after = await reporting();
  after.spool.remove = () => new Promise(() => undefined);
  await after.accept(idOf(1), changes());
  await after.attempted(2);
  await after.crash();
  await after.empty();
  assert.deepEqual(
    after.attempts.map(({ sender }) => sender),
    [''],
    'the report itself, in doubt',
  );
});

test('until the report is safe nobody else takes the message for done', async () => {
  const bench = await reporting();
  bench.answer = () => [DEFERRED, HOP_FAULT];
  const recipients = [aRecipient('slow@b.example'), aRecipient('held@b.example')];
  await bench.accept(idOf(1), { recipients, expiresAtMs: NOW_MS + 86_400_000 });
  await bench.attempted(1);
  bench.answer = () => DEFERRED;
  await bench.pass(10);
  // From here on they travel apart. One fails; while its report is stored the other one arrives.
  const accept = bench.spool.accept.bind(bench.spool);
  let storing = false;
  bench.spool.accept = (item, ...rest) => {
    storing ||= item.bounceOf !== null;
    return item.bounceOf === null ? accept(item, ...rest) : new Promise(() => undefined);
  };
  let arrive: () => void = () => undefined;
  const stored = new Promise<void>((resolve) => (arrive = resolve));
  bench.answer = async ({ recipients: [recipient] }) => {
    if (recipient?.address === 'slow@b.example') return FAILED;
    await stored;
    return DELIVERED;
  };
  bench.clock.advance(60_000);
  await eventually('both are under way', () => bench.attempts.length === 4);
  await eventually('the report is being stored', () => storing);
  arrive();
  await bench.settledTurns();
  await bench.crash();
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : FAILED);
  await bench.attempted(1);
  assert.deepEqual(bench.attempts[0]?.recipients, ['slow@b.example']);
});

test('while the spool has no room a report waits, and is made once', async () => {
  const bench = await reporting();
  bench.answer = ({ message }) => {
    bench.medium.full = message.sender !== '';
    return message.sender === '' ? DELIVERED : [FAILED, DELIVERED];
  };
  const recipients = [
    aRecipient('gone@b.example'),
    aRecipient('taken@b.example', { notify: 'SUCCESS' }),
  ];
  await bench.accept(idOf(1), { recipients });
  await eventually('the spool failed', () => !bench.spool.healthy);
  await bench.settledTurns();
  assert.equal(reportsIn(bench).length, 0);
  bench.medium.full = false;
  bench.clock.advance(10_000);
  await bench.empty();
  assert.deepEqual(reportsIn(bench).map(told), [
    ['rfc822; gone@b.example failed 5.1.1', 'rfc822; taken@b.example relayed 2.0.0'],
  ]);
  assert.equal(bench.attempts.length, 2);
});

test('reports beyond the rate are durable at once and go later, in even steps', async () => {
  const bench = await reporting(4);
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : FAILED);
  for (let number = 1; number <= 10; number++) await bench.accept(idOf(number));
  await bench.attempted(14);
  assert.equal(reportsIn(bench).length, 4, 'a minute of them goes at once');
  assert.equal(stored(bench).length, 6, 'the others are safe');
  assert.deepEqual(
    stored(bench).map(({ recipients: [recipient] }) => [
      recipient?.state,
      ((recipient?.nextAttemptAtMs ?? 0) - NOW_MS) / 1000,
    ]),
    [15, 30, 45, 60, 75, 90].map((seconds) => ['deferred', seconds]),
  );
  await bench.pass(31);
  assert.equal(reportsIn(bench).length, 6);
  await bench.restart();
  await bench.pass(60);
  await bench.empty();
  assert.equal(reportsIn(bench).length, 4);
});

test('a report that fails is not reported on, and a sender is told of it nowhere else', async () => {
  const bench = await reporting();
  bench.answer = () => FAILED;
  await bench.accept(idOf(1));
  await bench.attempted(2);
  await bench.settledTurns();
  assert.equal(bench.attempts.length, 2);
  assert.equal(stored(bench).length, 1, 'in quarantine');
});

test('an internationalized message that the hop refused for that comes back whole and in ASCII', async () => {
  for (const enhanced of ['5.6.7', '5.6.3']) {
    const bench = await reporting();
    const failure = { ...outcome('failed', null, enhanced, 'not here'), inTransaction: false };
    bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : failure);
    const changes: Partial<Item> = { ret: 'FULL', eightBit: true, smtpUtf8: true };
    await bench.accept(
      idOf(1),
      { ...changes, recipients: [aRecipient('\u00fc@b.example')] },
      'Subject: gr\u00fcn\r\n\r\nbl\u00e4ulich\r\n',
    );
    await bench.attempted(2);
    const [report] = reportsIn(bench);
    assert.deepEqual([report?.eightBit, report?.smtpUtf8], [false, false]);
    assert.match(report?.body ?? '', /^[\r\n\x20-\x7e]*$/);
    assert.match(report?.body ?? '', /^Content-Type: message\/global\r$/m);
    assert.match(report?.body ?? '', /bl=C3=A4ulich/);
  }
});
