import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InlineBody } from '../../src/queue/inline-body.js';

test('its bytes are its pieces, however many there are', () => {
  assert.deepEqual(new InlineBody([]).bytes, Buffer.alloc(0));
  assert.deepEqual(new InlineBody([Buffer.from('ab')]).bytes, Buffer.from('ab'));
  const body = new InlineBody([Buffer.from('ab'), Buffer.from(''), Buffer.from('cd')]);
  assert.equal(body.sizeBytes, 4);
  assert.deepEqual(body.bytes, Buffer.from('abcd'));
  assert.equal(body.bytes, body.bytes, 'joined once');
});

test('once it stands in a record it is that part of it, and holds its pieces no longer', () => {
  const pieces = [Buffer.from('ab'), Buffer.from('cd')];
  const body = new InlineBody(pieces);
  const record = Buffer.from('1234567');
  body.moveTo(record, 2);
  assert.equal(record.toString(), '12abcd7');
  pieces.forEach((piece) => piece.fill('x'));
  assert.equal(body.bytes.toString(), 'abcd');
  assert.equal(body.bytes.buffer, record.buffer);
  const again = Buffer.alloc(4);
  body.moveTo(again, 0);
  assert.equal(again.toString(), 'abcd', 'a write that is tried again takes it from there');
});
