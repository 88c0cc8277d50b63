import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { InvalidConfigError } from '../../src/config/fault.js';
import { loadConfig, type ConfigSources } from '../../src/config/load.js';
import { folderWith } from './config-files.js';

async function refused(sources: Partial<ConfigSources>): Promise<string[]> {
  try {
    await loadConfig({ environment: {}, argv: {}, ...sources });
  } catch (error) {
    assert.ok(error instanceof InvalidConfigError, String(error));
    assert.equal(error.code, 'CONFIG_INVALID');
    for (const fault of error.faults) assert.ok(error.message.includes(fault));
    return error.faults.map((fault) =>
      sources.file === undefined ? fault : fault.replaceAll(sources.file, 'node.conf'),
    );
  }
  assert.fail('nothing was refused');
}

test('of each key the highest level holds, and says where it stands', async (t) => {
  const folder = folderWith(t, { 'node.conf': 'smarthost: a\nsmarthost-port: 26\ndata: d\n' });
  const file = join(folder, 'node.conf');
  const config = await loadConfig({
    file,
    environment: { RELAYMESH_SMARTHOST: 'b', RELAYMESH_SMARTHOST_PORT: '27', SMARTHOST: 'z' },
    argv: { smarthost: 'c' },
  });
  assert.equal(config.value('smarthost'), 'c');
  assert.equal(config.origin('smarthost')?.where, 'command line --smarthost');
  assert.equal(config.value('smarthost-port'), 27);
  assert.equal(config.origin('smarthost-port')?.where, 'environment RELAYMESH_SMARTHOST_PORT');
  assert.equal(config.value('data'), join(folder, 'd'));
  assert.equal(config.origin('data')?.where, `${file}:3:7`);
  assert.equal(config.value('api-port'), undefined);
});

test('a path is relative to the config file, elsewhere to the working directory', async (t) => {
  const file = join(
    folderWith(t, { 'node.conf': 'tls-cert: c.pem\ntls-key: /k.pem' }),
    'node.conf',
  );
  const config = await loadConfig({ file, environment: {}, argv: { 'tls-ca': 'ca.pem' } });
  assert.equal(config.value('tls-cert'), join(file, '..', 'c.pem'));
  assert.equal(config.value('tls-key'), '/k.pem');
  assert.equal(config.value('tls-ca'), join(process.cwd(), 'ca.pem'));
});

test('all faults of a file are told at once, in its order', async (t) => {
  const text = `smarthots: a
smarthost-port: 99999
api-port: 8025
nonsense
api-port: 8026
users-file: none
smarthost-password: x
smarthost-password-file: y
`;
  const file = join(folderWith(t, { 'node.conf': text }), 'node.conf');
  const faults = await refused({ file });
  assert.deepEqual(
    faults.map((fault) => fault.split('\n')[0]?.replace(join(file, '..'), '')),
    [
      "node.conf:1:1: error: unknown key 'smarthots' [unknown-key]",
      "node.conf:2:17: error: smarthost-port must be a whole number from 1 to 65535, got '99999' [invalid-value]",
      'node.conf:4:1: error: this is not a line of the form `key: value` [syntax]',
      'node.conf:5:1: error: api-port stands twice, in line 3 and in line 5 [duplicate-key]',
      'node.conf:6:13: error: users-file /none cannot be used: there is no such file [unreadable-file]',
      'node.conf:8:26: error: smarthost-password-file and smarthost-password (node.conf:7:21) exclude each other [excluding-keys]',
    ],
  );
});

test('a value of the environment or the command line is refused by its name', async () => {
  const faults = await refused({
    environment: { RELAYMESH_API_PORT: 'x' },
    argv: { 'smarthost-port': 'y' },
  });
  assert.deepEqual(
    faults.map((fault) => fault.split(': ')[0]),
    ['environment RELAYMESH_API_PORT', 'command line --smarthost-port'],
  );
});

test('a password and its file exclude each other at one level; the higher level wins', async (t) => {
  const both = { RELAYMESH_SMARTHOST_PASSWORD: 'x', RELAYMESH_SMARTHOST_PASSWORD_FILE: 'y' };
  assert.equal((await refused({ environment: both })).length, 1);
  const file = join(folderWith(t, { 'node.conf': 'smarthost-password: x' }), 'node.conf');
  const byFile = await loadConfig({
    file,
    environment: {},
    argv: { 'smarthost-password-file': '/p' },
  });
  assert.equal(byFile.value('smarthost-password'), undefined);
  assert.equal(byFile.value('smarthost-password-file'), '/p');
  const byValue = await loadConfig({
    file: join(folderWith(t, { c: 'smarthost-password-file: /p\nsmarthost-token-file:' }), 'c'),
    environment: { RELAYMESH_SMARTHOST_PASSWORD: 'x' },
    argv: {},
  });
  assert.equal(byValue.value('smarthost-password-file'), undefined);
  assert.equal(byValue.value('smarthost-password')?.reveal(), 'x');
});

