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

test('hashes: taken as they are, refused when they cannot be used, doubtful kinds told once', () => {
  const hash = `$scrypt$ln=15,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
  const weak = hash.replace('ln=15', 'ln=10');
  const lines = [`ann: ${hash}`, `bob: ${weak}`, `cid:${weak}`, 'dee: $6$salt$hash'];
  const { users, faults } = parseUsers('users', `${lines.join('\n')}\n`);
  assert.deepEqual(
    users.map(({ password }) => password.reveal()),
    [hash, weak, weak, '$6$salt$hash'],
  );
  const told = (found: typeof faults): string[] =>
    found.map(({ severity, where, message }) => `${severity} ${where} ${message}`);
  assert.deepEqual(told(faults), [
    'warning users:2:5 the cost of this hash is so low that its password is cheap to guess',
    'warning users:4:5 this looks like the hash of another program, and is taken as the password itself',
  ]);
  const greedy = parseUsers('users', `ann: ${hash.replace('ln=15', 'ln=30')}\nbob: $scrypt$x\n`);
  assert.deepEqual(told(greedy.faults), [
    'error users:1:5 this is no hash that can be used: ln is not from 10 to 17',
    'error users:2:5 this is no hash that can be used: it is not of the form $scrypt$ln=…,r=…,p=…$salt$hash',
  ]);
  assert.doesNotMatch(JSON.stringify([faults, greedy.faults]), /AAAA/);
});

test('a file of weak hashes alone is read to its end', () => {
  const weak = `$scrypt$ln=10,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
  const text = Array.from({ length: 1000 }, (_, index) => `u${index}: ${weak}\n`).join('');
  assert.equal(parseUsers('users', text).users.length, 1000);
});
