import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { ContentEnd } from '../../../../src/topology/lab/proxy/content-end.js';

const content = fc
  .array(fc.constantFrom('\r\n.\r\n', '\r\n.', '.\r\n', '\r\n', '\r', '\n', '.', 'x'), {
    maxLength: 20,
  })
  .map((parts) => Buffer.from(parts.join('')));

test('the end of a message is found wherever it is cut', () => {
  fc.assert(
    fc.property(
      content,
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
      (bytes, sizes) => {
        // The definition: DATA ends a line, too.
        const whole = Buffer.concat([Buffer.from('\r\n'), bytes]).indexOf('\r\n.\r\n');
        const expected = whole === -1 ? -1 : whole + 3;
        const end = new ContentEnd();
        let found = -1;
        for (let from = 0, turn = 0; from < bytes.length && found === -1; turn++) {
          const chunk = bytes.subarray(from, from + (sizes[turn % sizes.length] as number));
          const place = end.find(chunk);
          if (place !== -1) found = from + place;
          from += chunk.length;
        }
        assert.equal(found, expected);
      },
    ),
    { numRuns: 3000 },
  );
});
