import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { workdirLayout, type RunState } from '../../src/topology/state.js';
import { relaymesh } from '../scenario/programs.js';
import { scratchFolder } from '../topology/topology-files.js';

/** The folder of a run that has ended, with a log of each of its two processes. */
function endedRun(t: TestContext): string {
  const workdir = scratchFolder(t);
  const ended = { pid: null, started: null };
  const logFile = (name: string): string => workdirLayout.log(workdir, name);
  const state: RunState = {
    name: 'one',
    ready: false,
    file: '/one.yaml',
    apiToken: 't',
    caFile: null,
    runner: null,
    stopDeadlineMs: 1,
    nodes: {
      edge: { ...ended, smtp: [], api: null, dataDir: '/d', logFile: logFile('edge') },
    },
    sinks: {
      mx: { ...ended, host: 'h', port: 1, tls: 'none', api: null, logFile: logFile('mx') },
    },
    brokers: {},
    users: {},
  };
  mkdirSync(join(workdir, 'logs'));
  writeFileSync(logFile('edge'), '{"event":"started"}\nnot JSON\n');
  writeFileSync(logFile('mx'), '{"event":"listening"}\n');
  writeFileSync(workdirLayout.state(workdir), JSON.stringify(state));
  return workdir;
}

test('logs --json gives each line as an object with the name of its process', async (t) => {
  const workdir = endedRun(t);
  const args = ['topology', 'logs', '/one.yaml', '--workdir', workdir];
  const text = await relaymesh(args);
  assert.equal(
    text.stdout,
    'edge | {"event":"started"}\nedge | not JSON\nmx   | {"event":"listening"}\n',
  );
  const { stdout } = await relaymesh([...args, '--json']);
  assert.deepEqual(
    stdout
      .split('\n')
      .slice(0, -1)
      .map((line): unknown => JSON.parse(line)),
    [
      { name: 'edge', entry: { event: 'started' } },
      { name: 'edge', line: 'not JSON' },
      { name: 'mx', entry: { event: 'listening' } },
    ],
  );
});

test('down --json says that nothing ran, and exits with 0', async (t) => {
  const args = ['topology', 'down', '/one.yaml', '--workdir', endedRun(t), '--json'];
  const { code, stdout, stderr } = await relaymesh(args);
  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual(JSON.parse(stdout), { name: 'one', was_running: false, killed: [] });
});
