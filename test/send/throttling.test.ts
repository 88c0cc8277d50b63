import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseReply } from '../../src/format/reply.js';
import { asksForLess, retryAfterMsIn } from '../../src/send/throttling.js';

function asks(line: string): boolean {
  const reply = parseReply(line);
  assert.ok(reply !== null, line);
  return asksForLess(reply);
}

/** As servers say it; addresses and links are replaced. */
const THROTTLING = [
  // Microsoft 365 and Outlook.com
  '432 4.3.2 Concurrent connections limit exceeded. Visit https://x.test for more information.',
  '432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded',
  '451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77714)',
  '451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.',
  '451 4.7.652 The mail server [192.0.2.1] has exceeded the maximum number of connections. (S844)',
  '421 4.4.2 Message submission rate for this client has exceeded the configured limit',
  '450 4.4.2 Message submission rate for this client has exceeded the configured limit',
  '450 RP-001 some messages were not sent. We have limits for how many messages can be sent per hour and per day.',
  // Gmail and Google Workspace
  '421-4.7.28 [192.0.2.1] Our system has detected an unusual rate of\r\n421 4.7.28 unsolicited mail',
  '450 4.7.28 Gmail has detected something',
  '450 4.2.1 Peak SMTP relay limit exceeded for customer. This is a temporary error.',
  '454 4.7.0 Too many login attempts, please try again later.',
  '421 4.4.5 Server busy, try again later.',
  // Yahoo
  '451 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1',
  // Amazon SES
  '454 Throttling failure: Maximum sending rate exceeded.',
  '454 Throttling failure: Daily message quota exceeded.',
  '421 Too many concurrent SMTP connections; please try again later.',
  // SendGrid, as it reports what others said
  '450 too frequent connects from 192.0.2.1, please try again later.',
  '452 Too many recipients received this hour',
  // Postfix, Sendmail, Exim, MDaemon, others
  '450 4.7.1 Error: too much mail from 192.0.2.1',
  '450 4.7.1 Error: too many recipients from 192.0.2.1',
  '421 4.7.0 mx.test Error: too many connections from 192.0.2.1',
  '451 4.3.2 Connection rate limit exceeded.',
  '452 4.3.2 Too many open connections.',
  '451 Too many concurrent SMTP connections from this IP address; please try again later.',
  '450 Sender rate overlimit - 120 / 1h',
  '451 The server has reached its limit for processing requests from your host.',
  '450 Requested mail action not taken: mailbox unavailable Mail rate limit exceeded',
  '452 4.4.5 Messages per second limit exceeded',
  '452 4.5.3 Daily message limit exceeded',
  '451 you have exceeded your hourly sending limit',
  '421 4.1.0 192.0.2.1 Throttled - try again later',
  '450 4.7.1 slow down, please',
];

const NO_THROTTLING = [
  '451 4.7.1 Greylisted, try again in 300 seconds',
  '450 4.2.0 <b@y.test>: Recipient address rejected: Greylisted, see http://x.test',
  '451 4.7.1 Service unavailable - try again later',
  '451 4.3.0 Temporary server error. Please try again later. PRX2',
  '451 Temporary local problem - please try later',
  '451 4.3.0 Mail server temporarily rejected message.',
  '450 4.1.1 user unknown; try again later',
  '450 4.1.8 <a@x.test>: Sender address rejected: Domain not found',
  '451 4.4.3 Temporary lookup failure',
  '452 4.2.2 The email account that you tried to reach is over quota.',
  '452 4.2.2 mailbox full: too many messages',
  '452 4.3.1 Insufficient system resources (TSTMSG)',
  '452 4.3.4 message size limit exceeded',
  '452 4.5.3 Error: too many recipients',
  '452 4.5.3 Your message has too many recipients.',
  '450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered.',
  '432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded',
  '454 4.7.0 TLS not available due to temporary reason',
  '450 4.7.1 Too many hops',
  '554 5.4.6 Too many hops',
  '550 5.4.5 Daily user sending limit exceeded',
  '250 2.0.0 Ok: throttled but queued, rate limit exceeded',
];

test('replies that ask for less at a time, as well-known servers say it', () => {
  for (const line of THROTTLING) {
    assert.equal(asks(line), true, line);
  }
});

test('greylisting, full mailboxes, limits of one message and refusals for good ask for nothing', () => {
  for (const line of NO_THROTTLING) {
    assert.equal(asks(line), false, line);
  }
});

test('the time to come back after, in every form', () => {
  const table: ReadonlyArray<[text: string, seconds: number | null]> = [
    ['Greylisted, try again in 300 seconds', 300],
    ['Greylisted for 5 minutes', 300],
    ['Sender address rejected: Greylisted for 60 sec.', 60],
    ['Greylisting in action, please come back in 00:29:59', 1799],
    ['please come back later in 1:00:00', 3600],
    ['Try again in 1 minute', 60],
    ['Please try again after 2 hours.', 7200],
    ['try again later, in about 10 min', 600],
    ['Please wait 90 seconds before retrying', 90],
    ['wait at least (45 s) and retry', 45],
    ['retry after 120', 120],
    ['Rate limited. Retry-After: 30', 30],
    ['retry after 30, thank you', 30],
    ['Please retry in 15m', 900],
    ['try again in 0 seconds', 1],
    ['try again in 72 hours', 86_400],
    ['try again in 999999 hours', 86_400],
    ['temporarily deferred for 4 hours', 14_400],
    ['try again later', null],
    ['try again in 5 mailboxes', null],
    ['retry after 3 attempts', null],
    ['temporarily deferred - 4.16.55.1; see https://x.test', null],
    ['we take 20 messages in 60 seconds, try again later', null],
    ['waited 30 seconds for the lookup', null],
    ['', null],
  ];
  for (const [text, seconds] of table) {
    const expected = seconds === null ? null : seconds * 1000;
    assert.equal(retryAfterMsIn(text), expected, text);
  }
});

test('texts that are made to be slow to read are read in time', () => {
  const startedMs = performance.now();
  for (const piece of ['retry again ', 'too many ', 'sending rate ', 'daily ', 'a', '1', ' ']) {
    const text = piece.repeat(Math.ceil(65_536 / piece.length));
    retryAfterMsIn(text);
    asksForLess({ code: 450, enhanced: null, text });
  }
  assert.ok(performance.now() - startedMs < 500);
});
