import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { readShownHeader } from '../../src/queue/message-header.js';

test('the fields are shown in order, unfolded, by the names that they came with', async () => {
  const body = Buffer.from(
    'Received: from a\r\n\tby b\r\nSubject: grüße\r\nX-Empty:\r\nSUBJECT : again \r\n\r\nTo: body\r\n',
  );
  assert.deepEqual(await readShownHeader(body), {
    headers: [
      { name: 'Received', value: 'from a\tby b' },
      { name: 'Subject', value: 'grüße' },
      { name: 'X-Empty', value: '' },
      { name: 'SUBJECT', value: 'again' },
    ],
    truncated: false,
  });
});

test('what is said to relays alone is not shown, also where it was stored', async () => {
  const body = Buffer.from(
    'X-MQ-Smarthost-Password: hush\r\nx-mesh-trace: t\r\nX-M: kept\r\nno field\r\nX-MQ-Smarthost-Password: hush\r\n\r\n',
  );
  assert.deepEqual((await readShownHeader(body))?.headers, [{ name: 'X-M', value: 'kept' }]);
});

test('of a header without end, 64 KiB are read and only whole fields are shown', async () => {
  let read = 0;
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) {
      read++;
      yield Buffer.from(`A: ${'x'.repeat(9996)}\r\n`);
    }
  }
  const shown = await readShownHeader(Readable.from(endless(), { objectMode: false }));
  assert.equal(shown?.truncated, true);
  assert.equal(shown.headers.length, 6);
  assert.ok(shown.headers.every(({ value }) => value.length === 9996));
  assert.ok(read < 40, String(read));
});

test('of very many fields the first are shown', async () => {
  const shown = await readShownHeader(Buffer.from(`${'A:\r\n'.repeat(5000)}\r\n`));
  assert.deepEqual([shown?.headers.length, shown?.truncated], [1000, true]);
});

test('a message that is all header, or empty, has an end', async () => {
  assert.deepEqual(await readShownHeader(Buffer.from('A: b')), {
    headers: [{ name: 'A', value: 'b' }],
    truncated: false,
  });
  assert.deepEqual(await readShownHeader(Buffer.alloc(0)), { headers: [], truncated: false });
});

test('there is no header where there is no body', async () => {
  assert.equal(await readShownHeader(null), null);
});
