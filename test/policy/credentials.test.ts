import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { hashPassword, isPasswordOf } from '../../src/base/password-hash.js';
import { Secret } from '../../src/base/secret.js';
import { BoundedLine } from '../../src/policy/bounded-line.js';
import { Credentials } from '../../src/policy/credentials.js';
import { Policy } from '../../src/policy/policy.js';
import type { PeerSettings, PolicySettings, UserSettings } from '../../src/policy/settings.js';

/* Logins that are checked against hashes of passwords. */

const CHEAP = { ln: 10, r: 8, p: 1 };
const DEAR = { ln: 13, r: 8, p: 1 };
const NONE: PolicySettings = { users: [], peers: [], relayFrom: [], apiSteerTo: [] };

/** Counts what is computed. */
class CountedLine extends BoundedLine {
  computed = 0;

  constructor() {
    super({ atOnce: 2, maxWaiting: 64, maxWaitMs: 10_000 }, systemClock);
  }

  override run<T>(task: () => Promise<T>): Promise<T | 'busy'> {
    this.computed++;
    return super.run(task);
  }
}

const user = (username: string, password: string): UserSettings => ({
  username,
  password: new Secret(password),
  may: ['relay'],
  steerTo: [],
});

const peer = (username: string, passwords: string[]): PeerSettings => ({
  node: 'edge',
  username,
  passwords: passwords.map((password) => new Secret(password)),
  may: [],
  steerTo: [],
});

async function outcome(
  credentials: Pick<Credentials, 'check'>,
  username: string,
  password: string,
): Promise<string> {
  const result = await credentials.check(username, password);
  return typeof result === 'object' ? result.username : result;
}

test('a hash takes its password, beside users whose password stands in clear', async () => {
  const users = [
    user('hashed', await hashPassword('swordfish', CHEAP)),
    user('clear', 'words'),
    user('dear', await hashPassword('swordfish', DEAR)),
  ];
  const peers = [peer('edge', [await hashPassword('new', CHEAP), 'old'])];
  const credentials = new Credentials({ ...NONE, users, peers }, new CountedLine());
  for (const [username, password, expected] of [
    ['hashed', 'swordfish', 'hashed'],
    ['hashed', 'swordfish', 'hashed'],
    ['dear', 'swordfish', 'dear'],
    ['clear', 'words', 'clear'],
    ['edge', 'new', 'edge'],
    ['edge', 'old', 'edge'],
    ['hashed', 'words', 'refused'],
    ['hashed', '', 'refused'],
    ['hashed', users[0]?.password.reveal() ?? '', 'refused'],
    ['clear', 'swordfish', 'refused'],
    ['nobody', 'swordfish', 'refused'],
    ['nobody', 'words', 'refused'],
    ['', '', 'refused'],
    ['__proto__', 'swordfish', 'refused'],
  ] as const) {
    assert.equal(await outcome(credentials, username, password), expected, username);
  }
});

test('the right password is computed once, until the next reload; a wrong one each time', async () => {
  const settings = { ...NONE, users: [user('app', await hashPassword('swordfish', CHEAP))] };
  const line = new CountedLine();
  let credentials = new Credentials(settings, line);
  const computedBy = async (password: string): Promise<number> => {
    const before = line.computed;
    await credentials.check('app', password);
    return line.computed - before;
  };
  assert.equal(await computedBy('swordfish'), 1);
  assert.equal(await computedBy('swordfish'), 0);
  assert.equal(await computedBy('wrong'), 1);
  assert.equal(await computedBy('wrong'), 1);
  assert.equal(await computedBy('swordfish'), 0);
  credentials = new Credentials(settings, line);
  assert.equal(await computedBy('swordfish'), 1);
});

/** Computes as usual and writes down at which cost. */
function counted(): { costs: number[]; compute: typeof isPasswordOf } {
  const costs: number[] = [];
  const compute: typeof isPasswordOf = (password, hash) => {
    costs.push(hash.cost.ln);
    return isPasswordOf(password, hash);
  };
  return { costs, compute };
}

