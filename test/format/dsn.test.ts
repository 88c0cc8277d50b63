import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatDeliveryStatus,
  statusCode,
  type MessageStatus,
  type RecipientStatus,
} from '../../src/format/dsn.js';

const NOON_MS = Date.UTC(2026, 0, 5, 12);

const MESSAGE: MessageStatus = {
  envid: null,
  reportingMta: 'edge.mail.internal',
  receivedFrom: null,
  arrivalMs: NOON_MS,
};

const RECIPIENT: RecipientStatus = {
  orcpt: null,
  address: 'one@b.example',
  action: 'failed',
  remoteMta: 'core',
  words: { code: 550, enhanced: '5.1.1', text: 'no such user' },
  lastAttemptMs: NOON_MS + 60_000,
  logId: '01KE6Q1XB5M0Z9AB3C',
  retryUntilMs: NOON_MS + 86_400_000,
};

function groupsOf(
  message: Partial<MessageStatus>,
  ...recipients: Array<Partial<RecipientStatus>>
): { type: string; groups: string[][] } {
  const { type, content } = formatDeliveryStatus(
    { ...MESSAGE, ...message },
    recipients.map((recipient) => ({ ...RECIPIENT, ...recipient })),
  );
  assert.ok(content.endsWith('\r\n') && !/(?<!\r)\n|\r(?!\n)/.test(content));
  const groups = content
    .slice(0, -2)
    .split('\r\n\r\n')
    .map((group) => group.split('\r\n'));
  return { type, groups };
}

test('the fields stand in the order of RFC 3464, one group a recipient', () => {
  const { type, groups } = groupsOf(
    { envid: 'batch+2B7', receivedFrom: { helo: 'client.example', address: '192.0.2.1' } },
    { orcpt: 'rfc822;first+2Bone@b.example' },
    { action: 'delayed', remoteMta: null, words: null, lastAttemptMs: null },
  );
  assert.equal(type, 'message/delivery-status');
  assert.deepEqual(groups, [
    [
      'Original-Envelope-Id: batch+7',
      'Reporting-MTA: dns; edge.mail.internal',
      'Received-From-MTA: dns; client.example ([192.0.2.1])',
      'Arrival-Date: Mon, 5 Jan 2026 12:00:00 +0000',
    ],
    [
      'Original-Recipient: rfc822; first+one@b.example',
      'Final-Recipient: rfc822; one@b.example',
      'Action: failed',
      'Status: 5.1.1',
      'Remote-MTA: dns; core',
      'Diagnostic-Code: smtp; 550 5.1.1 no such user',
      'Last-Attempt-Date: Mon, 5 Jan 2026 12:01:00 +0000',
      'Final-Log-ID: 01KE6Q1XB5M0Z9AB3C',
    ],
    [
      'Final-Recipient: rfc822; one@b.example',
      'Action: delayed',
      'Status: 4.0.0',
      'Final-Log-ID: 01KE6Q1XB5M0Z9AB3C',
      'Will-Retry-Until: Tue, 6 Jan 2026 12:00:00 +0000',
    ],
  ]);
});

test('a client whose name is no name is told by its address', () => {
  for (const helo of ['', 'a b', 'x(y)', 'x\r\nAction: delivered', '"quoted"']) {
    const { groups } = groupsOf({ receivedFrom: { helo, address: '2001:db8::1' } }, {});
    assert.ok(
      groups[0]?.includes('Received-From-MTA: dns; [IPv6:2001:db8::1] ([IPv6:2001:db8::1])'),
    );
  }
});

test('the status is of the class of its action', () => {
  const words = (code: number | null, enhanced: string | null) => ({ code, enhanced, text: '' });
  for (const [action, said, status] of [
    ['failed', words(550, '5.1.1'), '5.1.1'],
    ['failed', words(452, '4.2.2'), '5.0.0'],
    ['failed', words(554, null), '5.0.0'],
    ['failed', null, '5.0.0'],
    ['relayed', words(250, '2.6.0'), '2.6.0'],
    ['relayed', words(250, null), '2.0.0'],
    ['delayed', words(451, '4.7.1'), '4.7.1'],
    // A refused login is for good, and the message waits until somebody has mended it.
    ['delayed', words(535, '5.7.8'), '4.7.8'],
    ['delayed', words(421, null), '4.0.0'],
    ['delayed', words(null, null), '4.4.1'],
    ['delayed', null, '4.0.0'],
  ] as const) {
    assert.equal(statusCode(action, said), status, `${action} ${JSON.stringify(said)}`);
  }
});

