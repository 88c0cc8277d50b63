import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../base/eventually.js';
import { reporting, reload, reportsIn, told, stored } from './report-bench.js';
import {
  aHop,
  aRecipient,
  aRoute,
  DEFERRED,
  DELIVERED,
  HOP_FAULT,
  idOf,
  NOW_MS,
  outcome,
} from './samples.js';

test('a delay is told once, to those who asked for it, in the last words of the hop', async () => {
  const bench = await reporting();
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : DEFERRED);
  const recipients = [
    aRecipient('a@b.example', { notify: 'DELAY' }),
    aRecipient('b@b.example', { notify: 'SUCCESS,FAILURE' }),
    aRecipient('c@b.example'),
    aRecipient('d@b.example', { notify: 'FAILURE,DELAY' }),
  ];
  await bench.accept(idOf(1), { recipients, envid: 'E1', expiresAtMs: NOW_MS + 86_400_000 });
  for (let minute = 1; minute < 10; minute++) await bench.pass(60);
  assert.deepEqual(reportsIn(bench), []);
  for (let minute = 0; minute < 120; minute++) await bench.pass(60);
  const [report, ...others] = reportsIn(bench);
  assert.deepEqual(others, []);
  assert.deepEqual(told(report), [
    'rfc822; a@b.example delayed 4.7.1',
    'rfc822; d@b.example delayed 4.7.1',
  ]);
  const body = report?.body?.replaceAll('=\r\n', '') ?? '';
  assert.match(body, /core said: 451 4\.7\.1 greylisted, come back/);
  assert.match(body, /^Original-Envelope-Id: E1\r$/m);
  assert.match(body, /^Will-Retry-Until: Tue, 6 Jan 2026 12:00:00 \+0000\r$/m);
  assert.ok(!body.includes('Last-Attempt-Date'), 'when that was is not known any more');
});

test('mail that was never tried, behind a hop at fault, is told of with the words of the fault', async () => {
  const bench = await reporting();
  const refused = outcome('hop-fault', 535, '5.7.8', 'no login for you');
  bench.answer = () => ({ ...refused, inTransaction: false });
  const recipients = [aRecipient('a@b.example', { notify: 'DELAY' })];
  await bench.accept(idOf(1), { sender: 'first@a.example', expiresAtMs: NOW_MS + 86_400_000 });
  await bench.attempted(1);
  await bench.accept(idOf(2), { recipients, expiresAtMs: NOW_MS + 86_400_000 });
  for (let minute = 0; minute <= 10; minute++) await bench.pass(60);
  assert.ok(
    bench.attempts.every(({ queueId }) => queueId === idOf(1)),
    'the probe is the other one',
  );
  const [report] = stored(bench);
  assert.deepEqual(
    report?.recipients.map(({ address }) => address),
    ['sender@a.example'],
  );
  bench.answer = () => DELIVERED;
  for (let minute = 0; minute < 2; minute++) await bench.pass(60);
  await bench.empty();
  const [seen] = reportsIn(bench);
  assert.deepEqual(told(seen), ['rfc822; a@b.example delayed 4.7.8']);
  assert.match(seen?.body ?? '', /Diagnostic-Code: smtp; 535 5\.7\.8 no login for you/);
  assert.match(seen?.body ?? '', /Remote-MTA: dns; core/);
});

test('a hop that cannot be reached has said nothing', async () => {
  const bench = await reporting();
  bench.routeOf = (_item, { address }) =>
    aRoute(aHop(address === 'sender@a.example' ? 'back' : 'core'));
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : HOP_FAULT);
  const recipients = [aRecipient('a@b.example', { notify: 'DELAY' })];
  await bench.accept(idOf(1), { recipients, expiresAtMs: NOW_MS + 86_400_000 });
  for (let minute = 0; minute <= 11; minute++) await bench.pass(60);
  const [report] = reportsIn(bench);
  assert.deepEqual(told(report), ['rfc822; a@b.example delayed 4.4.1']);
  assert.match(report?.body ?? '', /Diagnostic-Code: X-Relaymesh; connection refused/);
  assert.doesNotMatch(report?.body ?? '', /Remote-MTA|said/);
});

