import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplyReader, type WireReply } from '../../../../src/topology/lab/proxy/reply-reader.js';

/** All that a reader makes of a text that comes byte by byte, and in one piece. */
function read(text: string): Array<string | null> {
  const all = (chunks: string[]): Array<string | null> => {
    const reader = new ReplyReader();
    const found: Array<string | null> = [];
    for (const chunk of chunks) {
      reader.add(Buffer.from(chunk));
      let reply: WireReply | 'odd' | null;
      while ((reply = reader.next()) !== null) {
        found.push(reply === 'odd' ? 'odd' : `${reply.code}:${reply.bytes.toString()}`);
        if (reply === 'odd') return found;
      }
    }
    if (reader.length > 0) found.push(`rest:${reader.rest().toString()}`);
    return found;
  };
  const whole = all([text]);
  assert.deepEqual(all(text.split('')), whole);
  return whole;
}

test('replies of one and of several lines are cut as they are', () => {
  assert.deepEqual(read('220 a\r\n250-b\r\n250-c\r\n250 d\r\n354\r\n'), [
    '220:220 a\r\n',
    '250:250-b\r\n250-c\r\n250 d\r\n',
    '354:354\r\n',
  ]);
});

test('what is not whole stays', () => {
  assert.deepEqual(read('250 a\r\n250-b\r\n25'), ['250:250 a\r\n', 'rest:250-b\r\n25']);
});

test('what is no reply is told as soon as it can be', () => {
  assert.deepEqual(read('SSH-2.0'), ['odd']);
  assert.deepEqual(read('250 a\r\n\0\x01'), ['250:250 a\r\n', 'odd']);
  assert.deepEqual(read('2500 a\r\n'), ['odd']);
});

test('a reply that does not end is none', () => {
  const reader = new ReplyReader();
  reader.add(Buffer.from(`250 ${'x'.repeat(40_000)}`));
  assert.equal(reader.next(), 'odd');
});
