import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  contentOf,
  EMPTY_DRAFT,
  faultOf,
  textOf,
  type Draft,
} from '../../../../src/console/pages/send/draft.js';

const DRAFT: Draft = { ...EMPTY_DRAFT, recipients: 'bob@b.test', id: 'abc', atMs: 0 };

test('nothing goes without a recipient, and no route is asked for either', () => {
  assert.match(faultOf({ ...DRAFT, recipients: ' , ' }, true) ?? '', /recipient/);
  assert.match(faultOf({ ...DRAFT, recipients: '' }, false) ?? '', /recipient/);
  assert.equal(faultOf(DRAFT, true), null);
});

test('a pasted message has to be one to be sent, not to ask for its way', () => {
  const pasted: Draft = { ...DRAFT, kind: 'source', source: 'Hello!' };
  assert.match(faultOf(pasted, true) ?? '', /header field/);
  assert.equal(faultOf(pasted, false), null);
  assert.equal(
    textOf({ ...pasted, source: 'Subject: x\n\nHello!\n' }),
    'Subject: x\r\n\r\nHello!\r\n',
  );
});

test('the bytes of a file stay as they are, but for its line ends', async () => {
  const bytes = Uint8Array.from(Buffer.from('Subject: x\n\r\nGr\xfc\xdfe\r\xff\n', 'latin1'));
  const draft: Draft = { ...DRAFT, kind: 'source', file: { name: 'a.eml', bytes } };
  assert.equal(faultOf(draft, true), null);
  const { type, text } = contentOf(draft);
  assert.equal(type, 'message/rfc822');
  assert.ok(text instanceof Blob);
  assert.equal(
    Buffer.from(await text.arrayBuffer()).toString('latin1'),
    'Subject: x\r\n\r\nGr\xfc\xdfe\r\n\xff\r\n',
  );
});

test('an empty file is not sent', () => {
  const draft: Draft = {
    ...DRAFT,
    kind: 'source',
    file: { name: 'a.eml', bytes: new Uint8Array() },
  };
  assert.equal(faultOf(draft, true), 'The file is empty.');
});
