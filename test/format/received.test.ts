import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDate, formatReceived, type ReceivedFields } from '../../src/format/received.js';

const FIELDS: ReceivedFields = {
  helo: 'client.example',
  clientAddress: '192.0.2.7',
  by: 'edge.mail.internal',
  protocol: 'ESMTPSA',
  queueId: '01KE6Q1XB5M0Z9AB3C',
  tls: { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' },
  recipient: 'b@y.example',
  dateMs: Date.UTC(2026, 1, 3, 4, 5, 6, 789),
};

test('the line names the client, our name, protocol, id, recipient and date', () => {
  assert.equal(
    formatReceived(FIELDS),
    [
      'Received: from client.example ([192.0.2.7])',
      ' (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)',
      ' by edge.mail.internal (relaymesh) with ESMTPSA id 01KE6Q1XB5M0Z9AB3C',
      ' for <b@y.example>;',
      ' Tue, 3 Feb 2026 04:05:06 +0000',
      '',
    ].join('\r\n'),
  );
});

test('without TLS and with several recipients those parts are absent', () => {
  assert.equal(
    formatReceived({ ...FIELDS, tls: null, recipient: null, clientAddress: '2001:db8::7' }),
    [
      'Received: from client.example ([IPv6:2001:db8::7])',
      ' by edge.mail.internal (relaymesh) with ESMTPSA id 01KE6Q1XB5M0Z9AB3C;',
      ' Tue, 3 Feb 2026 04:05:06 +0000',
      '',
    ].join('\r\n'),
  );
});

test('an EHLO name that could break the line is replaced by the address', () => {
  for (const helo of [
    '',
    'a b',
    'a\r\nBcc: x',
    'a(b',
    'a;b',
    'a<b>',
    '${x}',
    'é.example',
    'a'.repeat(256),
  ]) {
    const line = formatReceived({ ...FIELDS, helo });
    assert.ok(
      line.startsWith('Received: from [192.0.2.7] ([192.0.2.7])\r\n'),
      JSON.stringify(helo),
    );
  }
  for (const helo of ['[192.0.2.9]', '[IPv6:::1]', 'my_pc', 'a-b.c']) {
    assert.ok(formatReceived({ ...FIELDS, helo }).startsWith(`Received: from ${helo} (`), helo);
  }
});

test('no line is longer than 78 characters where the words are short', () => {
  for (const line of formatReceived(FIELDS).split('\r\n')) assert.ok(line.length <= 78, line);
});

test('dates have one digit for the day where one is enough and are in UTC', () => {
  assert.equal(formatDate(0), 'Thu, 1 Jan 1970 00:00:00 +0000');
  assert.equal(
    formatDate(Date.UTC(2027, 11, 31, 23, 59, 59, 999)),
    'Fri, 31 Dec 2027 23:59:59 +0000',
  );
});
