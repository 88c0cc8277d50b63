import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { PlainBytes } from '../../src/intake/plain-bytes.js';

/** Bytes on both sides of every border: CR, and the highest bit. */
const byte = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(0x20, 0x41, 0x7f, 0x0e, 0x80, 0x8d, 0x8e, 0xff) },
  { weight: 1, arbitrary: fc.constantFrom(0, 0x09, 0x0a, 0x0c, 0x0d) },
);

test('the first byte that is not above CR is found, wherever the chunk lies in memory', () => {
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 300 }), fc.nat(7), fc.nat(320), (bytes, lead, from) => {
      const memory = new ArrayBuffer(lead + bytes.length);
      const chunk = Buffer.from(memory, lead);
      chunk.set(bytes);
      const start = Math.min(from, bytes.length);
      const found = bytes.findIndex((value, at) => at >= start && value <= 0x0d);
      const end = found === -1 ? bytes.length : found;
      const plain = new PlainBytes(chunk);
      assert.equal(plain.end(start), end);
      assert.equal(
        plain.eightBit,
        bytes.slice(start, end).some((value) => value > 0x7f),
      );
    }),
    { numRuns: 5000 },
  );
});

test('every byte is told at every place of a long chunk', () => {
  for (let place = 0; place < 80; place++) {
    for (let value = 0; value < 256; value++) {
      const chunk = Buffer.alloc(80, 'x');
      chunk[place] = value;
      const plain = new PlainBytes(chunk);
      assert.equal(plain.end(0), value <= 0x0d ? place : 80, `${value} at ${place}`);
      assert.equal(plain.eightBit, value > 0x7f, `${value} at ${place}`);
    }
  }
});
