import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLIENT, contentOfChunks, MESSAGE, messages, refusal, runInjecting } from './injecting.js';
import { ManualClock } from './manual-clock.js';
import { PLAIN } from './steering-client.js';

const HOUR_MS = 3_600_000;

test('a repeated request with its Idempotency-Key gets the same ids and stores nothing', async (t) => {
  const clock = new ManualClock();
  const { json, stream, spool, stored } = await runInjecting(t, { clock });
  const two = [MESSAGE, { ...MESSAGE, recipient: ['c@y.test', 'd@y.test'] }];
  const first = messages(await json(two, { idempotencyKey: 'key 1' }));
  assert.deepEqual(messages(await json(two, { idempotencyKey: 'key 1' })), first);
  const streamed = messages(await stream([PLAIN], { idempotencyKey: 'key 2' }));
  assert.deepEqual(messages(await stream(PLAIN.split(''), { idempotencyKey: 'key 2' })), streamed);
  assert.deepEqual(stored(), [3, 0]);
  for (const { key, value, untilMs } of spool.notes.values()) {
    assert.match(key, /^inject![0-9a-f]{64}![01]$/);
    assert.equal(untilMs, clock.nowMs() + 24 * HOUR_MS);
    assert.ok(!value.includes('body'));
  }
  clock.advance(24 * HOUR_MS);
  assert.notDeepEqual(messages(await json(two, { idempotencyKey: 'key 1' })), first);
  assert.equal(spool.taken.length, 5);
});

test('a repeated request is answered also when it could not be decided now', async (t) => {
  const dns: Record<string, string[] | Error> = { 'esp.example': ['198.51.100.1'] };
  const { json, stream, stored } = await runInjecting(t, { dns });
  const smarthost = { hostname: 'esp.example' };
  const header = `X-MQ-Smarthost-Hostname: esp.example\r\n${PLAIN}`;
  const first = messages(await json({ ...MESSAGE, smarthost }, { idempotencyKey: '1' }));
  const streamed = messages(await stream([header], { idempotencyKey: '2' }));
  dns['esp.example'] = new Error('DNS is gone');
  assert.deepEqual(messages(await json({ ...MESSAGE, smarthost }, { idempotencyKey: '1' })), first);
  assert.deepEqual(messages(await stream([header], { idempotencyKey: '2' })), streamed);
  assert.equal(refusal(await stream([header]))[0], 503);
  assert.deepEqual(stored(), [2, 0]);
});

test('the same key with another request is refused', async (t) => {
  const { json, stream, stored, injection } = await runInjecting(t);
  const idempotencyKey = 'key';
  messages(await json(MESSAGE, { idempotencyKey }));
  const others = [
    await json({ ...MESSAGE, recipient: 'c@y.test' }, { idempotencyKey }),
    await json([MESSAGE], { idempotencyKey }),
    await json([MESSAGE, MESSAGE], { idempotencyKey }),
    await stream([PLAIN], { idempotencyKey }),
    await injection.fromStream(
      contentOfChunks([PLAIN]),
      { sender: '', recipients: ['b@y.test'] },
      { ...CLIENT, idempotencyKey },
    ),
  ];
  for (const answer of others) {
    assert.deepEqual(refusal(answer), [422, 'IDEMPOTENCY_KEY_REUSED']);
  }
  assert.deepEqual(stored(), [1, 0]);
});

test('the same key while the first request is being worked on is 409', async (t) => {
  const { json, spool } = await runInjecting(t);
  let open = (): void => undefined;
  spool.gate = new Promise((resolve) => (open = resolve));
  const first = json(MESSAGE, { idempotencyKey: 'key' });
  assert.deepEqual(refusal(await json(MESSAGE, { idempotencyKey: 'key' })), [
    409,
    'IDEMPOTENCY_KEY_BUSY',
  ]);
  const other = json(MESSAGE, { idempotencyKey: 'other' });
  open();
  const answered = messages(await first);
  assert.notDeepEqual(messages(await other), answered);
  assert.deepEqual(messages(await json(MESSAGE, { idempotencyKey: 'key' })), answered);
});

test('of a request that was stored in part, the repetition stores the rest', async (t) => {
  const { json, spool } = await runInjecting(t);
  const three = ['b', 'c', 'd'].map((name) => ({ ...MESSAGE, recipient: `${name}@y.test` }));
  spool.refuses = ({ recipients }) => recipients[0]?.address === 'c@y.test';
  const answer = await json(three, { idempotencyKey: 'key' });
  assert.deepEqual(refusal(answer), [503, 'NOT_STORED']);
  assert.match('refusal' in answer ? answer.refusal.detail : '', /^2 of 3 messages were stored/);
  spool.refuses = () => false;
  const answered = messages(await json(three, { idempotencyKey: 'key' }));
  assert.deepEqual(
    answered.map(({ recipient }) => recipient),
    ['b@y.test', 'c@y.test', 'd@y.test'],
  );
  assert.deepEqual(
    spool.taken.map(({ item }) => item.recipients[0]?.address),
    ['b@y.test', 'd@y.test', 'c@y.test'],
  );
});

test('a request that was refused may be sent again under its key', async (t) => {
  const { json, spool } = await runInjecting(t);
  spool.refuseBodies = true;
  assert.equal(refusal(await json(MESSAGE, { idempotencyKey: 'key' }))[0], 503);
  spool.refuseBodies = false;
  messages(await json(MESSAGE, { idempotencyKey: 'key' }));
  assert.equal(spool.taken.length, 1);
});
