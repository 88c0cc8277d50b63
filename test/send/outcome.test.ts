import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseReply } from '../../src/format/reply.js';
import { attemptState, classifyReply, type Replier } from '../../src/send/outcome.js';
import type { ReplyRule, Stage } from '../../src/send/reply-table.js';

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

/** What a reply means that came as a line: kind, and the marks that are set. */
function meaning(stage: Stage, line: string, hop?: Replier): string {
  const reply = parseReply(line);
  assert.ok(reply !== null, line);
  const { kind, ...marks } = classifyReply(stage, reply, hop);
  return [kind, ...Object.keys(marks)].join(', ');
}

test("a hop's own rules come before the common ones, by stage, code and words", () => {
  const replyRules: ReplyRule[] = [
    { stages: ['rcpt', 'dot'], codes: [550, 554], match: ['5.4.5 daily*'], kind: 'hop-fault' },
    { stages: ['dot'], codes: [554, 554], kind: 'deferred', slowDown: true },
    { stages: ['rcpt'], codes: [450, 450], match: ['*never*', '4.1.1 *'], kind: 'failed' },
  ];
  const rows: [Stage, string, string][] = [
    ['rcpt', '550 5.4.5 Daily limit', 'hop-fault'],
    ['dot', '554 5.4.5 DAILY limit', 'hop-fault'],
    ['dot', '554 no', 'deferred, slowDown'],
    ['rcpt', '450 4.1.1 no', 'failed'],
    ['rcpt', '450 I shall never know', 'failed'],
    ['rcpt', '450 4.1.2 no', 'deferred'],
    ['mail', '550 5.4.5 Daily limit', 'failed'],
    ['rcpt', '555 5.4.5 Daily limit', 'failed'],
    ['rcpt', '549 5.4.5 Daily limit', 'failed'],
    ['rcpt', '550 5.1.1 Daily limit', 'failed'],
    ['rcpt', '550 my daily limit', 'failed'],
  ];
  for (const [stage, line, expected] of rows) {
    assert.equal(meaning(stage, line, { replyRules }), expected, `${stage} ${line}`);
  }
  const words = { code: 550, enhanced: null, text: '5.4.5 daily' };
  assert.equal(classifyReply('rcpt', words, { replyRules }).kind, 'hop-fault');
});

test('of rules that fit the first one counts, also before those for nodes of the mesh', () => {
  const every = { stages: TRANSACTION, codes: [400, 499] } as const;
  const replyRules: ReplyRule[] = [
    { ...every, kind: 'failed' },
    { ...every, kind: 'hop-fault' },
  ];
  assert.equal(meaning('dot', '452 4.3.1 full', { kind: 'node', replyRules }), 'failed');
});

test('no rule makes a delivery of a refusal, or anything else of a delivery', () => {
  const everything = { stages: [...SESSION, ...TRANSACTION], codes: [0, 999] } as const;
  for (const kind of ['deferred', 'failed', 'hop-fault'] as const) {
    for (const peer of ['node', 'host', 'mx', 'sink'] as const) {
      const hop: Replier = { kind: peer, replyRules: [{ ...everything, kind, slowDown: true }] };
      assert.equal(meaning('dot', '250 2.0.0 queued', hop), 'delivered');
      for (const stage of [...SESSION, ...TRANSACTION]) {
        for (let code = 200; code <= 599; code++) {
          const found = classifyReply(stage, { code, enhanced: null, text: '' }, hop).kind;
          assert.equal(found === 'delivered', stage === 'dot' && code < 300, `${stage} ${code}`);
        }
      }
    }
  }
});

test('what is said of the session is no failure of the message, whatever the rules say', () => {
  const everything = { stages: TRANSACTION, codes: [400, 599] } as const;
  const bounce: Replier = { replyRules: [{ ...everything, kind: 'failed' }] };
  const retry: Replier = { replyRules: [{ ...everything, kind: 'deferred' }] };
  for (const code of [421, 454, 530, 535, 538]) {
    const reply = { code, enhanced: null, text: '' };
    assert.equal(classifyReply('mail', reply, bounce).kind, 'hop-fault', String(code));
    assert.equal(classifyReply('mail', reply, retry).kind, 'deferred', String(code));
  }
  assert.equal(meaning('mail', '450 later', bounce), 'failed');
});

