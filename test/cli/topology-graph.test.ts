import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { topologyGraphCommand } from '../../src/cli/topology-graph.js';
import type { LiveFacts } from '../../src/topology/graph/live.js';
import { SOUND, soundBut, writeTopology } from '../topology/topology-files.js';

interface Ran {
  stdout: string;
  stderr: string;
  exitCode: number | null;
}

async function run(args: string[], env: Record<string, string> = {}): Promise<Ran> {
  const ran: Ran = { stdout: '', stderr: '', exitCode: null };
  const output = {
    stdout: (text: string) => void (ran.stdout += text),
    stderr: (text: string) => void (ran.stderr += text),
  };
  const command = topologyGraphCommand((code) => void (ran.exitCode = code), output, env);
  command.configureOutput({ writeErr: output.stderr });
  await command.exitOverride().parseAsync(args, { from: 'user' });
  return ran;
}

test('each form begins as its readers expect, and Mermaid is the form when none is named', async (t) => {
  const file = writeTopology(t, SOUND);
  for (const [args, beginning] of [
    [[], /^%% Topology mesh\nflowchart LR\n/],
    [['-f', 'dot'], /^digraph \{\n/],
    [['-f', 'svg'], /^<svg xmlns=/],
    [['--format', 'json'], /^\{\n {2}"version": 1,/],
    [['--json'], /^\{\n {2}"version": 1,/],
  ] as const) {
    const { stdout, stderr, exitCode } = await run([file, ...args]);
    assert.match(stdout, beginning);
    assert.deepEqual([stderr, exitCode], ['', 0]);
  }
});

test('a topology that makes no sense is drawn, and its faults go to stderr', async (t) => {
  const text = SOUND.replace(/smarthost: mx/, 'smarthost: edge');
  const { stdout, stderr, exitCode } = await run([writeTopology(t, text), '-f', 'json']);
  assert.equal(exitCode, 0);
  assert.match(stderr, /\[cycle\]/);
  assert.deepEqual((JSON.parse(stdout) as { cycles: string[][] }).cycles, [
    ['node:edge', 'node:core'],
  ]);
});

test('a file that cannot be understood is refused with 2, and so is an unknown form', async (t) => {
  const broken = await run([writeTopology(t, 'nodes: [')]);
  assert.deepEqual([broken.exitCode, broken.stdout], [2, '']);
  await assert.rejects(run([writeTopology(t, SOUND), '-f', 'png']), { exitCode: 1 });
});

test('--live without a run and without ports of APIs finds nobody to ask', async (t) => {
  const text = soundBut(['    api: { port: 8025 }\n', ''], ['    api: { port: 8026 }\n', '']);
  const { exitCode, stderr } = await run([writeTopology(t, text), '--live']);
  assert.equal(exitCode, 3);
  assert.match(stderr, /topology up/);
});

test('--live asks the APIs that the file names, with the token of the environment', async (t) => {
  const tokens: (string | undefined)[] = [];
  const port = await api(t, (authorization) => void tokens.push(authorization));
  const text = soundBut(['8025', String(port)], ['    api: { port: 8026 }\n', '']);
  const { stdout, exitCode } = await run([writeTopology(t, text), '--live', '-f', 'json'], {
    RELAYMESH_API_TOKEN: 'token-1',
  });
  assert.equal(exitCode, 0);
  const { live } = JSON.parse(stdout) as { live: LiveFacts };
  assert.deepEqual(
    live.nodes.map(({ id, reachable }) => [id, reachable]),
    [
      ['node:edge', true],
      ['node:core', false],
    ],
  );
  assert.deepEqual(new Set(tokens), new Set(['Bearer token-1']));
  assert.ok(!stdout.includes('token-1'));
});

test('an API that does not answer is waited for as long as was said', async (t) => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  t.after(() => {
    silent.closeAllConnections();
    silent.close();
  });
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const text = soundBut(['8025', String(port)], ['    api: { port: 8026 }\n', '']);
  const { stdout } = await run([writeTopology(t, text), '--live', '--timeout', '0.2']);
  assert.match(stdout, /unreachable<br\/>no answer within 200 ms/);
});

test('the help has examples', () => {
  let help = '';
  const command = topologyGraphCommand(() => undefined);
  command.configureOutput({ writeOut: (text) => void (help += text) }).outputHelp();
  assert.match(help, /Examples:\n {2}\$ relaymesh topology graph /);
});

/** The API of a node in whose queues nothing is. */
async function api(t: TestContext, hear: (authorization?: string) => void): Promise<number> {
  const server = createServer((request, response) => {
    hear(request.headers.authorization);
    response.end(JSON.stringify({ nodes: [{ quarantined: 0, elsewhere: 0 }], links: [] }));
  }).listen(0, '127.0.0.1');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
