import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { submit } from '../scenario/mail-sender.js';
import { freePort, relaymesh, scratchFolder } from '../scenario/programs.js';
import { startNode, startSink } from './running-node.js';

const PASSWORD = 'kanarienvogel-7f3a';
const LOGIN = { username: 'me', password: PASSWORD };

/** Starts a node by a config file alone. */
async function writeConfig(
  t: TestContext,
  keys: Record<string, string | number>,
  files: Record<string, string> = {},
): Promise<string> {
  const folder = await scratchFolder(t);
  for (const [name, text] of Object.entries(files)) {
    await writeFile(path.join(folder, name), text, { mode: 0o600 });
  }
  const all = {
    'smtp-port': await freePort(),
    'api-port': await freePort(),
    data: 'data',
    ...keys,
  };
  const file = path.join(folder, 'node.conf');
  await writeFile(file, textOf(all), { mode: 0o600 });
  return file;
}

function textOf(keys: Record<string, string | number>): string {
  return Object.entries(keys)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('');
}

function send(
  node: { port: number },
  recipient: string,
  user?: { username: string; password: string },
): Promise<void> {
  return submit(
    { host: '127.0.0.1', port: node.port, ...(user === undefined ? {} : { user }) },
    {
      sender: 'ann@client.test',
      recipients: [recipient],
      raw: Buffer.from('Subject: hello\r\n\r\nhello\r\n'),
    },
  );
}

/** Raw, and as AUTH PLAIN shows it. */
function assertNotTold(text: string): void {
  for (const form of [PASSWORD, Buffer.from(`\0me\0${PASSWORD}`).toString('base64')]) {
    assert.ok(!text.includes(form), 'a password was told');
  }
}

test('a node runs from a `key: value` file alone and logs in at its smarthost', async (t) => {
  const sink = await startSink(t, LOGIN);
  const config = await writeConfig(
    t,
    {
      'node-name': 'alone',
      'users-file': 'users',
      smarthost: '127.0.0.1',
      'smarthost-port': sink.port,
      'smarthost-username': LOGIN.username,
      'smarthost-password': PASSWORD,
      'smarthost-tls': 'opportunistic',
    },
    { users: 'app: app-password\n' },
  );
  const node = await startNode(t, ['--config', config]);
  await send(node, 'bob@there.test', { username: 'app', password: 'app-password' });
  const message = await sink.client.untilMessage('bob@there.test');
  assert.equal(message.user, 'me');
  await assert.rejects(send(node, 'eve@there.test', { username: 'app', password: 'wrong' }));
  await assert.rejects(send(node, 'eve@there.test'));
  assertNotTold(node.output() + node.commandLine());
  assert.match(node.output(), /"node":"alone"/);
});

test('SIGHUP takes a changed config file and its files up; a faulty one changes nothing', async (t) => {
  const [first, second] = [await startSink(t), await startSink(t, LOGIN)];
  const keys = {
    'relay-from': '127.0.0.1',
    smarthost: '127.0.0.1',
    'smarthost-port': first.port,
    'smtp-port': await freePort(),
    'api-port': await freePort(),
    data: 'data',
  };
  const config = await writeConfig(t, keys, { password: `${PASSWORD}\n` });
  const node = await startNode(t, ['--config', config]);
  await send(node, 'a@there.test');
  await first.client.untilMessage('a@there.test');

  await writeFile(config, 'smarthots: x\nsmarthost-port: 99999\n');
  await node.reload('reload-refused');
  assert.match(node.output(), /CONFIG_INVALID/);
  assert.match(node.output(), /node\.conf:1:1: error: unknown key 'smarthots'/);
  assert.match(node.output(), /node\.conf:2:17: error: smarthost-port must be a whole number/);
  await send(node, 'b@there.test');
  await first.client.untilMessage('b@there.test');

  const changed = {
    ...keys,
    'smarthost-port': second.port,
    'smarthost-username': 'me',
    'smarthost-password-file': 'password',
    'smarthost-tls': 'opportunistic',
  };
  await writeFile(config, textOf(changed));
  await node.reload('reloaded');
  await send(node, 'c@there.test');
  assert.equal((await second.client.untilMessage('c@there.test')).user, 'me');
  assertNotTold(node.output());
});

