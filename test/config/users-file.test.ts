import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUsers } from '../../src/config/users-file.js';

test('lines of `username: password`; a password may hold colons and hashes', () => {
  const { users, faults } = parseUsers('users', '# people\n\nann: a:b#c \r\nbob:x y\n');
  assert.deepEqual(faults, []);
  assert.deepEqual(
    users.map(({ username, password, origin }) => [username, password.reveal(), origin.where]),
    [
      ['ann', 'a:b#c', 'users:3:1'],
      ['bob', 'x y', 'users:4:1'],
    ],
  );
});

test('all faults are found at once and none shows a password', () => {
  const text = `ann hunter2\n: hunter2\nbob:\nann: hunter2\nann: hunter2\n${'x'.repeat(256)}: hunter2\n`;
  const { faults } = parseUsers('users', text);
  assert.deepEqual(
    faults.map(({ where, message }) => `${where} ${message}`),
    [
      'users:1:1 this is not a line of the form `username: password`',
      'users:2:1 the username is empty',
      'users:3:5 the password is empty',
      'users:5:1 this user stands twice, first in line 4',
      'users:6:1 the username is longer than 255 characters',
    ],
  );
  assert.doesNotMatch(JSON.stringify(faults), /hunter2/);
});

test('the number of users is bounded', () => {
  const text = Array.from({ length: 20_000 }, (_, index) => `u${index}: p\n`).join('');
  assert.match(parseUsers('users', text).faults[0]?.message ?? '', /more than 10000 users/);
});
