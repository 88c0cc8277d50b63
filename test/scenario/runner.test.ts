import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { processStartTime } from '../../src/topology/runner/process-identity.js';
import { atEnd } from './at-end.js';
import { BodySource, makeMail, seeded, submissionOf } from './mail-content.js';
import { submit } from './mail-sender.js';
import { relaymesh, scratchFolder } from './programs.js';
import { shippedTopology, startTopology } from './running-topology.js';
import { until } from './waiting.js';

/** No child outlives its runner for longer. */
const ORPHAN_DEADLINE_MS = 5000;

const source = new BodySource(seeded(9));

interface Report {
  name: string | null;
  running: boolean;
  runner: number | null;
  workdir: string | null;
  processes: {
    name: string;
    kind: string;
    pid: number | null;
    state: string;
    api: string | null;
  }[];
}

interface NodeEntry {
  [key: string]: unknown;
  pid: number | null;
  smtp: Record<string, unknown>[];
  dataDir: string;
}

interface State {
  [key: string]: unknown;
  name: string;
  ready: boolean;
  apiToken: string;
  caFile: string | null;
  runner: { pid: number } | null;
  nodes: Record<string, NodeEntry>;
  sinks: Record<string, Record<string, unknown> & { pid: number | null }>;
  users: Record<string, { username: string; password: string }[]>;
}

async function stateOf(workdir: string): Promise<State> {
  return JSON.parse(await readFile(path.join(workdir, 'state.json'), 'utf8')) as State;
}

function pidsOf(state: State): number[] {
  const all = [...Object.values(state.nodes), ...Object.values(state.sinks)];
  return all.map(({ pid }) => pid).filter((pid) => pid !== null);
}

async function livingOf(pids: readonly number[]): Promise<number[]> {
  const started = await Promise.all(pids.map(processStartTime));
  return pids.filter((_, index) => started[index] !== null);
}

test('a runner that is killed takes its children along', async (t) => {
  const topology = await startTopology(t, shippedTopology('three-tier'));
  const pids = pidsOf(await stateOf(topology.workdir));
  assert.equal(pids.length, 4);
  assert.deepEqual(await livingOf(pids), pids);
  // Open sessions and mail under way must not hold them up.
  const mail = submissionOf(makeMail('killed@runner.test', 200_000, source));
  await submit(topology.relay('edge'), mail);
  topology.runner.kill('SIGKILL');
  const startMs = performance.now();
  await until('the end of all children', async () => (await livingOf(pids)).length === 0, {
    deadlineMs: ORPHAN_DEADLINE_MS,
  });
  t.diagnostic(`4 children ended ${Math.round(performance.now() - startMs)} ms after SIGKILL`);

  const args = [topology.file, '--workdir', topology.workdir];
  const ps = await relaymesh(['topology', 'ps', ...args, '--json']);
  const report = JSON.parse(ps.stdout) as Report;
  assert.deepEqual([report.running, report.runner], [false, null]);
  const down = await relaymesh(['topology', 'down', ...args]);
  assert.deepEqual([down.code, down.stderr], [0, 'three-tier is not running\n']);
});

