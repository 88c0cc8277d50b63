import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attemptState, classifyReply, type Stage } from '../../src/send/outcome.js';

const SESSION: Stage[] = ['connect', 'greeting', 'ehlo', 'starttls', 'auth', 'rset'];
const TRANSACTION: Stage[] = ['mail', 'rcpt', 'data', 'dot'];

test('before a transaction every refusal is a fault of the hop', () => {
  for (const stage of SESSION) {
    for (let code = 400; code <= 599; code++) {
      assert.equal(classifyReply(stage, code), 'hop-fault', `${stage} ${code}`);
    }
  }
});

test('in a transaction 4yz is deferred and 5yz failed, but for the troubles of the hop itself', () => {
  const ofTheHop = new Set([421, 454, 530, 535, 538]);
  for (const stage of TRANSACTION) {
    for (let code = 400; code <= 599; code++) {
      const expected = ofTheHop.has(code) ? 'hop-fault' : code < 500 ? 'deferred' : 'failed';
      assert.equal(classifyReply(stage, code), expected, `${stage} ${code}`);
    }
  }
});

test('only the reply to the final dot delivers', () => {
  for (const stage of [...SESSION, ...TRANSACTION]) {
    for (const code of [200, 250, 251, 299]) {
      assert.equal(
        classifyReply(stage, code),
        stage === 'dot' ? 'delivered' : 'hop-fault',
        `${stage} ${code}`,
      );
    }
    for (const code of [0, 1, 100, 199, 300, 354, 399, 600, 999]) {
      assert.equal(classifyReply(stage, code), 'hop-fault', `${stage} ${code}`);
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
});
