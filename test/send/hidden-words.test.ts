import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import { hiddenWords, withoutWords } from '../../src/send/hidden-words.js';
import type { Login } from '../../src/send/next-hop.js';
import { formsOf, canary } from '../smarthost/secret-forms.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function shown(reply: string, login: Login, sent: string[] = []): string {
  return withoutWords(reply, hiddenWords(login, sent));
}

test('a password is hidden in the forms that a server could have it in', () => {
  const password = canary();
  const login = { username: 'me', password: new Secret(password) };
  const within = ['', 'a', 'ab', '\0me\0', '\0customer\0'].map((before) =>
    base64(before + password),
  );
  const plain = [...formsOf(password)].filter(([form]) => /^(?:raw|hex|URL|base64 )/.test(form));
  for (const [form, text] of plain.filter(([name]) => !name.startsWith('URL, all'))) {
    assert.equal(shown(`550 no ${text}`, login), '550 no (hidden)', form);
  }
  for (const text of within) {
    const reply = shown(`550 no ${text}`, login);
    for (const [form, bytes] of formsOf(password)) assert.ok(!reply.includes(bytes), form);
  }
});

test('so is what a login with a token or a challenge has sent', () => {
  const token = 'a-token-of-32-characters';
  const login: Login = { username: 'me', token: { kind: 'file', path: '/token' } };
  const blob = base64(`user=me\x01auth=Bearer ${token}\x01\x01`);
  assert.equal(
    shown(`535 ${token} and ${blob} of me`, login, [`AUTH XOAUTH2 ${blob}`]),
    '535 (hidden) and (hidden) of me',
  );
});

test('codes stay, and lines, and words that are too short to mean anything', () => {
  const login = (password: string): Login => ({ username: 'me', password: new Secret(password) });
  assert.equal(shown('550-5500\n550 5500', login('5500')), '550-(hidden)\n550 (hidden)');
  assert.equal(shown('550 abc', login('abc')), '550 abc');
  assert.equal(shown('550 550 is right', login('550 ')), '550 (hidden)is right');
  assert.equal(shown('me me', { username: 'mememe', password: null }), 'me me');
  assert.equal(shown('no reply pass', login('pass')), 'no reply (hidden)');
});
