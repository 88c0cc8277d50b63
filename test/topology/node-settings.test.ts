import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { keepApiToken } from '../../src/topology/api-token.js';
import { InvalidTopologyError, loadNodeSettings } from '../../src/topology/node-settings.js';
import { loginOf } from './compiling.js';
import { allotment, scratchFolder, SOUND, soundBut, writeTopology } from './topology-files.js';

/** Without TLS, so that no certificate is needed. */
const PLAIN = soundBut(
  ['app: { generate: true }', 'app: { file: app.secret }'],
  ['edge-core: { generate: true }', 'edge-core: { env: EDGE_CORE }'],
  ['tls: { ephemeral: true }\n', ''],
  ['port: 2525, tls: required', 'port: 2525'],
  ['port: 2526, tls: required', 'port: 2526'],
  ['secret: edge-core } }', 'secret: edge-core }, tls: none }'],
);

function load(
  t: TestContext,
  text: string,
  {
    node = 'edge',
    secretFile = 'from file\r\nsecond line\n',
    env = { EDGE_CORE: 'from env' },
  }: { node?: string; secretFile?: string; env?: Record<string, string> } = {},
) {
  const file = writeTopology(t, text, { 'app.secret': secretFile });
  const dataDir = join(dirname(file), 'data');
  return { file, dataDir, settings: () => loadNodeSettings({ file, node, dataDir, env }) };
}

test('secrets come from the environment and from the first line of a file', async (t) => {
  const { policy, route } = await load(t, PLAIN).settings();
  assert.equal(policy.users[0]?.password.reveal(), 'from file');
  assert.ok(route.fallback.kind === 'hop');
  assert.deepEqual(loginOf(route.fallback.hop.nextHop), ['edge', 'from env']);
});

test('a secret that is not there has a code and a place', async (t) => {
  const unset = load(t, PLAIN, { env: {} });
  await assert.rejects(unset.settings(), { code: 'SECRET_NOT_SET', where: `${unset.file}:5:3` });
  await assert.rejects(load(t, PLAIN, { env: { EDGE_CORE: '' } }).settings(), {
    code: 'SECRET_EMPTY',
  });
  await assert.rejects(load(t, PLAIN, { secretFile: '\nvalue' }).settings(), {
    code: 'SECRET_EMPTY',
  });
  await assert.rejects(load(t, PLAIN.replace('app.secret', 'no.secret')).settings(), {
    code: 'SECRET_FILE_UNREADABLE',
  });
  await assert.rejects(load(t, PLAIN.replace('app.secret', '.')).settings(), {
    code: 'SECRET_FILE_UNREADABLE',
  });
  await assert.rejects(load(t, PLAIN.replace('app.secret', '/dev/null')).settings(), {
    code: 'SECRET_FILE_UNREADABLE',
  });
  await assert.rejects(load(t, PLAIN, { secretFile: 'x'.repeat(65_536) }).settings(), {
    code: 'SECRET_FILE_UNREADABLE',
  });
  await assert.rejects(
    load(t, PLAIN.replace('{ file: app.secret }', '{ generate: true }')).settings(),
    {
      code: 'SECRET_NOT_GENERATED',
    },
  );
});

test('a node does not need the secrets of others', async (t) => {
  const { policy } = await load(t, PLAIN.replace('app.secret', 'no.secret'), {
    node: 'core',
  }).settings();
  assert.equal(policy.peers[0]?.passwords[0]?.reveal(), 'from env');
});

test('the allotment of a run on one machine is taken up', async (t) => {
  const { file, dataDir } = load(t, PLAIN);
  writeFileSync(file, soundBut(['port: 2525', 'port: auto']));
  const pem = join(dirname(file), 'app.secret');
  mkdirSync(dataDir);
  const given = allotment({
    listeners: { edge: { smtp: 4242 } },
    tls: { ca: pem, cert: pem, key: pem },
  });
  writeFileSync(join(dataDir, 'allotment.json'), JSON.stringify(given));
  const { intake, policy, api } = await loadNodeSettings({ file, node: 'edge', dataDir, env: {} });
  assert.equal(intake.listeners[0]?.port, 4242);
  assert.equal(policy.users[0]?.password.reveal(), 'app-value');
  assert.equal(api.token.reveal(), 'allotted-token');
  assert.ok(!existsSync(join(dataDir, 'api-token')));
});

test('a damaged allotment is refused and not quoted', async (t) => {
  const { file, dataDir } = load(t, PLAIN);
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(join(dataDir, 'allotment.json'), 'hunter2');
  await assert.rejects(
    loadNodeSettings({ file, node: 'edge', dataDir, env: {} }),
    (error: Error) => {
      assert.equal((error as InvalidTopologyError).code, 'ALLOTMENT_INVALID');
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    },
  );
});

test('a topology with faults is refused with all of them', async (t) => {
  const text = SOUND.replace('smarthost: mx', 'smarthost: edge').replace('api:', 'apj:');
  await assert.rejects(load(t, text).settings(), (error) => {
    assert.ok(error instanceof InvalidTopologyError);
    assert.equal(error.code, 'TOPOLOGY_INVALID');
    assert.deepEqual(
      error.faults.map(({ ruleId }) => ruleId),
      ['unknown-key', 'cycle', 'missing-credential'],
    );
    assert.match(error.message, /topology\.yaml:10:5: error: unknown key 'apj'/);
    return true;
  });
});

test('a topology of good form that makes no sense is refused', async (t) => {
  const text = PLAIN.replace('smarthost: mx', 'smarthost: edge');
  await assert.rejects(load(t, text).settings(), { code: 'TOPOLOGY_INVALID' });
});

test('warnings are told and refuse nothing', async (t) => {
  const { file, dataDir } = load(t, PLAIN);
  writeFileSync(file, PLAIN.replace('tls: none }', 'tls: none }\n  - { from: core, to: edge }'));
  const heard: string[] = [];
  await loadNodeSettings({
    file,
    node: 'core',
    dataDir,
    env: { EDGE_CORE: 'x' },
    onWarning: ({ ruleId }) => heard.push(ruleId),
  });
  assert.deepEqual(heard, ['unused-link']);
});

test('an API token is made once, whole and for the owner only', (t) => {
  const dataDir = join(scratchFolder(t), 'data');
  const token = keepApiToken(dataDir).reveal();
  assert.match(token, /^[0-9a-f]{64}$/);
  assert.equal(keepApiToken(dataDir).reveal(), token);
  const file = join(dataDir, 'api-token');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(readFileSync(file, 'utf8'), `${token}\n`);
  writeFileSync(file, '\n');
  assert.throws(() => keepApiToken(dataDir), { code: 'API_TOKEN_UNREADABLE', where: file });
});
