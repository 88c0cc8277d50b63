import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { relaymesh, scratchFolder } from '../scenario/programs.js';
import { handIn } from './mail-client.js';
import { startRecordingServer, type RecordingServer } from './recording-server.js';
import { startNode, type NodeOptions, type RunningNode } from './running-node.js';

/*
 * SMARTHOST.md, "Settings of a node": precedence, low to high: topology, `--config` file,
 * environment, command line. Every level names a server of its own; the mail tells which one held.
 */

const LEVELS = ['topology', 'file', 'environment', 'command line'] as const;
type Level = (typeof LEVELS)[number];
type Servers = Record<Level, RecordingServer>;

async function startServers(t: TestContext): Promise<Servers> {
  const entries = LEVELS.map(async (level): Promise<[Level, RecordingServer]> => [
    level,
    await startRecordingServer(t),
  ]);
  return Object.fromEntries(await Promise.all(entries)) as Servers;
}

/** A node in whose topology stand `keys`, and a sink `below` at the server of that level. */
function topologyWith(keys: string, servers: Servers): string {
  return `version: 1
name: precedence
nodes:
  edge:
    listen: [{ port: auto }]
    api: { port: auto }
${keys}
sinks:
  below: { port: ${servers.topology.port} }
`;
}

/** The levels from the lowest up to `top`, each with ports of its own. */
function optionsUpTo(
  top: Level,
  smarthosts: Servers,
  sinks: Servers,
): Pick<NodeOptions, 'config' | 'env' | 'args'> {
  const reaches = (level: Level): boolean => LEVELS.indexOf(top) >= LEVELS.indexOf(level);
  const ports = (level: Level): [key: string, port: number][] =>
    reaches(level)
      ? [
          ['smarthost-port', smarthosts[level].port],
          ['smtp-sink-port', sinks[level].port],
        ]
      : [];
  const variable = (key: string): string => `RELAYMESH_${key.toUpperCase().replaceAll('-', '_')}`;
  return {
    config: Object.fromEntries(ports('file')),
    env: Object.fromEntries(
      ports('environment').map(([key, port]) => [variable(key), String(port)]),
    ),
    args: ports('command line').map(([key, port]) => `--${key}=${port}`),
  };
}

/** Only the server of `level` gets a message that is handed in now. */
async function assertHolds(node: RunningNode, level: Level, servers: Servers): Promise<void> {
  const recipient = `${level.replace(' ', '-')}@one.test`;
  assert.match(await handIn(node.port, { recipient }), /^250 /);
  await servers[level].untilMessage(recipient);
  const heard = LEVELS.filter((other) => servers[other].sessions.length > 0);
  assert.deepEqual(heard, [level]);
}

// Two at a time: what takes long is the start of a node.
suite('SMARTHOST: settings of a node: precedence', { concurrency: 2 }, () => {
  for (const level of LEVELS) {
    test(`precedence: what the ${level} says wins over what is below it`, async (t) => {
      const [smarthosts, sinks] = [await startServers(t), await startServers(t)];
      const options = optionsUpTo(level, smarthosts, sinks);
      const keys = `    smarthost: 127.0.0.1
    smarthost-port: ${smarthosts.topology.port}
    smtp-sink-address: 0.0.0.0
    smtp-sink-port: ${sinks.topology.port}`;
      const topology = topologyWith(keys, smarthosts);
      const node = await startNode(t, { ...options, topology, name: 'edge' });
      await t.test('smarthost-port', () => assertHolds(node, level, smarthosts));
      await t.test('smtp-sink-port', async () => {
        await node.configure({ ...options.config, 'smtp-sink-address': '127.0.0.1' });
        assert.equal((await node.reload())['event'], 'reloaded');
        await assertHolds(node, level, sinks);
      });
    });
  }

  test('a higher level turns off with an empty value what a lower one says', async (t) => {
    const servers = await startServers(t);
    const keys = `    smarthost: below
    smtp-sink-address: 127.0.0.1
    smtp-sink-port: ${servers.topology.port}`;
    const file = servers.file;
    const node = await startNode(t, {
      topology: topologyWith(keys, servers),
      name: 'edge',
      config: { smarthost: '127.0.0.1', 'smarthost-port': file.port },
      env: { RELAYMESH_SMTP_SINK_ADDRESS: '' },
    });
    assert.match(await handIn(node.port, { recipient: 'a@one.test' }), /^250 /);
    await file.untilMessage('a@one.test');
    assert.equal(servers.topology.sessions.length, 0);
  });

  test('a secret comes from the environment too, and never from the command line', async (t) => {
    const login = { username: 'customer', password: 'from-the-environment' };
    const smarthost = await startRecordingServer(t, { login });
    const node = await startNode(t, {
      config: {
        smarthost: '127.0.0.1',
        'smarthost-port': smarthost.port,
        'smarthost-username': login.username,
        'smarthost-password': 'from-the-file',
        'smarthost-tls': 'none',
      },
      env: { RELAYMESH_SMARTHOST_PASSWORD: login.password },
    });
    assert.match(await handIn(node.port, { recipient: 'a@one.test' }), /^250 /);
    await smarthost.untilMessage('a@one.test');

    const folder = await scratchFolder(t);
    const file = path.join(folder, 'node.conf');
    await writeFile(file, `data: ${folder}\n`);
    const args = ['node', '--config', file, '--smarthost-password=from-argv'];
    const { code, stdout, stderr } = await relaymesh(args);
    assert.equal(code, 2);
    assert.match(stdout + stderr, /smarthost-password/);
    assert.ok(!(stdout + stderr).includes('from-argv'));
  });

  test('`smarthost`: a name of a sink of the topology is one too', async (t) => {
    const servers = await startServers(t);
    const node = await startNode(t, {
      topology: topologyWith('', servers),
      name: 'edge',
      args: ['--smarthost=below'],
    });
    assert.match(await handIn(node.port, { recipient: 'a@one.test' }), /^250 /);
    await servers.topology.untilMessage('a@one.test');
  });

  test('`smarthost`: a name of a node of the topology is one too, with the login of its link', async (t) => {
    const core = await startRecordingServer(t, {
      login: { username: 'edge', password: 'of-the-link' },
    });
    const topology = `version: 1
name: named-node
secrets: { link: { env: LINK } }
nodes:
  edge:
    listen: [{ port: auto }]
    api: { port: auto }
  core:
    listen: [{ port: ${core.port} }]
links: [{ from: edge, to: core, username: edge, password: { secret: link }, tls: none }]
`;
    const node = await startNode(t, {
      topology,
      name: 'edge',
      config: { smarthost: 'core' },
      env: { LINK: 'of-the-link' },
    });
    assert.match(await handIn(node.port, { recipient: 'a@one.test' }), /^250 /);
    await core.untilMessage('a@one.test');
    const { attempts } = await node.api.untilRecord(
      'a@one.test',
      (record) => record.attempts.length > 0,
    );
    assert.deepEqual([attempts[0]?.next_hop, attempts[0]?.user], ['core', 'edge']);
  });
});
