import { spawn, execFileSync, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { atEnd } from '../scenario/at-end.js';
import { endChild, hasEnded, missing } from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';

const DETACH_DEADLINE_MS = 5000;

/** The reason why no system call of a process can be made to fail here, else false. */
export function cannotInject(): string | false {
  const absent = missing('strace');
  if (absent !== false) return absent;
  try {
    execFileSync('strace', ['-qq', '-o', '/dev/null', 'true'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'processes may not be traced here';
  }
}

export interface Injection {
  /** Names of system calls. */
  calls: readonly string[];
  /** As in `EIO`. */
  error: string;
  /** Only calls on this file. */
  file?: string;
}

/** Makes system calls of a running process fail, until it is told to stop or the test ends. */
export async function inject(
  t: TestContext,
  pid: number,
  { calls, error, file }: Injection,
): Promise<() => Promise<void>> {
  const names = calls.join(',');
  const args = ['-f', '-qq', '-o', '/dev/null', '-p', String(pid)];
  args.push('-e', `trace=${names}`, '-e', `inject=${names}:error=${error}`);
  if (file !== undefined) args.push('-P', file);
  const strace: ChildProcess = spawn('strace', args, { stdio: 'ignore' });
  const stop = (): Promise<void> => endChild(strace, DETACH_DEADLINE_MS);
  atEnd(t, stop);
  await until('strace to hold every thread', () => {
    if (hasEnded(strace)) throw new Error('strace has ended');
    return threads(pid).every((thread) => tracer(pid, thread) !== 0);
  });
  return stop;
}

function threads(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`);
}

function tracer(pid: number, thread: string): number {
  const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1');
  return Number(/^TracerPid:\t(\d+)/m.exec(status)?.[1]);
}

/** From now on the process gets no further descriptor; what is open stays so. */
export function forbidDescriptors(pid: number): void {
  // 0 to 2 are always taken, and none is given at the limit or above it.
  allowDescriptors(pid, 3);
}

/** The process may have so many descriptors. */
export function allowDescriptors(pid: number, max = 4096): void {
  execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${max}:`]);
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** The files in a folder that a process has open. */
export function openFiles(pid: number, folder: string, suffix: string): string[] {
  const fds = `/proc/${pid}/fd`;
  return readdirSync(fds)
    .map((fd) => readlinkSync(`${fds}/${fd}`))
    .filter((file) => file.startsWith(folder) && file.endsWith(suffix));
}
