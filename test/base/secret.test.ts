import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { RelayError } from '../../src/base/errors.js';
import { makeSecretText, Secret } from '../../src/base/secret.js';

const CANARY = 'qVxKzPwRtYhBn';
const secret = new Secret(CANARY);

test('a made secret is 256 bits in digits and letters: no program takes it for an option', () => {
  const made = new Set(Array.from({ length: 200 }, makeSecretText));
  assert.equal(made.size, 200);
  for (const text of made) assert.match(text, /^[0-9a-f]{64}$/);
});

test('a secret is had by reveal alone', () => {
  assert.equal(secret.reveal(), CANARY);
});

test('a secret never prints, whatever it is printed with', () => {
  const holder = { login: { password: secret }, list: [secret], map: new Map([['p', secret]]) };
  const error = new Error(`login with ${String(secret)} failed`, { cause: holder });
  const printed: Record<string, string> = {
    template: `it is ${secret as unknown as string}`,
    concatenation: 'a' + (secret as unknown as string),
    join: [secret, secret].join(),
    string: String(secret),
    json: JSON.stringify(holder),
    inspect: inspect(holder, { depth: 10, showHidden: true }),
    plainInspect: inspect(holder, { depth: 10, customInspect: false, showHidden: true }),
    getters: inspect(secret, { getters: true, customInspect: false }),
    format: format('%s %j %o %O', secret, secret, secret, secret),
    error: inspect(error, { depth: 10 }),
    stack: error.stack ?? '',
    relayError: inspect(
      new RelayError('X', `no ${String(secret)}`, { fault: 'system', cause: holder }),
      { depth: 10 },
    ),
    shown: inspect(secret),
    keys: Object.keys(secret).join() + Object.getOwnPropertyNames(secret).join(),
    entries: JSON.stringify(Object.entries(secret)),
    clone: inspect(Object.assign({}, secret), { depth: 10 }),
  };
  for (const [way, text] of Object.entries(printed)) {
    assert.ok(!text.includes(CANARY), `${way}: ${text}`);
  }
  assert.equal(printed['template'], 'it is [secret]');
  assert.equal(printed['shown'], '[secret]');
  assert.equal(printed['json'], '{"login":{"password":"[secret]"},"list":["[secret]"],"map":{}}');
});

test('a failed assertion over secrets does not print them', () => {
  try {
    assert.deepEqual({ password: secret }, { password: 'other' });
    assert.fail('they are not equal');
  } catch (error) {
    assert.ok(!inspect(error, { depth: 10 }).includes(CANARY));
  }
});