test('only a delay says how long it is tried', () => {
  for (const action of ['failed', 'relayed', 'delayed'] as const) {
    const { groups } = groupsOf({}, { action });
    const until = groups[1]?.some((line) => line.startsWith('Will-Retry-Until: '));
    assert.equal(until, action === 'delayed', action);
  }
});

test('our own words are told apart from those of a server', () => {
  const text = 'delivery time expired';
  const { groups } = groupsOf({}, { words: { code: null, enhanced: '5.4.7', text } });
  assert.ok(groups[1]?.includes('Diagnostic-Code: X-Relaymesh; 5.4.7 delivery time expired'));
});

test('an address above ASCII makes the report one in UTF-8, with the type of its own', () => {
  const address = 'gr\u00fcn@b\u00fccher.example';
  const { type, groups } = groupsOf(
    {},
    { address, orcpt: 'utf-8;gr\\x{FC}n\\x{2B}1@b\\x{FC}cher.example' },
    { words: { code: 550, enhanced: '5.1.1', text: 'Empf\u00e4nger\u0085unbekannt\u2028x' } },
  );
  assert.equal(type, 'message/global-delivery-status');
  assert.deepEqual(groups[1]?.slice(0, 2), [
    'Original-Recipient: utf-8; gr\u00fcn+1@b\u00fccher.example',
    `Final-Recipient: utf-8; ${address}`,
  ]);
  assert.equal(groups[2]?.[0], 'Final-Recipient: rfc822; one@b.example');
  assert.ok(groups[2]?.includes('Diagnostic-Code: smtp; 550 5.1.1 Empf\u00e4nger?unbekannt?x'));
});

test('an original recipient above ASCII does so alone, written either way', () => {
  for (const orcpt of ['utf-8;gr\\x{FC}n@x', 'UTF-8;gr\u00fcn@x']) {
    const { type, groups } = groupsOf({}, { orcpt });
    assert.equal(type, 'message/global-delivery-status');
    assert.equal(groups[1]?.[0], `Original-Recipient: ${orcpt.slice(0, 5)}; gr\u00fcn@x`);
  }
});

test('an original recipient of the type utf-8 keeps its form where it is ASCII or not of its form', () => {
  for (const [orcpt, told] of [
    ['utf-8;a\\x{2B}b@x', 'utf-8; a\\x{2B}b@x'],
    ['utf-8;gr+C3+BCn@x', 'utf-8; gr+C3+BCn@x'],
    ['utf-8;a@x', 'utf-8; a@x'],
  ] as const) {
    const { type, groups } = groupsOf({}, { orcpt });
    assert.equal(type, 'message/delivery-status', orcpt);
    assert.equal(groups[1]?.[0], `Original-Recipient: ${told}`);
  }
  const { groups } = groupsOf({}, { address: '\u00fc@x', orcpt: 'utf-8;gr+C3+BCn@x' });
  assert.equal(groups[1]?.[0], 'Original-Recipient: utf-8; gr+C3+BCn@x', 'not altered');
});

test('an original recipient of another type that is not ASCII stays as it came', () => {
  const { type, groups } = groupsOf({}, { orcpt: 'rfc822;gr+C3+BCn@x' });
  assert.equal(type, 'message/delivery-status');
  assert.equal(groups[1]?.[0], 'Original-Recipient: rfc822; gr+C3+BCn@x');
});

test('no value is longer than a line of mail may be, in octets and whole characters', () => {
  for (const text of ['\u4e0d'.repeat(1000), 'x'.repeat(2000)]) {
    for (const address of ['one@b.example', '\u00fc@x']) {
      const { groups } = groupsOf({}, { address, words: { code: 550, enhanced: null, text } });
      for (const line of groups.flat()) {
        assert.ok(Buffer.byteLength(line) <= 998, `${Buffer.byteLength(line)} octets`);
        assert.ok(!line.includes('\ufffd'));
      }
    }
  }
});
