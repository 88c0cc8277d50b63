import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attemptState, classifyReply, type ReplyRule, type Stage } from '../../src/send/outcome.js';

const SESSION: Stage[] = ['connect', 'greeting', 'ehlo', 'starttls', 'auth', 'rset'];
const TRANSACTION: Stage[] = ['mail', 'rcpt', 'data', 'dot'];

const kindOf = (stage: Stage, code: number): string =>
  classifyReply(stage, { code, enhanced: null, text: 'words' }).kind;

test('before a transaction every refusal is a fault of the hop', () => {
  for (const stage of SESSION) {
    for (let code = 400; code <= 599; code++) {
      assert.equal(kindOf(stage, code), 'hop-fault', `${stage} ${code}`);
    }
  }
});

test('in a transaction 4yz is deferred and 5yz failed, but for the troubles of the hop itself', () => {
  const ofTheHop = new Set([421, 454, 530, 535, 538]);
  for (const stage of TRANSACTION) {
    for (let code = 400; code <= 599; code++) {
      const expected = ofTheHop.has(code) ? 'hop-fault' : code < 500 ? 'deferred' : 'failed';
      assert.equal(kindOf(stage, code), expected, `${stage} ${code}`);
    }
  }
});

test('only the reply to the final dot delivers', () => {
  for (const stage of [...SESSION, ...TRANSACTION]) {
    for (const code of [200, 250, 251, 299]) {
      assert.equal(
        kindOf(stage, code),
        stage === 'dot' ? 'delivered' : 'hop-fault',
        `${stage} ${code}`,
      );
    }
    for (const code of [0, 1, 100, 199, 300, 354, 399, 600, 999]) {
      assert.equal(kindOf(stage, code), 'hop-fault', `${stage} ${code}`);
    }
  }
});

test('the state of a record by the stage', () => {
  const states = [...SESSION, ...TRANSACTION].map((stage) => attemptState(stage));
  assert.deepEqual(states, [
    'connect',
    'connect',
    'connect',
    'starttls',
    'authplain',
    'connect',
    'mailfrom',
    'rcptto',
    'data',
    'message',
  ]);
  assert.equal(attemptState('auth', 'LOGIN'), 'authlogin');
  assert.equal(attemptState('auth', 'CRAM-MD5'), 'authcrammd5');
  assert.equal(attemptState('auth', 'XOAUTH2'), 'authxoauth2');
});

test("a hop's own rules come before the common ones, by stage, code and words", () => {
  const rules: ReplyRule[] = [
    { stages: ['rcpt', 'dot'], codes: [550, 554], pattern: /^5\.4\.5 daily/i, kind: 'hop-fault' },
    { stages: ['dot'], codes: [554, 554], kind: 'deferred', slowDown: true },
  ];
  const classify = (stage: Stage, code: number, enhanced: string | null, text: string) =>
    classifyReply(stage, { code, enhanced, text }, rules);
  assert.deepEqual(classify('rcpt', 550, '5.4.5', 'Daily limit'), { kind: 'hop-fault' });
  assert.deepEqual(classify('dot', 554, '5.4.5', 'Daily limit'), { kind: 'hop-fault' });
  assert.deepEqual(classify('dot', 554, null, 'no'), { kind: 'deferred', slowDown: true });
  assert.deepEqual(classify('rcpt', 550, null, '5.4.5 Daily'), { kind: 'hop-fault' });
  for (const [stage, code, enhanced, text] of [
    ['mail', 550, '5.4.5', 'Daily limit'],
    ['rcpt', 555, '5.4.5', 'Daily limit'],
    ['rcpt', 550, '5.1.1', 'Daily limit'],
    ['rcpt', 550, null, 'no such user'],
  ] as const) {
    assert.deepEqual(classify(stage, code, enhanced, text), { kind: 'failed' });
  }
});

test('421 asks for less in every stage, and so do words of throttling', () => {
  for (const stage of [...SESSION, ...TRANSACTION]) {
    const closing = { code: 421, enhanced: '4.3.2', text: 'closing' };
    assert.deepEqual(classifyReply(stage, closing), { kind: 'hop-fault', slowDown: true });
  }
  const busy = { code: 450, enhanced: null, text: 'too many connections, retry in 2 minutes' };
  const asked = { slowDown: true, retryAfterMs: 120_000 };
  assert.deepEqual(classifyReply('greeting', busy), { kind: 'hop-fault', ...asked });
  assert.deepEqual(classifyReply('mail', busy), { kind: 'deferred', ...asked });
});

test('only a 4yz reply names a time to come back after', () => {
  const text = 'try again in 300 seconds';
  const of = (code: number) => classifyReply('dot', { code, enhanced: null, text });
  assert.deepEqual(of(451), { kind: 'deferred', retryAfterMs: 300_000 });
  assert.deepEqual(of(550), { kind: 'failed' });
  assert.deepEqual(of(250), { kind: 'delivered' });
});
