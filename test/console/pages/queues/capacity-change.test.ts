import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capacityChange as contract } from '../../../../src/api/contract.js';
import {
  capacityChange,
  capacityWords,
  LIMITS,
} from '../../../../src/console/pages/queues/capacity-change.js';

const CAPACITY = {
  max_connections: 20,
  max_messages_per_connection: 100,
  max_messages_per_minute: null,
  max_connects_per_minute: 60,
  idle_timeout_seconds: 30,
  allowed_connections: 20,
};

test('only what differs from what is in force is sent', () => {
  const { body, faults } = capacityChange(CAPACITY, {
    max_connections: ' 20 ',
    max_messages_per_connection: '7',
    max_messages_per_minute: '600',
    max_connects_per_minute: '',
  });
  assert.deepEqual(body, {
    max_messages_per_connection: 7,
    max_messages_per_minute: 600,
    max_connects_per_minute: null,
  });
  assert.equal(faults.size, 0);
  assert.deepEqual(capacityWords(body), [
    'max-messages-per-connection=7',
    'max-messages-per-minute=600',
    'max-connects-per-minute=none',
  ]);
  assert.deepEqual(capacityChange(CAPACITY, {}).body, {});
  assert.deepEqual(capacityWords({ idle_timeout_seconds: 5 }), ['idle-timeout=5']);
});

test('what is no limit is said at its field, and not sent', () => {
  for (const typed of ['0', '-1', '1.5', 'many', '1e99', '10001']) {
    const { body, faults } = capacityChange(CAPACITY, { max_connections: typed });
    assert.deepEqual(body, {}, typed);
    assert.match(faults.get('max_connections') ?? '', /from 1 to 10000$/, typed);
  }
  assert.equal(capacityChange(CAPACITY, { max_connections: '' }).faults.size, 1);
});

test('the bounds are those that the API keeps', () => {
  assert.deepEqual(LIMITS.map(({ key }) => key).toSorted(), Object.keys(contract.shape).toSorted());
  for (const { key, max, isOptional } of LIMITS) {
    for (const [value, isTaken] of [
      [1, true],
      [max, true],
      [0, false],
      [max + 1, false],
      [null, isOptional],
    ] as const) {
      assert.equal(contract.safeParse({ [key]: value }).success, isTaken, `${key}: ${value}`);
    }
  }
});
