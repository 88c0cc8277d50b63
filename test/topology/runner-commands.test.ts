import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, test } from 'node:test';
import { workdirLayout } from '../../src/topology/state.js';
import { CHAIN, lives, makeBench, pidsOf, until, type Bench } from './runner-fixture.js';

let bench: Bench;
let started: ChildProcess[];
let workdir: string;

beforeEach(async () => {
  bench = await makeBench();
  started = [];
  workdir = path.join(bench.folder, '.relaymesh', 'mesh');
  const document = { version: 1, name: 'mesh', ...CHAIN };
  await writeFile(path.join(bench.folder, 'mesh.yaml'), JSON.stringify(document));
});
afterEach(async () => {
  await run('down', 'mesh.yaml');
  for (const child of started) child.kill('SIGKILL');
  await bench.release();
});

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function start(...args: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = bench.command(...args);
  started.push(child);
  assert.ok(child.stdout !== null && child.stderr !== null);
  const ended = Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)]).then(
    ([[code], stdout, stderr]): Ended => ({ code: code as number | null, stdout, stderr }),
  );
  return { child, ended };
}

function run(...args: string[]): Promise<Ended> {
  return start(...args).ended;
}

async function stateFile(): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(workdirLayout.state(workdir), 'utf8')) as Record<
    string,
    unknown
  >;
}

async function untilReady(): Promise<void> {
  await until(
    'ready',
    async () => (await stateFile().catch(() => ({ ready: false }))).ready === true,
  );
}

test('`up` prints every address on stdout and no secret, and ends with 130 at Ctrl-C', async () => {
  const { child, ended } = start('up', 'mesh.yaml', '--no-probe');
  let stderr = '';
  child.stderr?.on('data', (chunk) => (stderr += String(chunk)));
  await until('the prompt', () => stderr.includes('Press Ctrl-C to stop.'));
  child.kill('SIGINT');
  const { code, stdout } = await ended;
  assert.equal(code, 130);
  const shown = stdout.replaceAll(/:\d{4,5}\b/g, ':PORT').replaceAll(/ +/g, ' ');
  assert.deepEqual(shown.trimEnd().split('\n'), [
    'NAME WHAT ADDRESS TLS',
    'edge smtp submission 127.0.0.1:PORT none',
    'edge smtp relay 127.0.0.1:PORT none',
    'edge api http://127.0.0.1:PORT',
    'exit smtp smtp 127.0.0.1:PORT none',
    'exit api http://127.0.0.1:PORT',
    'mx sink smtp 127.0.0.1:PORT none',
    'mx sink api http://127.0.0.1:PORT',
  ]);
  assert.doesNotMatch(stdout + stderr, /app-password/);
  assert.match(stderr, /Logins and the API token are in .*state\.json/);
});

test('`up --json` prints the state as one line', async () => {
  const { child, ended } = start('up', 'mesh.yaml', '--no-probe', '--json');
  let stdout = '';
  child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
  await until('the line', () => stdout.includes('\n'));
  assert.deepEqual(JSON.parse(stdout), await stateFile());
  child.kill('SIGTERM');
  assert.equal((await ended).code, 0);
});

test('`up --detach` leaves a run behind that `ps` shows and `down` ends, twice', async () => {
  const up = await run('up', 'mesh.yaml', '--no-probe', '--detach');
  assert.equal(up.code, 0, up.stderr);
  assert.match(up.stdout, /^NAME +WHAT/);
  const state = await stateFile();
  const pids = pidsOf(state as never);
  assert.equal(pids.length, 3);
  const ps = await run('ps', 'mesh.yaml');
  assert.match(
    ps.stdout,
    /^edge +node +\d+ +127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+ +http\S+ +running$/m,
  );
  const json = JSON.parse((await run('ps', 'mesh.yaml', '--json')).stdout) as {
    running: boolean;
    processes: { state: string }[];
  };
  assert.equal(json.running, true);
  assert.deepEqual(new Set(json.processes.map((one) => one.state)), new Set(['running']));
  const down = await run('down', 'mesh.yaml');
  assert.equal(down.code, 0);
  assert.match(down.stderr, /mesh has stopped/);
  for (const pid of pids) assert.equal(await lives(pid), false);
  const again = await run('down', 'mesh.yaml');
  assert.equal(again.code, 0);
  assert.match(again.stderr, /mesh is not running/);
});

test('`up --detach` hands on why the start failed', async () => {
  await bench.behave('exit', { failed: true });
  const { code, stderr } = await run('up', 'mesh.yaml', '--no-probe', '--detach');
  assert.equal(code, 2);
  assert.match(stderr, /node exit: a bad thing \[BAD_THING\]/);
});

test('`down` also ends what a runner left that was killed', async () => {
  const { child } = start('up', 'mesh.yaml', '--no-probe');
  await untilReady();
  await bench.behave('edge', {});
  const pids = pidsOf((await stateFile()) as never);
  child.kill('SIGKILL');
  const down = await run('down', 'mesh.yaml');
  assert.equal(down.code, 0);
  for (const pid of pids) assert.equal(await lives(pid), false);
  const ps = await run('ps', 'mesh.yaml');
  assert.match(ps.stdout, /^exit .*(stopped)$/m);
});

test('`up` refuses a faulty topology with place and code 2', async () => {
  await writeFile(path.join(bench.folder, 'bad.yaml'), 'version: 1\nname: bad\nnodes: {}\n');
  const { code, stderr } = await run('up', 'bad.yaml');
  assert.equal(code, 2);
  assert.match(stderr, /bad\.yaml:3:\d+: error:/);
  assert.doesNotMatch(stderr, /\n +at /);
});

test('`logs` prefixes lines, follows, and ends when its reader goes away', async () => {
  assert.equal((await run('up', 'mesh.yaml', '--no-probe', '--detach')).code, 0);
  const last = await run('logs', 'mesh.yaml', '--lines', '1');
  assert.equal(last.code, 0);
  assert.match(last.stdout, /^edge \| \{"started":"edge"/m);
  assert.match(last.stdout, /^mx {3}\| \{"started":"mx"/m);

  const child = bench.command('logs', 'mesh.yaml', 'edge', '--follow');
  started.push(child);
  let stdout = '';
  child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
  await until('what is there', () => stdout.includes('started'));
  const log = workdirLayout.log(workdir, 'edge');
  await appendFile(log, 'an added line\nhalf');
  await until('the addition', () => stdout.includes('edge | an added line\n'));
  assert.doesNotMatch(stdout, /half/);
  child.stdout?.destroy();
  // The reader is missed at the first line that it should have got.
  await until('the end of the follower', async () => {
    await appendFile(log, 'more\n');
    return child.exitCode !== null;
  });
  assert.equal(child.exitCode, 0);

  const unknown = await run('logs', 'mesh.yaml', 'egde');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no node, sink or broker egde.*\n +It has: edge, exit, mx/);
});
