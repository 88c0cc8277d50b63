import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoginLimits } from '../../src/policy/login-limits.js';

const WINDOW_MS = 900_000;
const DAY_MS = 86_400_000;

function limitsOf(perClient: number, perUser: number): LoginLimits {
  return new LoginLimits({
    maxLoginFailuresPerClient: perClient,
    maxLoginFailuresPerUser: perUser,
    loginFailureWindowMs: WINDOW_MS,
  });
}

function fail(limits: LoginLimits, client: string, username: string, times: number, nowMs = 0) {
  for (let time = 0; time < times; time++) limits.failed(client, username, nowMs);
}

test('a client that fails too often is locked, whatever the names, until the window ends', () => {
  const limits = limitsOf(3, 100);
  fail(limits, 'a', 'one', 1);
  fail(limits, 'a', 'two', 1, 1000);
  assert.equal(limits.refusal('a', 'app', 1000), null);
  fail(limits, 'a', 'three', 1, 2000);
  assert.equal(limits.refusal('a', 'app', 2000), 'login-failures-per-client');
  assert.equal(limits.refusal('b', 'app', 2000), null);
  assert.equal(limits.refusal('a', 'app', WINDOW_MS - 1), 'login-failures-per-client');
  assert.equal(limits.refusal('a', 'app', WINDOW_MS), null);
});

test('a name with which too many fail is locked for strangers, be there such a user or not', () => {
  const limits = limitsOf(100, 3);
  for (const name of ['app', 'nobody']) {
    for (const client of ['a', 'b', 'c']) fail(limits, client, name, 1);
    assert.equal(limits.refusal('d', name, 0), 'login-failures-per-user', name);
  }
  assert.equal(limits.refusal('d', 'other', 0), null);
  assert.equal(limits.refusal('d', 'app', WINDOW_MS), null);
});

test('a stranger locks nobody out who has logged in with the name from where it is', () => {
  const limits = limitsOf(3, 3);
  limits.succeeded('home', 'app', 0);
  fail(limits, 'attacker', 'app', 3);
  assert.equal(limits.refusal('attacker', 'app', 0), 'login-failures-per-client');
  assert.equal(limits.refusal('elsewhere', 'app', 0), 'login-failures-per-user');
  assert.equal(limits.refusal('home', 'app', 0), null);
  // Neither does one behind the same address with other names.
  fail(limits, 'home', 'root', 3);
  assert.equal(limits.refusal('home', 'root', 0), 'login-failures-per-client');
  assert.equal(limits.refusal('home', 'app', 0), null);
});

test('a known client that fails with its name is counted by itself, and locked too', () => {
  const limits = limitsOf(3, 3);
  limits.succeeded('home', 'app', 0);
  fail(limits, 'home', 'app', 3);
  assert.equal(limits.refusal('home', 'app', 0), 'login-failures-per-client');
  assert.equal(limits.refusal('elsewhere', 'app', 0), null);
  assert.equal(limits.refusal('home', 'other', 0), null);
});

test('after seven days without a login a client is a stranger again', () => {
  const limits = limitsOf(3, 3);
  limits.succeeded('home', 'app', 0);
  fail(limits, 'a', 'app', 3, 7 * DAY_MS);
  assert.equal(limits.refusal('home', 'app', 7 * DAY_MS - 1), null);
  assert.equal(limits.refusal('home', 'app', 7 * DAY_MS), 'login-failures-per-user');
});

test('a success takes nothing away from the failures, so that nobody can launder them', () => {
  const limits = limitsOf(3, 100);
  for (let round = 0; round < 3; round++) {
    limits.failed('a', 'app', 0);
    limits.succeeded('a', 'own', 0);
  }
  assert.equal(limits.refusal('a', 'app', 0), 'login-failures-per-client');
  assert.equal(limits.refusal('a', 'own', 0), null);
});

test('tens of thousands of names make room for the next one, and a reload changes the bounds', () => {
  const limits = limitsOf(2, 2);
  for (let index = 0; index < 50_000; index++) limits.failed(`c${index}`, `u${index}`, 0);
  fail(limits, 'a', 'app', 1);
  assert.equal(limits.refusal('a', 'app', 0), null);
  limits.reload({
    maxLoginFailuresPerClient: 1,
    maxLoginFailuresPerUser: 5,
    loginFailureWindowMs: WINDOW_MS,
  });
  assert.equal(limits.refusal('a', 'app', 0), 'login-failures-per-client');
  assert.equal(limits.refusal('b', 'app', 0), null);
});
