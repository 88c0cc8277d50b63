import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonMime } from '../../src/format/json-mime.js';

test('content in UTF-8 stands as it is, all other in base64 that says so', () => {
  assert.deepEqual(jsonMime(Buffer.from('Subject: é\r\n\r\n')), { mime: 'Subject: é\r\n\r\n' });
  const latin = Buffer.from([0x61, 0xe9, 0x0d, 0x0a]);
  assert.deepEqual(jsonMime(latin), { mime: 'YekNCg==', 'mime-encoding': 'base64' });
});