test('that a delay was told outlives a restart, and so does the report', async () => {
  const bench = await reporting();
  bench.answer = () => HOP_FAULT;
  const recipients = [aRecipient('a@b.example', { notify: 'DELAY' })];
  await bench.accept(idOf(1), { recipients, expiresAtMs: NOW_MS + 86_400_000 });
  for (let minute = 0; minute <= 11; minute++) await bench.pass(60);
  assert.equal(stored(bench).length, 1);
  await bench.restart();
  reload(bench, 1000);
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : HOP_FAULT);
  for (let minute = 0; minute <= 30; minute++) await bench.pass(60);
  assert.equal(stored(bench).length + reportsIn(bench).length, 1);
});

test('mail that wants to go later is not late, until its own time is long over', async () => {
  const bench = await reporting();
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : DEFERRED);
  const recipients = [
    aRecipient('a@b.example', {
      notify: 'DELAY',
      state: 'deferred',
      nextAttemptAtMs: NOW_MS + 1800_000,
    }),
  ];
  await bench.accept(idOf(1), { recipients, expiresAtMs: NOW_MS + 86_400_000 });
  for (let minute = 0; minute < 38; minute++) await bench.pass(60);
  assert.ok(bench.attempts.length > 0 && reportsIn(bench).length === 0, 'late by 8 minutes');
  for (let minute = 0; minute < 4; minute++) await bench.pass(60);
  assert.equal(reportsIn(bench).length, 1);
});

test('a wall clock that is set makes no mail late, and none of it early', async () => {
  const bench = await reporting();
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : DEFERRED);
  const recipients = [aRecipient('a@b.example', { notify: 'DELAY' })];
  await bench.accept(idOf(1), { recipients, expiresAtMs: NOW_MS + 86_400_000 });
  bench.clock.setWall(NOW_MS + 86_400_000);
  for (let minute = 0; minute < 8; minute++) await bench.pass(60);
  assert.deepEqual(reportsIn(bench), []);
  bench.clock.setWall(NOW_MS - 86_400_000);
  for (let minute = 0; minute < 4; minute++) await bench.pass(60);
  assert.equal(reportsIn(bench).length, 1);
});

test('a delay that cannot be stored is told when it can be', async () => {
  const bench = await reporting();
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : DEFERRED);
  const recipients = [aRecipient('a@b.example', { notify: 'DELAY' })];
  await bench.accept(idOf(1), { recipients, expiresAtMs: NOW_MS + 86_400_000 });
  const accept = bench.spool.accept.bind(bench.spool);
  let refusals = 0;
  bench.spool.accept = () => {
    refusals++;
    return Promise.reject(new Error('no'));
  };
  for (let minute = 0; minute < 13; minute++) await bench.pass(60);
  assert.ok(refusals >= 2, `${refusals} refusals`);
  bench.spool.accept = accept;
  for (let minute = 0; minute < 3; minute++) await bench.pass(60);
  assert.equal(reportsIn(bench).length, 1);
});

test('an attempt that begins while a delay is being told puts the report off, and its end decides', async () => {
  const bench = await reporting();
  bench.answer = ({ message }) => (message.sender === '' ? DELIVERED : DEFERRED);
  const recipients = [aRecipient('a@b.example', { notify: 'DELAY' })];
  const text = `Subject: x\r\n\r\n${'x'.repeat(2000)}\r\n`;
  await bench.accept(idOf(1), { recipients, expiresAtMs: NOW_MS + 86_400_000 }, text);
  for (let minute = 0; minute < 9; minute++) await bench.pass(60);
  // The body is read slowly, and before that has ended the message is taken.
  const openBody = bench.spool.openBody.bind(bench.spool);
  let go: () => void = () => undefined;
  const slow = new Promise<void>((resolve) => (go = resolve));
  let reads = 0;
  bench.spool.openBody = async (item) => {
    if (++reads === 1) await slow;
    return openBody(item);
  };
  bench.clock.advance(60_000);
  await eventually('the report is being made', () => reads === 1);
  bench.answer = () => DELIVERED;
  await bench.pass(300);
  go();
  await bench.settledTurns();
  await bench.empty();
  assert.deepEqual(reportsIn(bench), []);
});
