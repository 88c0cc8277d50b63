import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, messageOf, RelayError } from '../../src/base/errors.js';

test('an error tells where, what, its code and what to do', () => {
  const error = new RelayError('SPOOL_IN_USE', 'another process uses this spool', {
    fault: 'operator',
    where: '/data/spool',
    hint: 'Stop the other node.',
  });
  assert.equal(
    error.describe(),
    '/data/spool: another process uses this spool [SPOOL_IN_USE]\n  Stop the other node.',
  );
  assert.ok(error instanceof Error);
  assert.equal(error.fault, 'operator');
});

test('an error without place and hint is one line, and has a cause only when there is one', () => {
  const bare = new RelayError('X', 'it broke', { fault: 'system' });
  assert.equal(bare.describe(), 'it broke [X]');
  assert.ok(!('cause' in bare));
  const cause = new Error('deeper');
  assert.equal(new RelayError('X', 'it broke', { fault: 'system', cause }).cause, cause);
});

test('anything that is thrown has a message and a code', () => {
  assert.equal(messageOf(new Error('told')), 'told');
  assert.equal(messageOf('text'), 'text');
  assert.equal(messageOf(undefined), 'undefined');
  assert.equal(codeOf(Object.assign(new Error('x'), { code: 'ENOENT' })), 'ENOENT');
  assert.equal(codeOf({ code: 7 }), '7');
  for (const thrown of [null, undefined, 'ENOENT', new Error('x')])
    assert.equal(codeOf(thrown), '');
});