test('environment and command line go before the file, also over a topology', async (t) => {
  const sink = await startSink(t, LOGIN);
  const folder = await scratchFolder(t);
  const topology = path.join(folder, 'mesh.yaml');
  await writeFile(
    topology,
    `version: 1
name: mesh
secrets: { sink: { env: UNSET } }
nodes:
  edge:
    listen: [{ port: ${await freePort()} }]
    api: { port: ${await freePort()} }
    relay-from: [127.0.0.1/32]
    smarthost: "192.0.2.1:25"
sinks:
  elsewhere: { port: ${sink.port}, users: [{ username: me, password: { secret: sink } }] }
`,
  );
  const config = path.join(folder, 'node.conf');
  await writeFile(config, 'smarthost: 192.0.2.2\nsmarthost-username: nobody\n');
  const args = ['--topology', topology, '--name', 'edge', '--config', config];
  const node = await startNode(
    t,
    [
      ...args,
      '--data',
      path.join(folder, 'data'),
      '--smarthost=elsewhere',
      '--smarthost-tls',
      'none',
    ],
    { RELAYMESH_SMARTHOST_USERNAME: 'me', RELAYMESH_SMARTHOST_PASSWORD: PASSWORD },
  );
  await send(node, 'bob@there.test');
  assert.equal((await sink.client.untilMessage('bob@there.test')).user, 'me');
  const codes = [...node.output().matchAll(/"code":"([a-z-]+)"/g)].map(([, code]) => code);
  assert.deepEqual(codes, ['login-elsewhere']);
  assertNotTold(node.output() + node.commandLine());
});

test('with only a sink, mail for every domain lands in it, by its login', async (t) => {
  const sink = await startSink(t, LOGIN);
  const config = await writeConfig(t, {
    'relay-from': '127.0.0.1',
    'smtp-sink-address': '127.0.0.1',
    'smtp-sink-port': sink.port,
    'smtp-sink-username': 'me',
    'smtp-sink-password': PASSWORD,
    'smtp-sink-tls': 'opportunistic',
  });
  const node = await startNode(t, ['--config', config]);
  for (const recipient of ['a@one.test', 'b@two.test']) {
    await send(node, recipient);
    assert.equal((await sink.client.untilMessage(recipient)).user, 'me');
  }
  assertNotTold(node.output());
});

test('all faults of the file are told at once, and the exit code is 2', async (t) => {
  const folder = await scratchFolder(t);
  const config = path.join(folder, 'node.conf');
  await writeFile(config, 'smarthots: x\n\napi-port: zero\nsmtp-tls: verified\n');
  const { code, stdout } = await relaymesh(['node', '--config', config]);
  assert.equal(code, 2);
  const { message } = JSON.parse(stdout) as { message: string };
  assert.deepEqual(
    [...message.matchAll(/node\.conf:(\d+:\d+): error/g)].map(([, place]) => place),
    ['1:1', '3:11', '4:11'],
  );
});

test('a secret on the command line is refused, with what to do, and not repeated', async () => {
  for (const args of [
    [`--smarthost-password=${PASSWORD}`],
    ['--smarthost-password', PASSWORD],
    [`--smtp-sink-password=${PASSWORD}`],
  ]) {
    const { code, stdout, stderr } = await relaymesh(['node', '--config', 'none', ...args]);
    assert.equal(code, 2);
    assert.match(stderr, /\[SECRET_IN_ARGV\]/);
    assert.match(stderr, /-password-file=PATH, or set RELAYMESH_SM\w+_PASSWORD/);
    assertNotTold(stdout + stderr);
  }
});

test('what stands behind an unknown option is not repeated either', async () => {
  const { code, stderr } = await relaymesh(['node', `--smarthost-pasword=${PASSWORD}`]);
  assert.equal(code, 2);
  assert.match(stderr, /unknown option '--smarthost-pasword'; did you mean --smarthost-password\?/);
  assertNotTold(stderr);
});

test('a node needs a topology or a config file, and says so with an example', async () => {
  const { code, stderr } = await relaymesh(['node']);
  assert.equal(code, 2);
  assert.match(stderr, /--topology FILE with --name NODE, or --config FILE, is needed/);
  assert.match(stderr, /\$ relaymesh node --config/);
  const nameless = await relaymesh(['node', '--topology', 'topologies/three-tier.yaml']);
  assert.equal(nameless.code, 2);
  assert.match(nameless.stdout, /NODE_NOT_NAMED/);
});

test('help shows the main keys, and each key is an option', async () => {
  const { code, stdout } = await relaymesh(['node', '--help']);
  assert.equal(code, 0);
  assert.match(stdout, /--smarthost-port <value>/);
  assert.match(stdout, /relaymesh config reference/);
  assert.doesNotMatch(stdout, /--idle-timeout/);
  assert.ok(stdout.split('\n').length < 60);
  const refused = await relaymesh([
    'node',
    '--config',
    'none',
    '--idle-timeout=x',
    '--smtp-tls',
    'y',
  ]);
  assert.equal(refused.code, 2);
  assert.match(refused.stdout, /CONFIG_UNREADABLE/);
});

test('the reference is printed as text, JSON and Markdown', async () => {
  const text = await relaymesh(['config', 'reference']);
  assert.equal(text.code, 0);
  assert.match(text.stdout, /^smarthost-port: <port>$/m);
  const json = await relaymesh(['config', 'reference', '--json']);
  const keys = (JSON.parse(json.stdout) as Array<{ key: string }>).map(({ key }) => key);
  assert.ok(keys.includes('smtp-sink-address'));
  const markdown = await relaymesh(['config', 'reference', '--markdown']);
  assert.match(markdown.stdout, /^\| `smarthost` \|/m);
});
