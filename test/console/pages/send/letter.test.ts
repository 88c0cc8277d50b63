import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addressesOf,
  composeMessage,
  faultOfMessage,
  heredoc,
  withCrlf,
} from '../../../../src/console/pages/send/letter.js';

const LETTER = {
  sender: 'ann@a.test',
  recipients: ['bob@b.test'],
  subject: 'Hello',
  text: 'A line.\nAnother one.',
  id: 'abc',
  atMs: Date.parse('2026-03-01T12:00:00Z'),
};

test('a plain letter is written as it is, with CRLF', () => {
  assert.equal(
    composeMessage(LETTER),
    [
      'From: <ann@a.test>',
      'To: <bob@b.test>',
      'Subject: Hello',
      'Date: Sun, 01 Mar 2026 12:00:00 +0000',
      'Message-ID: <abc@a.test>',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: 7bit',
      '',
      'A line.',
      'Another one.',
      '',
    ].join('\r\n'),
  );
});

test('words of other scripts are encoded, whole characters in each word', () => {
  const subject = 'Grüße aus Köln, 東京 und 🌍 '.repeat(4).trim();
  const message = composeMessage({ ...LETTER, subject, text: 'Grüße\n'.repeat(40) });
  // oxlint-disable-next-line no-control-regex
  assert.match(message, /^[\x00-\x7f]*$/);
  const lines = message.split('\r\n');
  assert.ok(lines.every((line) => line.length <= 78));
  const words = [...message.matchAll(/=\?utf-8\?B\?([^?]*)\?=/g)];
  assert.ok(words.length > 1);
  assert.ok(words.every(([word]) => word.length <= 75));
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (text: string): string => decoder.decode(Buffer.from(text, 'base64'));
  assert.equal(words.map(([, text = '']) => decode(text)).join(''), subject);
  const body = message.slice(message.indexOf('\r\n\r\n') + 4);
  assert.equal(decode(body), 'Grüße\r\n'.repeat(40));
});

test('a subject cannot begin another header field', () => {
  const message = composeMessage({ ...LETTER, subject: 'Hi\r\nBcc: eve@e.test' });
  assert.ok(message.includes('Subject: Hi Bcc: eve@e.test\r\n'));
});

test('a line that is too long is sent encoded', () => {
  const message = composeMessage({ ...LETTER, text: 'x'.repeat(2000) });
  assert.ok(message.includes('Content-Transfer-Encoding: base64'));
  assert.ok(message.split('\r\n').every((line) => line.length <= 998));
});

test('without a sender no address is made up', () => {
  assert.match(composeMessage({ ...LETTER, sender: '' }), /^From: no sender:;\r\n/);
});

test('what cannot be a message is said before it is sent', () => {
  assert.equal(faultOfMessage('Subject: x\n\nText'), null);
  for (const text of ['', '  \n', ' Subject: x', 'no header here\n']) {
    assert.match(faultOfMessage(text) ?? '', /^The message/);
  }
});

test('lone line ends become CRLF', () => {
  assert.equal(withCrlf('a\nb\r\nc\rd'), 'a\r\nb\r\nc\r\nd');
});

test('addresses may be separated in any usual way', () => {
  assert.deepEqual(addressesOf(' a@x.test, <b@x.test>;c@x.test\na@x.test '), [
    'a@x.test',
    'b@x.test',
    'c@x.test',
  ]);
});

test('a heredoc ends where the message ends', () => {
  assert.equal(
    heredoc('relaymesh send', 'S: x\r\n\r\nEND_OF_MESSAGE\r\n'),
    "relaymesh send <<'END_OF_MESSAGE_'\nS: x\n\nEND_OF_MESSAGE\nEND_OF_MESSAGE_",
  );
});
