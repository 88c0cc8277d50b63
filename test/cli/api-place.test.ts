import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { processSurroundings } from '../../src/cli/api-access.js';
import { findApi, type AccessOptions, type ApiPlace } from '../../src/cli/api-place.js';
import { CommandFault } from '../../src/cli/command-fault.js';
import type { RunState } from '../../src/topology/state.js';
import { folderWith } from '../config/config-files.js';

const URL_TEXT = 'http://192.0.2.1:8025';

const TOPOLOGY = `version: 1
name: two
secrets:
  core-api: { env: CORE_TOKEN }
nodes:
  edge: { listen: [{ port: 2525 }], smarthost: core, api: { port: auto } }
  core:
    host: core.internal
    listen: [{ port: 2526 }]
    api: { port: 8026, host: 0.0.0.0, token: { secret: core-api } }
    smarthost: mx
sinks: { mx: { port: 2727 } }
`;

function stateOf(file: string, fields: Partial<RunState> = {}): RunState {
  const node = { pid: 1, started: null, smtp: [], dataDir: '/d', logFile: '/l' };
  return {
    name: 'two',
    ready: true,
    file,
    apiToken: 'run-token',
    caFile: null,
    runner: { pid: 1 },
    stopDeadlineMs: 1,
    nodes: {
      edge: { ...node, api: 'http://127.0.0.1:4001' },
      core: { ...node, api: 'http://127.0.0.1:4002', apiToken: 'core-token' },
    },
    sinks: {},
    brokers: {},
    users: {},
    ...fields,
  };
}

function project(t: TestContext): { file: string; folder: string } {
  const folder = folderWith(t, { 'two.yaml': TOPOLOGY });
  return { folder, file: join(folder, 'two.yaml') };
}

function writeRun(workdir: string, state: RunState): void {
  mkdirSync(workdir, { recursive: true });
  writeFileSync(join(workdir, 'state.json'), JSON.stringify(state));
}

function shown({ token, ...place }: ApiPlace): object {
  return { ...place, token: token?.reveal() };
}

async function refusal(
  options: AccessOptions,
  environment: Record<string, string> = {},
): Promise<string> {
  const fault = await findApi(options, environment).then(
    () => assert.fail(),
    (error: unknown) => error,
  );
  assert.ok(fault instanceof CommandFault, String(fault));
  assert.ok(fault.exitCode > 1);
  return fault.message;
}

test('--url goes before the environment, and --node is then a node of the mesh', async () => {
  const environment = { RELAYMESH_URL: 'http://192.0.2.2:1', RELAYMESH_API_TOKEN: 'secret ' };
  assert.deepEqual(shown(await findApi({ url: `${URL_TEXT}/`, node: 'core' }, environment)), {
    url: URL_TEXT,
    peer: 'core',
    words: `--url ${URL_TEXT} --node core`,
    tokenFrom: 'RELAYMESH_API_TOKEN',
    token: 'secret',
    chosen: null,
  });
  const other = await findApi({}, environment);
  assert.deepEqual([other.url, other.peer], ['http://192.0.2.2:1', null]);
});

test('what is no address, or holds a login, is refused with where it stands', async () => {
  assert.match(await refusal({ url: 'nonsense' }), /^--url wants an address/);
  assert.match(await refusal({}, { RELAYMESH_URL: 'ftp://x' }), /^RELAYMESH_URL wants/);
  assert.match(await refusal({ url: 'http://a:b@c' }), /must not hold a login/);
  assert.match(await refusal({ url: URL_TEXT, topology: 'x.yaml' }), /two different places/);
});

test('a run gives the address and the token of the node that is named, or of its first', async (t) => {
  const { file, folder } = project(t);
  const workdir = join(folder, 'run');
  writeRun(workdir, stateOf(file));
  const options = { topology: file, workdir };
  const environment = { RELAYMESH_URL: URL_TEXT, RELAYMESH_API_TOKEN: 'of another mesh' };
  assert.deepEqual(shown(await findApi({ ...options, node: 'core' }, environment)), {
    url: 'http://127.0.0.1:4002',
    peer: null,
    words: `--topology ${file} --workdir ${workdir} --node core`,
    tokenFrom: join(workdir, 'state.json'),
    token: 'core-token',
    chosen: null,
  });
  const first = await findApi({ workdir }, {});
  assert.deepEqual(
    [first.url, first.token?.reveal(), first.chosen],
    ['http://127.0.0.1:4001', 'run-token', 'edge of two'],
  );
  assert.match(
    await refusal({ ...options, node: 'cor' }),
    /no node 'cor'\n {2}did you mean 'core'/,
  );
});

test('of a file that does not run here the API is where it says, with the secret that it names', async (t) => {
  const { file } = project(t);
  const place = await findApi({ topology: file, node: 'core' }, { CORE_TOKEN: 'of core' });
  assert.deepEqual([place.url, place.token?.reveal()], ['http://core.internal:8026', 'of core']);
  assert.match(
    await refusal({ topology: file, node: 'edge' }),
    /node edge has not an API with a port/,
  );
  assert.match(await refusal({ workdir: join(file, 'none') }), /not the folder of a run/);
});

test('without anything the only run below this folder is meant; of none or several nobody guesses', async (t) => {
  const { file, folder } = project(t);
  const before = process.cwd();
  process.chdir(folder);
  t.after(() => process.chdir(before));
  assert.match(await refusal({}), /which node\? .*\n {2}No topology runs below this folder/);
  writeRun(join(folder, '.relaymesh', 'two'), stateOf(file));
  writeRun(join(folder, '.relaymesh', 'ended'), stateOf(file, { name: 'ended', runner: null }));
  assert.equal((await findApi({}, {})).url, 'http://127.0.0.1:4001');
  writeRun(join(folder, '.relaymesh', 'more'), stateOf('/elsewhere.yaml', { name: 'more' }));
  assert.match(await refusal({}), /Several topologies run below this folder: more, two/);
});

test('a node of the mesh is asked below /v1/nodes, whatever it is called', async (t) => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end('{}');
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const api = processSurroundings().connect(url, undefined, 'a b');
  await api.getJson('/v1/queues/(smarthost)%20x?limit=1');
  await api.postJson('/v1/route', {});
  assert.deepEqual(asked, [
    'GET /v1/nodes/a%20b/v1/queues/(smarthost)%20x?limit=1',
    'POST /v1/nodes/a%20b/v1/route',
  ]);
});
