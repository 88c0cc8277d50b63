import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  costProblem,
  DEFAULT_COST,
  hashPassword,
  isForeignHash,
  isPasswordHash,
  isPasswordOf,
  isWeak,
  parsePasswordHash,
  unknownHash,
  type PasswordHash,
} from '../../src/base/password-hash.js';

const CHEAP = { ln: 10, r: 8, p: 1 };

function parsed(text: string): PasswordHash {
  const hash = parsePasswordHash(text);
  return 'problem' in hash ? assert.fail(hash.problem) : hash;
}

function problemOf(text: string): string {
  const hash = parsePasswordHash(text);
  return 'problem' in hash ? hash.problem : assert.fail(text);
}

test('the third vector of RFC 7914 §12, in the notation of PHC', async () => {
  const result =
    '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887';
  const [salt, hash] = [Buffer.from('SodiumChloride'), Buffer.from(result, 'hex')].map((bytes) =>
    bytes.toString('base64').replaceAll('=', ''),
  );
  const vector = parsed(`$scrypt$ln=14,r=8,p=1$${salt}$${hash}`);
  assert.equal(await isPasswordOf('pleaseletmein', vector), true);
  assert.equal(await isPasswordOf('pleaseletmeout', vector), false);
});

test('a password fits its own hash alone, and each hash has a salt of its own', async () => {
  const passwords = ['swordfish', ' swordfish', 'Ünïcödé 🐟', 'x'.repeat(1024)];
  const hashes = await Promise.all(passwords.map((password) => hashPassword(password, CHEAP)));
  assert.equal(new Set(hashes).size, passwords.length);
  assert.notEqual(await hashPassword('swordfish', CHEAP), hashes[0]);
  for (const [at, hash] of hashes.entries()) {
    assert.ok(isPasswordHash(hash));
    for (const [other, password] of passwords.entries()) {
      assert.equal(await isPasswordOf(password, parsed(hash)), at === other, password);
    }
  }
});

test('the default cost, and every cost within the bounds can be computed', async () => {
  assert.match(
    await hashPassword('swordfish'),
    /^\$scrypt\$ln=15,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/,
  );
  for (const cost of [
    { ln: 10, r: 1, p: 1 },
    { ln: 10, r: 32, p: 4 },
    { ln: 17, r: 8, p: 1 },
    { ln: 15, r: 32, p: 1 },
  ]) {
    assert.equal(costProblem(cost), null);
    assert.equal(await isPasswordOf('swordfish', unknownHash(cost)), false);
  }
});

test('a cost out of bounds is refused before anything is computed', () => {
  const salt = 'AAAAAAAAAAAAAAAAAAAAAA';
  const hash = `${salt}AA${'A'.repeat(19)}`;
  assert.equal(problemOf('$scrypt$'), 'it is not of the form $scrypt$ln=…,r=…,p=…$salt$hash');
  for (const [cost, problem] of [
    ['ln=9,r=8,p=1', 'ln is not from 10 to 17'],
    ['ln=18,r=8,p=1', 'ln is not from 10 to 17'],
    ['ln=63,r=8,p=1', 'ln is not from 10 to 17'],
    ['ln=15,r=33,p=1', 'r is not from 1 to 32'],
    ['ln=15,r=8,p=5', 'p is not from 1 to 4'],
    ['ln=17,r=16,p=1', 'ln and r ask for more than 128 MiB of memory'],
    ['ln=16,r=32,p=4', 'ln and r ask for more than 128 MiB of memory'],
  ]) {
    assert.equal(problemOf(`$scrypt$${cost}$${salt}$${hash}`), problem, cost);
  }
});

test('what is not quite a hash is none, and no problem quotes it', () => {
  const salt = Buffer.alloc(16, 7).toString('base64').replaceAll('=', '');
  const hash = Buffer.alloc(32, 9).toString('base64').replaceAll('=', '');
  const text = (cost: string, ...parts: string[]): string => ['$scrypt', cost, ...parts].join('$');
  const good = text('ln=15,r=8,p=1', salt, hash);
  parsed(good);
  for (const wrong of [
    text('ln=15,r=8', salt, hash),
    text('r=8,ln=15,p=1', salt, hash),
    text('ln=015,r=8,p=1', salt, hash),
    text('ln=1e1,r=8,p=1', salt, hash),
    text('ln=-15,r=8,p=1', salt, hash),
    text('ln=15,r=8,p=0', salt, hash),
    text('ln=15,r=8,p=1,x=1', salt, hash),
    text('ln=15,r=8,p=1', salt),
    text('ln=15,r=8,p=1', salt, ''),
    text('ln=15,r=8,p=1', salt, hash, ''),
    text('ln=15,r=8,p=1', `${salt}==`, hash),
    // the last character holds bits that belong to no byte
    text('ln=15,r=8,p=1', `${salt.slice(0, -1)}x`, hash),
    text('ln=15,r=8,p=1', Buffer.alloc(7).toString('base64').replaceAll('=', ''), hash),
    text('ln=15,r=8,p=1', salt, Buffer.alloc(15).toString('base64')),
    text('ln=15,r=8,p=1', salt, 'A'.repeat(10_000)),
    `${good}\n`,
    ` ${good}`.slice(1).toUpperCase(),
  ]) {
    const problem = problemOf(wrong);
    assert.doesNotMatch(problem, /BwcH|CQkJ/, wrong);
  }
});

test('weak costs, and hashes of other programs, are known', () => {
  assert.equal(isWeak(DEFAULT_COST), false);
  assert.equal(isWeak({ ln: 14, r: 8, p: 1 }), false);
  assert.equal(isWeak({ ln: 13, r: 8, p: 1 }), true);
  assert.equal(isWeak({ ln: 13, r: 8, p: 2 }), false);
  for (const foreign of [
    '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW',
    '$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA',
    '$6$salt$hash',
    '$y$j9T$salt$hash',
    '$pbkdf2-sha256$29000$salt$hash',
    '{SSHA}abc',
    '{BLF-CRYPT}$2y$05$x',
  ]) {
    assert.equal(isForeignHash(foreign), true, foreign);
    assert.equal(isPasswordHash(foreign), false, foreign);
  }
  for (const password of ['swordfish', '$', '$2', '$money$', '{braces}', '$scrypt', '$$6$$']) {
    assert.equal(isForeignHash(password) || isPasswordHash(password), false, password);
  }
});