test('a pattern is looked for in the first 1000 characters of a reply', () => {
  const rule: ReplyRule = { stages: ['dot'], codes: [554, 554], match: ['*end'], kind: 'deferred' };
  const of = (text: string) =>
    classifyReply('dot', { code: 554, enhanced: null, text }, { replyRules: [rule] }).kind;
  assert.equal(of(`${'x'.repeat(997)}end`), 'deferred');
  assert.equal(of(`${'x'.repeat(998)}end`), 'failed');
  assert.equal(of(`${'x'.repeat(997)}end and more`), 'deferred');
});

test('a node of the mesh that is full, busy or cannot store mail is at fault, in every stage', () => {
  for (const stage of TRANSACTION) {
    for (const line of [
      '452 4.3.1 The queue is full',
      '452-4.3.1 The queue\r\n452 4.3.1 is full',
      '451 4.3.2 Not now',
      '451 4.3.1',
    ]) {
      assert.equal(meaning(stage, line, { kind: 'node' }), 'hop-fault', `${stage} ${line}`);
    }
    assert.equal(meaning(stage, '451 4.4.5 busy', { kind: 'node' }), 'hop-fault, slowDown');
    // An error of its own may come of this message only.
    const cannotStore = '451 4.3.0 Mail cannot be stored now';
    assert.equal(meaning(stage, cannotStore, { kind: 'node' }), 'hop-fault, mayBeMessage');
    for (const line of ['452 4.2.2 full', '450 4.3.10 x', '451 4.7.1 later', '452 full']) {
      assert.equal(meaning(stage, line, { kind: 'node' }), 'deferred', `${stage} ${line}`);
    }
    assert.equal(meaning(stage, '552 5.3.1 full', { kind: 'node' }), 'failed');
  }
});

test('a foreign hop is believed to be full or busy at MAIL, where it may also mean the size', () => {
  for (const kind of ['host', 'mx', 'sink', undefined] as const) {
    const hop: Replier = kind === undefined ? {} : { kind };
    const full = [
      '452 4.3.1 Insufficient system storage',
      '451 4.3.2 System not accepting network messages',
      '452 Space shortage, please try later',
      '452 Requested action not taken: insufficient system storage',
    ];
    for (const line of full) {
      assert.equal(meaning('mail', line, hop), 'hop-fault, mayBeMessage', line);
      for (const stage of ['rcpt', 'data', 'dot'] as const) {
        assert.equal(meaning(stage, line, hop), 'deferred', `${stage} ${line}`);
      }
    }
    assert.equal(meaning('mail', '452 4.4.5 busy', hop), 'hop-fault, mayBeMessage, slowDown');
    const ofTheMessage = [
      '451 4.3.0 Temporary lookup failure',
      '452 4.2.2 Mailbox full',
      '452 not now',
      '451 4.3.5 Server configuration problem',
    ];
    for (const stage of TRANSACTION) {
      for (const line of ofTheMessage) {
        assert.equal(meaning(stage, line, hop), 'deferred', `${stage} ${line}`);
      }
    }
  }
});

test('too many recipients for one transaction are for the next one, unless they are for an hour', () => {
  for (const line of [
    '452 4.5.3 Too many recipients; at most 100 a message',
    '452 Too many recipients',
    '552 5.5.3 enough',
    '552 Too many recipients',
  ]) {
    assert.equal(meaning('rcpt', line), 'deferred, nextTransaction', line);
    assert.equal(meaning('rcpt', line, { kind: 'node' }), 'deferred, nextTransaction', line);
  }
  assert.equal(meaning('rcpt', '452 too many recipients this hour'), 'deferred, slowDown');
  assert.equal(meaning('rcpt', '452 4.2.2 mailbox full'), 'deferred');
  assert.equal(meaning('rcpt', '552 5.2.2 mailbox full'), 'failed');
  assert.equal(meaning('rcpt', '550 5.5.3 too many recipients'), 'failed');
  assert.equal(meaning('dot', '452 4.5.3 too many recipients'), 'deferred');
  assert.equal(meaning('dot', '552 5.5.3 too many recipients'), 'failed');
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
