import assert from 'node:assert/strict';
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { scratchDirectory, SmtpClient } from './client.js';

const PROCESS = fileURLToPath(new URL('sink-process.js', import.meta.url));
const DEADLINE_MS = 60_000;

interface Address {
  host: string;
  port: number;
}

function deadline(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(DEADLINE_MS) };
}

/** A sink without an IPC channel. */
function run(t: TestContext, args: string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(process.execPath, [PROCESS, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

async function firstLine(child: ChildProcess): Promise<Record<string, unknown>> {
  let text = '';
  while (!text.includes('\n')) {
    const [chunk] = (await once(child.stdout as NodeJS.ReadableStream, 'data', deadline())) as [
      Buffer,
    ];
    text += chunk.toString();
  }
  return JSON.parse(text.slice(0, text.indexOf('\n'))) as Record<string, unknown>;
}

/** The exit code and what was written to stderr. */
async function finished(child: ChildProcess): Promise<{ code: number; stderr: string }> {
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close', deadline())) as [number];
  return { code, stderr };
}

test('the command says where it listens and ends with 0 on SIGTERM', async (t) => {
  const child = run(t, ['--port', '0', '--name', 'mx']);
  const line = await firstLine(child);
  assert.equal(line['event'], 'listening');
  const smtp = line['smtp'] as Address;
  const api = line['api'] as Address;
  assert.equal(smtp.host, '127.0.0.1');
  const client = await SmtpClient.connect(smtp.port);
  assert.equal(await client.reply(), '220 mx ESMTP');
  assert.equal((await fetch(`http://${api.host}:${api.port}/readyz`)).status, 200);
  child.kill('SIGTERM');
  assert.match(await client.ended(), /^421 /);
  assert.deepEqual(await finished(child), { code: 0, stderr: '' });
});

test('a parent is told the addresses, and the sink ends when its channel closes', async (t) => {
  const child = fork(PROCESS, ['--port', '0'], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  const [ready] = (await once(child, 'message', deadline())) as [
    { type: string; smtp: Address; api: Address },
  ];
  assert.equal(ready.type, 'ready');
  const client = await SmtpClient.connect(ready.smtp.port);
  await client.reply();
  assert.ok(ready.api.port > 0);
  child.disconnect();
  assert.match(await client.ended(), /^421 /);
  const [code] = (await once(child, 'exit', deadline())) as [number];
  assert.equal(code, 0);
});

test('SIGTERM ends a sink with a parent, too', async (t) => {
  const child = fork(PROCESS, ['--port', '0'], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'message', deadline());
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit', deadline())) as [number];
  assert.equal(code, 0);
});

test('bad files and settings end with 2 and say where', async (t) => {
  const directory = scratchDirectory(t);
  const faults = join(directory, 'faults.yaml');
  writeFileSync(faults, '- at: nowhere\n  close: true\n');
  const badFaults = await finished(run(t, ['--port', '0', '--faults', faults]));
  assert.equal(badFaults.code, 2);
  assert.ok(badFaults.stderr.startsWith(`${faults}:1:7: `), badFaults.stderr);
  for (const args of [
    ['--port', '65536'],
    ['--port', '0', '--tls', 'sometimes'],
    ['--port', '0', '--tls', 'required'],
    ['--port', '0', '--cert', 'cert.pem'],
    ['--port', '0', '--name', 'two words'],
    [],
  ]) {
    const { code, stderr } = await finished(run(t, args));
    assert.equal(code, 2, args.join(' '));
    assert.notEqual(stderr, '');
  }
});

test('a port that is taken ends with 3', async (t) => {
  const first = run(t, ['--port', '0']);
  const { port } = (await firstLine(first))['smtp'] as Address;
  const { code, stderr } = await finished(run(t, ['--port', String(port)]));
  assert.equal(code, 3);
  assert.match(stderr, /SINK_ADDRESS_UNAVAILABLE/);
});

test('the API leaves loopback only with a token', async (t) => {
  const args = ['--port', '0', '--host', '0.0.0.0'];
  const open = await firstLine(run(t, args, { RELAYMESH_API_TOKEN: '' }));
  assert.equal((open['smtp'] as Address).host, '0.0.0.0');
  assert.equal((open['api'] as Address).host, '127.0.0.1');
  const closed = await firstLine(run(t, args, { RELAYMESH_API_TOKEN: 't0ken' }));
  const api = closed['api'] as Address;
  assert.equal(api.host, '0.0.0.0');
  const url = `http://127.0.0.1:${api.port}/stats`;
  assert.equal((await fetch(url)).status, 401);
  assert.equal((await fetch(url, { headers: { authorization: 'Bearer t0ken' } })).status, 200);
});

test('--help shows an example', async (t) => {
  const child = run(t, ['--help']);
  let stdout = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  await finished(child);
  assert.match(stdout, /Examples:\n +relaymesh sink --port 2525/);
});
