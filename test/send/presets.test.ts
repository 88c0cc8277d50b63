import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseReply } from '../../src/format/reply.js';
import { classifyReply } from '../../src/send/outcome.js';
import { PRESETS, type PresetName } from '../../src/send/presets.js';
import type { Stage } from '../../src/send/reply-table.js';

/** kind, with `, less` where the hop asks for less at a time. */
function meaning(preset: PresetName, line: string, stage: Stage = 'dot'): string {
  const reply = parseReply(line);
  assert.ok(reply !== null, line);
  const { kind, slowDown } = classifyReply(stage, reply, PRESETS[preset]);
  return `${kind}${slowDown === true ? ', less' : ''}`;
}

test('the published limits', () => {
  assert.deepEqual(
    Object.fromEntries(Object.entries(PRESETS).map(([name, { capacity }]) => [name, capacity])),
    {
      'microsoft-365': { maxConnections: 3, maxMessagesPerMinute: 30 },
      gmail: {},
      ses: {},
      sendgrid: { maxMessagesPerConnection: 5000 },
    },
  );
});

const TABLE: ReadonlyArray<[preset: PresetName, line: string, meaning: string]> = [
  [
    'microsoft-365',
    '554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message',
    'hop-fault, less',
  ],
  [
    'microsoft-365',
    '554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded',
    'hop-fault',
  ],
  ['microsoft-365', '550 5.7.705 Access denied, tenant has exceeded threshold', 'hop-fault, less'],
  ['microsoft-365', '550 tenant has exceeded threshold', 'hop-fault, less'],
  ['microsoft-365', '550 5.7.708 Access denied, traffic not accepted from this IP', 'hop-fault'],
  ['microsoft-365', '550 5.7.750 Client blocked from sending from unregistered domain', 'deferred'],
  ['microsoft-365', '550 5.1.8 Access denied, bad outbound sender', 'deferred'],
  ['microsoft-365', '550 5.1.90 you have reached your daily limit for recipients', 'deferred'],
  [
    'microsoft-365',
    '550 5.7.233 tenant exceeded its daily limit for external recipients',
    'deferred',
  ],
  ['microsoft-365', '432 4.3.2 Concurrent connections limit exceeded.', 'deferred, less'],
  ['microsoft-365', '550 5.1.10 RESOLVER.ADR.RecipientNotFound', 'failed'],
  ['microsoft-365', '550 5.1.1 mailbox unavailable', 'failed'],
  ['microsoft-365', '554 5.2.2 mailbox full; STOREDRV.Deliver', 'failed'],
  ['microsoft-365', '550 5.7.70 no such rule', 'failed'],
  ['gmail', '550 5.4.5 Daily user sending limit exceeded. x - gsmtp', 'hop-fault, less'],
  ['gmail', '550-5.4.5 Daily sending quota\r\n550 5.4.5 exceeded. x - gsmtp', 'hop-fault, less'],
  ['gmail', '550 5.4.5 Daily user sending quota exceeded. x - gsmtp', 'hop-fault, less'],
  ['gmail', '550 5.4.5 Daily SMTP relay limit exceeded for user. x - gsmtp', 'deferred'],
  ['gmail', '550 5.4.5 Daily SMTP relay sending limit exceeded for user.', 'deferred'],
  ['gmail', '550 5.7.1 Daily SMTP relay limit exceeded for customer. x - gsmtp', 'hop-fault, less'],
  ['gmail', '550 5.7.1 Email quota exceeded. x - gsmtp', 'hop-fault, less'],
  ['gmail', '450 4.2.1 Peak SMTP relay limit exceeded for customer. x - gsmtp', 'deferred, less'],
  ['gmail', '421 4.7.28 unusual rate of unsolicited mail', 'hop-fault, less'],
  ['gmail', '550 5.1.1 The email account that you tried to reach does not exist.', 'failed'],
  ['gmail', '552 5.2.2 The email account that you tried to reach is over quota.', 'failed'],
  ['gmail', '550 5.7.1 The user or domain that you are sending to has a policy', 'failed'],
  ['ses', '454 Throttling failure: Maximum sending rate exceeded.', 'hop-fault, less'],
  ['ses', '454 Throttling failure: Daily message quota exceeded.', 'hop-fault, less'],
  ['ses', '554 Message rejected: Sending suspended for this account. See your inbox.', 'hop-fault'],
  ['ses', '554 Message rejected: Sending paused for this account.', 'hop-fault'],
  [
    'ses',
    "554 Access denied: User `arn:x' is not authorized to perform `ses:SendRawEmail'",
    'deferred',
  ],
  [
    'ses',
    "554 5.7.1 Access denied: User `arn:x' is not authorized to perform `ses:SendRawEmail'",
    'deferred',
  ],
  ['ses', '554 Sending is disabled.', 'hop-fault'],
  ['ses', '554 Message rejected: Email address is not verified.', 'failed'],
  ['ses', '554 Transaction failed: Local address contains control or whitespace', 'failed'],
  ['sendgrid', '550 Maximum credits exceeded', 'hop-fault, less'],
  ['sendgrid', '550 You have exceeded your messaging limits', 'hop-fault, less'],
  ['sendgrid', '550 You have exceeded your daily sending limit', 'hop-fault, less'],
  ['sendgrid', '550 Temporarily blocked due to repeated bad requests', 'hop-fault'],
  ['sendgrid', '550 Unauthenticated senders not allowed', 'hop-fault'],
  ['sendgrid', '550 5.1.1 no such user', 'failed'],
];

test('codes that only look permanent wait; those that are permanent stay so', () => {
  for (const [preset, line, expected] of TABLE) {
    assert.equal(meaning(preset, line), expected, `${preset}: ${line}`);
  }
});

test('credits that are used up are refused at the login already, as a fault of the hop', () => {
  const line = '451 Authentication failed: Maximum credits exceeded';
  assert.equal(meaning('sendgrid', line, 'auth'), 'hop-fault');
});

test('no preset lets anything fail that would not have, or takes every word', () => {
  for (const [name, { replyRules }] of Object.entries(PRESETS)) {
    for (const { kind, codes, match } of replyRules) {
      assert.ok(['hop-fault', 'deferred'].includes(kind), name);
      assert.ok(codes[0] >= 500 && match !== undefined, name);
    }
  }
});
