import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RelayError } from '../../src/base/errors.js';
import { Secret } from '../../src/base/secret.js';
import { isAnyHashed } from '../../src/topology/runner/client-entry.js';
import type { Allotted } from '../../src/topology/runner/allot.js';
import { plannedState, sinkSpec, type RunPlace } from '../../src/topology/runner/start-plan.js';
import { compile } from './compiling.js';
import { allotment, parsed, scratchFolder, SOUND, soundBut } from './topology-files.js';

/* Hashes in place of passwords: good for who checks logins, and for nobody who logs in. */

const hashOf = (ln: number): string =>
  `$scrypt$ln=${ln},r=8,p=1$${'A'.repeat(22)}$${'E'.repeat(43)}`;

function secrets(values: Record<string, string>): { resolveSecret: (name: string) => Secret } {
  return { resolveSecret: (name) => new Secret(values[name] ?? `value of ${name}`) };
}

function assertRefused(run: () => unknown, code: string, where: string): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof RelayError);
    assert.deepEqual([error.code, error.where], [code, where]);
    assert.doesNotMatch(error.describe(), /AAAA|EEEE/);
    return true;
  });
}

test('a user, and the receiving end of a link, may have a hash', () => {
  const edge = compile(SOUND, 'edge', secrets({ app: hashOf(15) }));
  assert.equal(edge.policy.users[0]?.password.reveal(), hashOf(15));
  const core = compile(SOUND, 'core', secrets({ 'edge-core': hashOf(15) }));
  assert.equal(core.policy.peers[0]?.passwords[0]?.reveal(), hashOf(15));
});

test('the sending end of a link needs the password itself', () => {
  const run = (): unknown => compile(SOUND, 'edge', secrets({ 'edge-core': hashOf(15) }));
  assertRefused(run, 'PASSWORD_IS_HASH', 'secrets.edge-core');
});

test('what begins like a hash and is none is refused, not taken as a password', () => {
  for (const text of [
    '$scrypt$',
    hashOf(30),
    `${hashOf(15)}x!`,
    '$scrypt$ln=15,r=8,p=1$AAAA$EEEE',
  ]) {
    const run = (): unknown => compile(SOUND, 'edge', secrets({ app: text }));
    assertRefused(run, 'PASSWORD_HASH_INVALID', 'secrets.app');
  }
});

test('more than 4 different costs at one node are refused', () => {
  const users = (count: number): string =>
    Array.from(
      { length: count },
      (_, at) => `{ username: u${at}, password: { secret: s${at} } }`,
    ).join(', ');
  const declared = Array.from({ length: 5 }, (_, at) => `  s${at}: { generate: true }\n`).join('');
  const values = Object.fromEntries(
    Array.from({ length: 5 }, (_, at) => [`s${at}`, hashOf(10 + at)]),
  );
  const mesh = (count: number): string =>
    soundBut(
      ['  app: { generate: true }\n', `  app: { generate: true }\n${declared}`],
      ['users: [', `users: [${users(count)}, `],
    );
  assert.equal(compile(mesh(4), 'edge', secrets(values)).policy.users.length, 5);
  const run = (): unknown => compile(mesh(5), 'edge', secrets(values));
  assertRefused(run, 'PASSWORD_HASH_INVALID', 'nodes.edge');
});

function placeOf(text: string, workdir: string): RunPlace {
  const { topology } = parsed(text);
  return { topology, file: 'mesh.yaml', workdir, mainJs: 'main.js', environment: {} };
}

const ALLOTTED: Allotted = { whole: allotment(), tls: null };

test('a run does not log in as a user of whom it knows the hash alone', (t) => {
  const place = placeOf(SOUND, scratchFolder(t));
  const state = plannedState(
    place,
    new Set(['edge', 'core']),
    ALLOTTED,
    () => (name) => (name === 'app' ? hashOf(15) : `value of ${name}`),
  );
  assert.deepEqual(state.users, { edge: [], core: [] });
  assert.equal(isAnyHashed(place.topology, state, 'edge'), true);
  assert.equal(isAnyHashed(place.topology, state, 'edge', { user: 'app' }), true);
  assert.equal(isAnyHashed(place.topology, state, 'edge', { user: 'other' }), false);
  assert.equal(isAnyHashed(place.topology, state, 'core'), false);
  const known = plannedState(place, new Set(['edge']), ALLOTTED, () => (name) => name);
  assert.equal(isAnyHashed(place.topology, known, 'edge'), false);
});

test('a sink compares passwords themselves, and is not started with a hash', async (t) => {
  const text = soundBut(
    [
      'mx: { port: 2527 }',
      'mx: { port: 2527, users: [{ username: u, password: { secret: app } }] }',
    ],
    ['smarthost: mx', 'smarthost: { hostname: mx, username: u, password: { secret: app } }'],
  );
  const place = placeOf(text, scratchFolder(t));
  const sink = place.topology.sinks['mx'];
  assert.ok(sink !== undefined);
  const start = sinkSpec(place, 'mx', sink, ALLOTTED, () => hashOf(15));
  await assert.rejects(start, { code: 'PASSWORD_IS_HASH' });
});
