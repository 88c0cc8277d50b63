import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrivedMessage } from '../../src/queue/arrived-message.js';
import { anItem, aRecipient, DAY_MS, idOf, NOW_MS } from './samples.js';

test('the trace gets what is known of a message, and no key for what is not', () => {
  const recipients = [aRecipient('a@b.example'), aRecipient('c@d.example')];
  const body = { kind: 'file', sizeBytes: 4711, ownHeaderBytes: 100 } as const;
  const item = anItem(idOf(1), { recipients, body, bounceOf: idOf(9) });
  assert.deepEqual(arrivedMessage(item, '(smarthost)'), {
    queueId: idOf(1),
    sender: 'sender@a.example',
    recipients: ['a@b.example', 'c@d.example'],
    receivedAtMs: NOW_MS,
    expiresAtMs: NOW_MS + 5 * DAY_MS,
    sizeBytes: 4711,
    messageId: `<${idOf(1)}@a.example>`,
    bounceOf: idOf(9),
    arrival: item.arrival,
    traceId: item.trace.traceId,
    spanId: item.trace.spanId,
    parentSpanId: null,
    path: [],
  });
});

test('what a message says of its delivery is told, its smarthost by its place and without its login', () => {
  const smarthost = {
    hostname: 'hub.example',
    port: 2525,
    address: '192.0.2.7',
    username: 'somebody',
    sealedPassword: 'sealed words',
  };
  const item = anItem(idOf(1), {
    requireTls: true,
    settings: {
      smarthost,
      tags: ['bulk'],
      maxAttempts: 3,
      retryIntervalsSeconds: [60, 600],
      security: 'verified',
    },
    unknownKeys: { colour: 'blue' },
  });
  const { ownSmarthost, settings, unknownKeys, requireTls, ...rest } = arrivedMessage(
    item,
    '(smarthost) hub.example:2525',
  );
  assert.equal(ownSmarthost, 'hub.example:2525');
  assert.equal(requireTls, true);
  const expected = { tags: ['bulk'], maxattempts: 3, retries: [60, 600], security: 'verified' };
  assert.deepEqual(settings, expected);
  assert.deepEqual(unknownKeys, { colour: 'blue' });
  assert.doesNotMatch(JSON.stringify({ settings, rest }), /somebody|sealed words/);
});

test('settings that say nothing of the way are told as they are', () => {
  const { settings, ownSmarthost } = arrivedMessage(anItem(idOf(1), { settings: {} }), 'core');
  assert.deepEqual([settings, ownSmarthost], [{}, undefined]);
});

test('a message that wants to go later says when', () => {
  const recipients = [aRecipient('a@b', { state: 'deferred', nextAttemptAtMs: NOW_MS + 1000 })];
  assert.equal(
    arrivedMessage(anItem(idOf(1), { recipients }), 'core').firstAttemptAtMs,
    NOW_MS + 1000,
  );
});

test('what the sender wants to know of it again is told as it came (RFC 3461)', () => {
  const recipients = [aRecipient('a@b', { orcpt: 'rfc822;A@b' }), aRecipient('c@d')];
  const { envid, orcpts } = arrivedMessage(anItem(idOf(1), { recipients, envid: 'Q+3D1' }), 'core');
  assert.deepEqual([envid, orcpts], ['Q+3D1', ['rfc822;A@b', null]]);
});

test('the span of a client whose word is not taken for more is told as a link', () => {
  const item = anItem(idOf(1));
  const link = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
  const told = arrivedMessage({ ...item, trace: { ...item.trace, link } }, 'core');
  assert.deepEqual(told.link, link);
});
