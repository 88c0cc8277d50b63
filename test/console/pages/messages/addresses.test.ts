import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  messageAt,
  messageHref,
  queueHref,
  someOf,
} from '../../../../src/console/pages/messages/addresses.js';

test('an address leads back to its message, whatever characters the id has', () => {
  for (const id of ['1M81S0JBWMGPZ7VQWY', '<a+b/c?d#e%40f@x.test>', '<ü@x.test>']) {
    assert.deepEqual(messageAt(`/console${messageHref('node one', id)}`), { node: 'node one', id });
  }
  for (const other of ['/console/messages', '/console/messages/edge', '/console/messages/e/%ff']) {
    assert.equal(messageAt(other), null);
  }
  assert.equal(queueHref('core', '(smarthost)'), '/queues/core/(smarthost)');
});

test('of many addresses the first are named and the others counted', () => {
  assert.equal(someOf(['a', 'b'], 2), 'a, b');
  assert.equal(someOf(['a', 'b', 'c', 'd'], 1), 'a and 3 more');
});
