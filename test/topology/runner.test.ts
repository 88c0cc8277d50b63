import assert from 'node:assert/strict';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { RunnerError } from '../../src/topology/runner/runner-error.js';
import { allotmentSchema } from '../../src/topology/schema.js';
import { workdirLayout } from '../../src/topology/state.js';
import {
  CHAIN,
  lives,
  makeBench,
  pidsOf,
  readJson,
  spawnRunner,
  until,
  type Bench,
} from './runner-fixture.js';

let bench: Bench;
beforeEach(async () => {
  bench = await makeBench();
});
afterEach(() => bench.release());

function refusal(code: string, ...texts: RegExp[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RunnerError, String(error));
    assert.equal(error.code, code);
    for (const text of texts) assert.match(error.describe(), text);
    return true;
  };
}

async function modeOf(file: string): Promise<number> {
  return (await stat(file)).mode & 0o777;
}

test('state.json has the promised shape and is for its owner only', async () => {
  await bench.runner(CHAIN).start();
  const file = workdirLayout.state(bench.workdir);
  assert.equal(await modeOf(file), 0o600);
  const state = await readJson(file);
  assert.equal(state['name'], 'mesh');
  assert.equal(state['ready'], true);
  assert.equal(state['caFile'], null);
  assert.match(String(state['apiToken']), /^[0-9a-f]{64}$/);
  assert.deepEqual(state['users'], {
    edge: [{ username: 'app', password: 'app-password' }],
    exit: [],
  });
  const { nodes, sinks } = await bench.state();
  const edge = nodes['edge'];
  assert.deepEqual(
    edge?.smtp.map(({ name, host, tls }) => ({ name, host, tls })),
    [
      { name: 'submission', host: '127.0.0.1', tls: 'none' },
      { name: 'relay', host: '127.0.0.1', tls: 'none' },
    ],
  );
  assert.match(edge?.api ?? '', /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(edge?.dataDir, path.join(bench.workdir, 'nodes', 'edge'));
  assert.match(await readFile(edge?.logFile ?? '', 'utf8'), /"started":"edge"/);
  assert.ok(await lives(edge?.pid ?? 0));
  assert.match(sinks['mx']?.api ?? '', /^http:\/\/127\.0\.0\.1:\d+$/);
});

test('after a stop no child lives, the state says so and the workdir is free', async () => {
  const runner = bench.runner(CHAIN);
  const pids = pidsOf(await runner.start());
  assert.equal(pids.length, 3);
  await runner.stop();
  for (const pid of pids) assert.equal(await lives(pid), false);
  const state = await bench.state();
  assert.equal(state.ready, false);
  assert.equal(state.runner, null);
  assert.deepEqual(pidsOf(state), []);
  await bench.runner(CHAIN).start();
});

test('a node gets the generated secrets that it needs and no others', async () => {
  const document = { ...CHAIN, nodes: { ...CHAIN.nodes, lone: { listen: [{ port: 'auto' }] } } };
  await bench.runner(document).start();
  const allotments = await Promise.all(
    ['edge', 'exit', 'lone'].map(async (name) => {
      const file = path.join(workdirLayout.data(bench.workdir, name), 'allotment.json');
      assert.equal(await modeOf(file), 0o600);
      return allotmentSchema.parse(await readJson(file));
    }),
  );
  assert.deepEqual(
    allotments.map(({ secrets }) => Object.keys(secrets)),
    [['link'], ['link'], []],
  );
  assert.equal(allotments[0]?.secrets['link'], allotments[1]?.secrets['link']);
  assert.match(allotments[0]?.secrets['link'] ?? '', /^[0-9a-f]{64}$/);
});

test('a second run in the same workdir has the same ports, secrets and token', async () => {
  const first = bench.runner(CHAIN);
  await first.start();
  await first.stop();
  const before = await readJson(workdirLayout.allotment(bench.workdir));
  await bench.runner(CHAIN).start();
  assert.deepEqual(await readJson(workdirLayout.allotment(bench.workdir)), before);
});

test('the API token comes from the environment, and sinks do not see it', async () => {
  const environment = {
    ...process.env,
    APP_PASSWORD: 'app-password',
    RELAYMESH_API_TOKEN: 'given-token',
  };
  const state = await bench.runner(CHAIN, { environment }).start();
  assert.equal(state.apiToken, 'given-token');
  const log = await readFile(state.sinks['mx']?.logFile ?? '', 'utf8');
  assert.match(log, /"token":null/);
});

test('a second runner on a workdir is refused with the pid of the first', async () => {
  const first = await spawnRunner(bench);
  try {
    await until('ready', async () => (await bench.state().catch(() => null))?.ready === true);
    const pids = pidsOf(await bench.state());
    const refused = refusal('ALREADY_RUNNING', new RegExp(`pid ${first.pid}\\b`));
    await assert.rejects(bench.runner(CHAIN).start(), refused);
    assert.equal((await bench.state()).ready, true);
    for (const pid of pids) assert.ok(await lives(pid));
  } finally {
    first.kill('SIGTERM');
  }
  await until('the end of the first', () => first.exitCode === 0);
});

test('a lock of a process that is gone is in nobodys way', async () => {
  await mkdir(bench.workdir, { recursive: true });
  const stale = JSON.stringify({ pid: process.pid, started: 'at another time' });
  await writeFile(workdirLayout.lock(bench.workdir), stale);
  await bench.runner(CHAIN).start();
});

test('children end with a runner that is killed, and the next run goes on in its place', async () => {
  const killed = await spawnRunner(bench);
  await until('ready', async () => (await bench.state().catch(() => null))?.ready === true);
  const before = await bench.state();
  killed.kill('SIGKILL');
  for (const pid of pidsOf(before)) {
    await until('the end of a child', async () => !(await lives(pid)));
  }
  const after = await bench.runner(CHAIN).start();
  assert.deepEqual(after.nodes['edge']?.smtp, before.nodes['edge']?.smtp);
});

test('a run that follows a killed one waits for children that are slow to end', async () => {
  await bench.behave('edge', { lingerMs: 500 });
  const killed = await spawnRunner(bench);
  await until('ready', async () => (await bench.state().catch(() => null))?.ready === true);
  const slow = (await bench.state()).nodes['edge'];
  const [pid, smtp] = [slow?.pid ?? 0, slow?.smtp];
  killed.kill('SIGKILL');
  await until('the end of the runner', () => killed.signalCode !== null);
  const state = await bench.runner(CHAIN).start();
  assert.equal(await lives(pid), false);
  assert.deepEqual(state.nodes['edge']?.smtp, smtp);
});

test('ports in use are named with node, listener and address, all of them', async () => {
  const holders = [createServer(), createServer()];
  const ports: number[] = [];
  for (const holder of holders) {
    await new Promise<void>((done) => holder.listen(0, '127.0.0.1', done));
    ports.push((holder.address() as AddressInfo).port);
  }
  const edge = { ...CHAIN.nodes.edge, listen: [{ name: 'submission', port: ports[0] }] };
  const document = { ...CHAIN, nodes: { ...CHAIN.nodes, edge }, sinks: { mx: { port: ports[1] } } };
  try {
    const refused = refusal(
      'PORT_IN_USE',
      new RegExp(`node edge, listener submission: 127\\.0\\.0\\.1:${ports[0]} is in use`),
      new RegExp(`sink mx: 127\\.0\\.0\\.1:${ports[1]} is in use`),
    );
    const start = bench.runner(document).start();
    await assert.rejects(start, refused);
    await start.catch((error: RunnerError) => assert.equal(error.exitCode, 3));
  } finally {
    for (const holder of holders) holder.close();
  }
});

test('a chosen port that is taken before its node listens is chosen anew', async () => {
  await bench.behave('exit', { portTakenOnce: true });
  const state = await bench.runner(CHAIN).start();
  assert.equal(pidsOf(state).length, 3);
  assert.deepEqual(bench.notices, []);
});

test('a child that says why it cannot start is quoted, and nothing is left running', async () => {
  await bench.behave('exit', { failed: true });
  const start = bench.runner(CHAIN).start();
  await assert.rejects(start, refusal('BAD_THING', /node exit: a bad thing/, /mend it/));
  await start.catch((error: RunnerError) => assert.equal(error.exitCode, 2));
  assert.deepEqual(pidsOf(await bench.state()), []);
});

test('a child that ends before it is ready is shown with its last log lines', async () => {
  await bench.behave('edge', { exit: 7 });
  const refused = refusal('CHILD_FAILED', /node edge ended with exit code 7/, /\| last words/);
  await assert.rejects(bench.runner(CHAIN).start(), refused);
});

test('a child that never gets ready is named after the deadline', async () => {
  await bench.behave('edge', { silent: true });
  const refused = refusal('CHILD_NOT_READY', /node edge was not ready within 0\.5 s/);
  const alone = { nodes: { edge: { listen: [{ port: 'auto' }] } } };
  await assert.rejects(bench.runner(alone, { readyTimeoutMs: 500 }).start(), refused);
});

test('a stop during the start ends it', async () => {
  await bench.behave('edge', { silent: true });
  const runner = bench.runner(CHAIN);
  const start = assert.rejects(runner.start(), refusal('STOPPED'));
  await until('a log', async () => (await bench.state().catch(() => null)) !== null);
  await runner.stop();
  await start;
});

test('a death is reported with signal, log lines and file, and stands in the state', async () => {
  const runner = bench.runner(CHAIN);
  const pid = (await runner.start()).nodes['exit']?.pid ?? 0;
  process.kill(pid, 'SIGKILL');
  await until('the notice', () => bench.notices.length > 0);
  assert.match(bench.notices[0] ?? '', new RegExp(`^node exit died: SIGKILL \\(pid ${pid}\\)\n`));
  assert.match(bench.notices[0] ?? '', /\n {2}\| \{"started":"exit"/);
  assert.match(
    bench.notices[0] ?? '',
    /exit\.log\n {2}To start it again: relaymesh node .*--name exit --data/,
  );
  const state = await bench.state();
  assert.equal(state.nodes['exit']?.pid, null);
  assert.notEqual(state.nodes['edge']?.pid, null);
  await runner.startAgain('exit');
  assert.notEqual((await bench.state()).nodes['exit']?.pid, null);
});

test('with `restart` a dead child comes back where it was', async () => {
  const runner = bench.runner(CHAIN, { restart: true });
  const before = (await runner.start()).nodes['exit'];
  const smtp = structuredClone(before?.smtp);
  const pid = before?.pid ?? 0;
  process.kill(pid, 'SIGKILL');
  await until('its return', () => bench.notices.some((text) => text.includes('runs again')));
  const after = (await bench.state()).nodes['exit'];
  assert.notEqual(after?.pid, pid);
  assert.deepEqual(after?.smtp, smtp);
});

test('`only` starts those nodes, and the others can be started by hand', async () => {
  const state = await bench.runner(CHAIN, { only: ['edge'] }).start();
  assert.notEqual(state.nodes['edge']?.pid, null);
  assert.equal(state.nodes['exit']?.pid, null);
  const allotment = path.join(workdirLayout.data(bench.workdir, 'exit'), 'allotment.json');
  assert.ok(await readJson(allotment));
  assert.throws(() => bench.runner(CHAIN, { only: ['exot'] }), refusal('NO_SUCH_NODE', /exit/));
});

test('a child that does not hear SIGTERM is killed after the drain and 5 s', async () => {
  await bench.behave('edge', { deaf: true });
  const runner = bench.runner(CHAIN);
  const pid = (await runner.start()).nodes['edge']?.pid ?? 0;
  const startMs = performance.now();
  await runner.stop();
  assert.equal(await lives(pid), false);
  assert.ok(performance.now() - startMs >= 5900);
});

test('a missing secret is named before anything is started', async () => {
  const { APP_PASSWORD: _unset, ...environment } = process.env;
  await assert.rejects(bench.runner(CHAIN, { environment }).start(), /APP_PASSWORD/);
});

test('sinks get their certificate and logins by file', async () => {
  const document = {
    ...CHAIN,
    tls: { ephemeral: true },
    sinks: {
      mx: {
        port: 'auto',
        tls: 'required',
        users: [{ username: 'u', password: { secret: 'app' } }],
      },
    },
  };
  const state = await bench.runner(document).start();
  assert.equal(state.caFile, path.join(bench.workdir, 'tls', 'ca.pem'));
  const log = await readFile(state.sinks['mx']?.logFile ?? '', 'utf8');
  const { args } = JSON.parse(log) as { args: string[] };
  const value = (flag: string): string => args[args.indexOf(flag) + 1] ?? '';
  assert.equal(value('--tls'), 'required');
  assert.match(await readFile(value('--cert'), 'utf8'), /BEGIN CERTIFICATE/);
  assert.equal(await readFile(value('--users-file'), 'utf8'), 'u:app-password\n');
  assert.equal(await modeOf(value('--users-file')), 0o600);
});