test('several sessions of one client that log in at once pay once', async () => {
  const hash = await hashPassword('swordfish', CHEAP);
  const line = new BoundedLine({ atOnce: 1, maxWaiting: 64, maxWaitMs: 10_000 }, systemClock);
  const { costs, compute } = counted();
  const settings = { ...NONE, users: [user('app', hash)] };
  const credentials = new Credentials(settings, line, compute);
  await Promise.all(Array.from({ length: 40 }, () => outcome(credentials, 'app', 'swordfish')));
  assert.equal(costs.length, 1);
});

test('every refusal computes the same: wrong passwords of each kind of account, unknown names', async () => {
  const [ln10, ln11] = [10, 11].map((ln) => ({ ln, r: 8, p: 1 }));
  const users = [
    user('cheap', await hashPassword('swordfish', ln10)),
    user('dear', await hashPassword('swordfish', ln11)),
    user('clear', 'words'),
  ];
  const peers = [peer('edge', [await hashPassword('new', ln11), await hashPassword('old', ln11)])];
  const { costs, compute } = counted();
  const credentials = new Credentials({ ...NONE, users, peers }, new CountedLine(), compute);
  for (const name of ['cheap', 'dear', 'clear', 'edge', 'nobody', '', '__proto__']) {
    costs.length = 0;
    assert.equal(await outcome(credentials, name, 'wrong'), 'refused');
    assert.deepEqual(costs, [10, 11, 11], name);
  }
});

test('a password longer than 1 KiB is refused without a computation', async () => {
  const line = new CountedLine();
  const long = 'x'.repeat(1025);
  const users = [user('app', await hashPassword('swordfish', CHEAP)), user('clear', long)];
  const credentials = new Credentials({ ...NONE, users }, line);
  assert.equal(await outcome(credentials, 'app', long), 'refused');
  assert.equal(await outcome(credentials, 'app', 'ü'.repeat(513)), 'refused');
  assert.equal(line.computed, 0);
  assert.equal(await outcome(credentials, 'clear', long), 'clear', 'in clear it may be as long');
});

test('where nobody has a hash none is computed', async () => {
  const line = new CountedLine();
  const credentials = new Credentials({ ...NONE, users: [user('app', 'words')] }, line);
  assert.equal(await outcome(credentials, 'app', 'wrong'), 'refused');
  assert.equal(await outcome(credentials, 'nobody', 'wrong'), 'refused');
  assert.equal(line.computed, 0);
});

test('too many at once: busy, for every name alike, and the right one gets in afterwards', async () => {
  const users = [user('app', await hashPassword('swordfish', DEAR)), user('clear', 'words')];
  const line = new BoundedLine({ atOnce: 1, maxWaiting: 2, maxWaitMs: 10_000 }, systemClock);
  const credentials = new Credentials({ ...NONE, users }, line);
  const flood = ['app', 'nobody', 'clear'].map((name) => outcome(credentials, name, 'wrong'));
  assert.deepEqual(
    await Promise.all([
      outcome(credentials, 'app', 'swordfish'),
      outcome(credentials, 'nobody', 'x'),
      outcome(credentials, 'clear', 'x'),
      outcome(credentials, 'clear', 'words'),
    ]),
    ['busy', 'busy', 'busy', 'clear'],
  );
  assert.deepEqual(await Promise.all(flood), ['refused', 'refused', 'refused']);
  assert.equal(await outcome(credentials, 'app', 'swordfish'), 'app');
});

test('a reload while a login is checked: what holds then decides', async () => {
  const before = { ...NONE, users: [user('app', await hashPassword('old', DEAR))] };
  const after = { ...NONE, users: [user('app', await hashPassword('new', CHEAP))] };
  const policy = new Policy(before);
  const [old, fresh] = [policy.logIn('app', 'old'), policy.logIn('app', 'new')];
  policy.reload(after);
  assert.equal(await old, 'refused');
  assert.equal(typeof (await fresh), 'object');
});