test('state.json is private and of the documented shape', async (t) => {
  const topology = await startTopology(t, shippedTopology('three-tier'), {
    env: { RELAYMESH_API_TOKEN: 'a-token-from-the-environment' },
  });
  const file = path.join(topology.workdir, 'state.json');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const state = await stateOf(topology.workdir);
  assert.deepEqual(
    [state.name, state.ready, state.apiToken],
    ['three-tier', true, 'a-token-from-the-environment'],
  );
  assert.match(await readFile(state.caFile ?? '', 'utf8'), /^-----BEGIN CERTIFICATE-----/);
  assert.deepEqual(Object.keys(state.nodes), ['edge', 'core', 'exit']);
  for (const node of Object.values(state.nodes)) {
    assert.equal(typeof node.pid, 'number');
    assert.match(String(node['api']), /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.ok((await stat(node.dataDir)).isDirectory());
    assert.ok((await stat(String(node['logFile']))).isFile());
  }
  assert.deepEqual(
    state.nodes['edge']?.smtp.map(({ name, host, port, tls }) => [name, host, typeof port, tls]),
    [
      ['submission', '127.0.0.1', 'number', 'required'],
      ['relay', '127.0.0.1', 'number', 'none'],
    ],
  );
  const mx = state.sinks['mx'];
  const shape = [typeof mx?.pid, mx?.['host'], typeof mx?.['port']];
  assert.deepEqual(shape, ['number', '127.0.0.1', 'number']);
  assert.match(String(mx?.['api']), /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.deepEqual(
    state.users['edge']?.map(({ username, password }) => [username, password.length > 20]),
    [['app', true]],
  );
});

test('a detached run goes on without its starter until `down`, which may be said twice', async (t) => {
  const folder = await scratchFolder(t);
  const file = shippedTopology('single');
  const workdir = path.join(folder, 'run');
  const where = [file, '--workdir', workdir];
  atEnd(t, () => relaymesh(['topology', 'down', ...where]));

  const up = await relaymesh(['topology', 'up', ...where, '--detach']);
  assert.equal(up.code, 0, up.stderr);
  assert.match(up.stdout, /^● relay /m);
  assert.match(up.stdout, /^relay +smtp submission +127\.0\.0\.1:\d+ +required$/m);
  const state = await stateOf(workdir);
  const pids = [...pidsOf(state), state.runner?.pid ?? 0];
  assert.equal(pids.length, 3);
  assert.deepEqual(await livingOf(pids), pids);

  const ps = await relaymesh(['topology', 'ps', ...where, '--json']);
  const report = JSON.parse(ps.stdout) as Report;
  assert.deepEqual(
    [report.name, report.running, report.runner, report.workdir],
    ['single', true, state.runner?.pid, workdir],
  );
  assert.deepEqual(
    report.processes.map((one) => [one.name, one.kind, one.state]),
    [
      ['relay', 'node', 'running'],
      ['mx', 'sink', 'running'],
    ],
  );

  const logs = await relaymesh(['topology', 'logs', ...where, 'relay', '--lines', '1000']);
  assert.equal(logs.code, 0);
  const lines = logs.stdout.trimEnd().split('\n');
  assert.ok(lines.every((line) => line.startsWith('relay | ')));
  const events = lines.map(
    (line) => JSON.parse(line.slice('relay | '.length)) as { event?: string },
  );
  for (const event of ['started', 'outcome']) {
    assert.ok(
      events.some((one) => one.event === event),
      event,
    );
  }

  const again = await relaymesh(['topology', 'up', ...where, '--no-probe']);
  assert.equal(again.code, 3, again.stderr);
  assert.match(again.stderr, new RegExp(`\\b${state.runner?.pid}\\b`));

  const down = await relaymesh(['topology', 'down', ...where]);
  assert.deepEqual([down.code, down.stderr], [0, 'single has stopped\n']);
  assert.deepEqual(await livingOf(pids), []);
  const secondDown = await relaymesh(['topology', 'down', ...where]);
  assert.deepEqual([secondDown.code, secondDown.stderr], [0, 'single is not running\n']);
});

test('a port that is taken is named, with who wanted it', async (t) => {
  const holder = createServer();
  holder.listen(0, '127.0.0.1');
  await once(holder, 'listening');
  atEnd(t, () => holder.close());
  const { port } = holder.address() as AddressInfo;
  const folder = await scratchFolder(t);
  const topology = `version: 1
name: taken
nodes:
  relay: { listen: [{ name: inbound, port: ${port} }], smarthost: mx, relay-from: [127.0.0.1/32] }
sinks:
  mx: { port: auto }
`;
  await assert.rejects(
    startTopology(t, topology, { folder }),
    (error: Error) =>
      error.message.includes('node relay, listener inbound') &&
      error.message.includes(`127.0.0.1:${port}`) &&
      error.message.includes('[PORT_IN_USE]'),
  );
  const args = ['topology', 'up', path.join(folder, 'topology.yaml'), '--workdir', folder];
  assert.equal((await relaymesh(args)).code, 3);
});

test('a node that dies is reported and can be taken up by hand', async (t) => {
  const topology = await startTopology(t, shippedTopology('three-tier'));
  await topology.end('core', 'SIGKILL');
  const state = await until('the death of core in the state', async () => {
    const now = await stateOf(topology.workdir);
    return now.nodes['core']?.pid === null ? now : null;
  });
  assert.equal(state.ready, true);
  const where = [topology.file, '--workdir', topology.workdir, '--json'];
  const stateOfCore = async (): Promise<string | undefined> => {
    const { stdout } = await relaymesh(['topology', 'ps', ...where]);
    const { processes } = JSON.parse(stdout) as Report;
    return processes.find(({ name }) => name === 'core')?.state;
  };
  assert.equal(await stateOfCore(), 'dead');
  await topology.startByHand('core');
  assert.equal(await stateOfCore(), 'by hand');
  const recipient = 'by-hand@runner.test';
  await submit(topology.relay('edge'), submissionOf(makeMail(recipient, 1000, source)));
  await topology.sink().untilMessage(recipient);
});