test('an empty value takes away what lower levels say, and excludes nothing', async (t) => {
  const text = 'smarthost: a\nsmarthost-password:\nsmarthost-password-file: /p\n';
  const file = join(folderWith(t, { 'node.conf': text }), 'node.conf');
  const config = await loadConfig({ file, environment: { RELAYMESH_SMARTHOST: '' }, argv: {} });
  assert.equal(config.value('smarthost'), null);
  assert.equal(config.value('smarthost-password-file'), '/p');
});

test('an unknown variable is only a warning; variables that are no keys are known', async () => {
  const config = await loadConfig({
    environment: {
      RELAYMESH_SMARTHOST_PROT: '1',
      RELAYMESH_XYZZY: '1',
      RELAYMESH_API_TOKEN: 'x',
      RELAYMESH_DEBUG: '1',
      RELAYMESH_URL: 'http://x',
      PATH: '/bin',
    },
    argv: {},
  });
  assert.deepEqual(
    config.warnings.map(({ ruleId, where, hint }) => [ruleId, where, hint]),
    [
      [
        'unknown-variable',
        'environment RELAYMESH_SMARTHOST_PROT',
        'did you mean RELAYMESH_SMARTHOST_PORT?',
      ],
      ['unknown-variable', 'environment RELAYMESH_XYZZY', undefined],
    ],
  );
});

test('a secret is never taken from argv, and its value is not repeated', async () => {
  for (const key of ['smarthost-password', 'smtp-sink-password'] as const) {
    const loading = loadConfig({ environment: {}, argv: { [key]: 'hunter2' } });
    await assert.rejects(loading, (error: Error) => {
      assert.equal((error as InvalidConfigError).code, 'SECRET_IN_ARGV');
      const text = (error as InvalidConfigError).describe();
      assert.match(text, new RegExp(`--${key}-file=PATH`));
      assert.match(text, /RELAYMESH_SM/);
      assert.doesNotMatch(text, /hunter2/);
      return true;
    });
  }
});

test('a file that cannot be read, is too large or not text is refused', async (t) => {
  const folder = folderWith(t, {
    large: 'data: x\n'.repeat(140_000),
    binary: Buffer.from([0x64, 0xff, 0xfe]),
    bom: Buffer.from('\uFEFFdata: /x'),
  });
  for (const name of ['none', '.']) {
    const loading = loadConfig({ file: join(folder, name), environment: {}, argv: {} });
    await assert.rejects(loading, { code: 'CONFIG_UNREADABLE' });
  }
  assert.match((await refused({ file: join(folder, 'large') })).join(), /larger than 1 MiB/);
  assert.match((await refused({ file: join(folder, 'binary') })).join(), /not UTF-8 text/);
  const bom = await loadConfig({ file: join(folder, 'bom'), environment: {}, argv: {} });
  assert.equal(bom.value('data'), '/x');
});

test('the users file is read, and everybody being able to do so is said', async (t) => {
  const folder = folderWith(t, { 'node.conf': 'users-file: users', users: 'ann: secret\n' });
  const file = join(folder, 'node.conf');
  const load = () => loadConfig({ file, environment: {}, argv: {} });
  const { users, warnings } = await load();
  assert.deepEqual(
    users.map(({ username, password }) => [username, password.reveal()]),
    [['ann', 'secret']],
  );
  assert.deepEqual(warnings, []);
  chmodSync(join(folder, 'users'), 0o644);
  assert.deepEqual(
    (await load()).warnings.map(({ ruleId, where }) => [ruleId, where]),
    [['readable-by-others', `${file}:1:13`]],
  );
});

test('a config file with a password that everybody can read is said too', async (t) => {
  const file = join(folderWith(t, { 'node.conf': 'smarthost-password: x' }), 'node.conf');
  chmodSync(file, 0o644);
  const { warnings } = await loadConfig({ file, environment: {}, argv: {} });
  assert.deepEqual(
    warnings.map(({ ruleId, where }) => [ruleId, where]),
    [['readable-by-others', `${file}:1:21`]],
  );
  writeFileSync(file, 'smarthost-password-file: x');
  assert.deepEqual((await loadConfig({ file, environment: {}, argv: {} })).warnings, []);
});
