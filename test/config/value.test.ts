import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import { CONFIG_KEY_NAMES, CONFIG_KEYS, type ConfigKey } from '../../src/config/schema.js';
import { parseValue } from '../../src/config/value.js';

function problemOf(key: ConfigKey, text: string): string {
  const parsed = parseValue(key, text, '/base');
  assert.ok('problem' in parsed, `${key}: ${text}`);
  return parsed.problem;
}

function valueOf(key: ConfigKey, text: string): unknown {
  const parsed = parseValue(key, text, '/base');
  assert.ok('value' in parsed, JSON.stringify(parsed));
  return parsed.value;
}

test('numbers, lists, choices, booleans and paths are understood', () => {
  assert.equal(valueOf('smarthost-port', '587'), 587);
  assert.deepEqual(valueOf('smtp-port', '2525, 2587'), [2525, 2587]);
  assert.deepEqual(valueOf('retry-interval', '60 300,900'), [60, 300, 900]);
  assert.deepEqual(valueOf('relay-from', '192.0.2.0/24, 2001:db8::/32 127.0.0.1'), [
    '192.0.2.0/24',
    '2001:db8::/32',
    '127.0.0.1',
  ]);
  assert.equal(valueOf('smarthost-tls', 'verified'), 'verified');
  assert.equal(valueOf('allow-insecure-auth', 'true'), true);
  assert.equal(valueOf('users-file', 'users'), '/base/users');
  assert.equal(valueOf('users-file', '/etc/users'), '/etc/users');
});

test('a size is bytes, or has a unit', () => {
  assert.equal(valueOf('max-queue-size', '20000000'), 20_000_000);
  assert.equal(valueOf('max-queue-size', '20GiB'), '20GiB');
  assert.equal(
    problemOf('max-queue-size', '20 gb'),
    "max-queue-size must be bytes, or a size as in 64MiB, got '20 gb'",
  );
  assert.equal(
    problemOf('max-queue-size', '5kB'),
    "max-queue-size must be bytes, or a size as in 64MiB, and at least 1MiB, got '5kB'",
  );
  assert.equal(
    problemOf('max-queue-size', '5'),
    "max-queue-size must be bytes, or a size as in 64MiB, and at least 1MiB, got '5'",
  );
  assert.equal(
    problemOf('disk-reserve', 'some'),
    "disk-reserve must be bytes, or a size as in 64MiB, got 'some'",
  );
});

test('a secret is wrapped', () => {
  const value = valueOf('smarthost-password', 'hunter2');
  assert.ok(value instanceof Secret);
  assert.equal(value.reveal(), 'hunter2');
});

test('a wrong value is told with what is expected', () => {
  const range = 'must be a whole number from 1 to 65535';
  for (const text of ['0', '65536', '-1', '1e3', '0x19', '25 x', '٢٥', '25.0', '+25']) {
    assert.equal(problemOf('smarthost-port', text), `smarthost-port ${range}, got '${text}'`);
  }
  assert.equal(
    problemOf('smtp-port', '2525, 99999'),
    `smtp-port must be a list in which each entry is a whole number from 1 to 65535, got '99999'`,
  );
  assert.equal(
    problemOf('smtp-port', '2525, x'),
    `smtp-port must be a list in which each entry is a whole number from 1 to 65535, got 'x'`,
  );
  assert.equal(
    problemOf('relay-from', '127.0.0.1, 10.0.0.0/33'),
    `relay-from must be networks such as 192.0.2.0/24 or 2001:db8::/32, got '10.0.0.0/33'`,
  );
  assert.equal(
    problemOf('smtp-tls', 'verified'),
    `smtp-tls must be one of none, opportunistic, required, implicit, got 'verified'`,
  );
  assert.equal(
    problemOf('allow-insecure-auth', 'yes'),
    `allow-insecure-auth must be true or false, got 'yes'`,
  );
  assert.equal(
    problemOf('node-name', 'Edge_1'),
    `node-name must be lower-case letters, digits and hyphens (at most 63), got 'Edge_1'`,
  );
  assert.equal(
    problemOf('retry-interval', '0'),
    `retry-interval must be a list in which each entry is a whole number from 1 to 31536000, got '0'`,
  );
});

test('a misspelt choice is guessed', () => {
  assert.deepEqual(parseValue('smarthost-tls', 'verifed', '/'), {
    problem: "smarthost-tls must be one of none, opportunistic, required, verified, got 'verifed'",
    hint: "did you mean 'verified'?",
  });
});

test('an empty value is refused where it would mean nothing', () => {
  assert.equal(problemOf('api-port', ''), 'api-port needs a value');
  assert.equal(valueOf('smarthost', ''), null);
  assert.equal(valueOf('smarthost-username', ''), null);
});

test('control characters are refused, also in a path', () => {
  for (const key of ['smarthost', 'data', 'smarthost-password'] as const) {
    assert.equal(problemOf(key, 'a\0b'), `${key} must not hold control characters`);
    assert.equal(problemOf(key, 'a\rb'), `${key} must not hold control characters`);
  }
});

test('a problem never quotes a secret, nor what looks like a login', () => {
  assert.doesNotMatch(problemOf('smarthost-password', `hunter2${'x'.repeat(2000)}`), /hunter2/);
  assert.doesNotMatch(problemOf('smarthost-port', 'ann:hunter2@host'), /hunter2/);
});

test('every key refuses a text that is far too long', () => {
  for (const key of CONFIG_KEY_NAMES) {
    const entry = CONFIG_KEYS[key].form === 'list' ? '127.0.0.1 ' : '1';
    assert.ok('problem' in parseValue(key, entry.repeat(10_000), '/'), key);
  }
});
