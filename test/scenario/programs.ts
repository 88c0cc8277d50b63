import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { atEnd, type Ending } from './at-end.js';
import { within } from './waiting.js';

/** The program under test: the one that was built together with these tests. */
export const MAIN_JS = fileURLToPath(new URL('../../src/main.js', import.meta.url));

const RUN_DEADLINE_MS = 60_000;
const KILL_DEADLINE_MS = 5000;

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  input?: string;
  deadlineMs?: number;
}

/** The environment for programs: without what would change the way that relaymesh starts. */
export function cleanEnvironment(added: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('RELAYMESH_'));
  return { ...Object.fromEntries(kept), ...added };
}

/** Runs a program to its end; one that takes too long is killed, which fails the test. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  const { cwd, env, input, deadlineMs = RUN_DEADLINE_MS } = options;
  const child = spawn(program, args, {
    ...(cwd === undefined ? {} : { cwd }),
    env: cleanEnvironment(env),
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(input);
  // Both pipes were asked for above.
  const stdout = text(child.stdout as NodeJS.ReadableStream);
  const stderr = text(child.stderr as NodeJS.ReadableStream);
  try {
    const [code] = (await within(`the end of ${program}`, deadlineMs, once(child, 'exit'))) as [
      number | null,
    ];
    return { code, stdout: await stdout, stderr: await stderr };
  } finally {
    child.kill('SIGKILL');
  }
}

/** Runs a command of relaymesh to its end. */
export function relaymesh(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return run(process.execPath, [MAIN_JS, ...args], options);
}

/** Asks a child of ours to end, and kills it when it does not. */
export async function endChild(child: ChildProcess, deadlineMs: number): Promise<void> {
  if (hasEnded(child)) return;
  const exited = once(child, 'exit');
  child.kill('SIGCONT');
  child.kill('SIGTERM');
  try {
    await within('a child', deadlineMs, exited);
  } catch {
    child.kill('SIGKILL');
    await within('a killed child', KILL_DEADLINE_MS, exited);
  }
}

export function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** The reason why a test has to be skipped that needs these programs, else false. */
export function missing(...programs: string[]): string | false {
  const absent = programs.filter((program) => locate(program) === null);
  return absent.length === 0 ? false : `not installed here: ${absent.join(', ')}`;
}

/** Full path of a program; daemons' folders are looked at too, which a user's PATH may lack. */
export function locate(program: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    const file = path.join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      continue;
    }
  }
  return null;
}

/** A folder that is gone after the test. Others may enter it: not every program runs as we do. */
export async function scratchFolder(t: Ending): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'relaymesh-scenario-'));
  atEnd(t, () => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  await chmod(folder, 0o755);
  return folder;
}

/**
 * Below the ports that systems give to clients and those of `port: auto`. Test files that run at the
 * same time are processes of their own, and look for ports in different parts.
 */
const PART_PORTS = 625;
const FIRST_PORT = 10_000 + (process.pid % 8) * PART_PORTS;
const givenPorts = new Set<number>();

/** A port of loopback that nobody listens on; never the same twice. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PART_PORTS);
    if (!givenPorts.has(port) && (await isFree(port))) {
      givenPorts.add(port);
      return port;
    }
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
