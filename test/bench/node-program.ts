import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { atEnd, type Ending } from '../scenario/at-end.js';
import { cleanEnvironment, endChild, hasEnded } from '../scenario/programs.js';
import { within } from '../scenario/waiting.js';

const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 40_000;

export interface ProgramOptions {
  /** A command that runs the one that follows it, as in `strace -D`. */
  wrap?: readonly string[];
  /** Where its output goes; default: nowhere, and errors to ours. */
  logFile?: string;
  env?: NodeJS.ProcessEnv;
}

/** Path of a program of this folder, as it was compiled. */
export function programHere(name: string): string {
  return fileURLToPath(new URL(`${name}.js`, import.meta.url));
}

/** Starts a Node program with a channel to it; it has ended at the end of its owner. */
export function startProgram(
  owner: Ending,
  args: readonly string[],
  { wrap = [], logFile, env = {} }: ProgramOptions = {},
): ChildProcess {
  const [command = process.execPath, ...rest] = [...wrap, process.execPath, ...args];
  const log = logFile === undefined ? null : openSync(logFile, 'a');
  const child = spawn(command, rest, {
    stdio: ['ignore', log ?? 'ignore', log ?? 'inherit', 'ipc'],
    env: cleanEnvironment(env),
  });
  if (log !== null) closeSync(log);
  atEnd(owner, () => endChild(child, STOP_DEADLINE_MS));
  return child;
}

/** Tells it something, if anything, and waits for its next word. Rejects when it ends instead. */
export async function ask<T>(
  child: ChildProcess,
  question: object | null,
  deadlineMs = START_DEADLINE_MS,
): Promise<T> {
  if (hasEnded(child)) throw new Error('a program has ended that was to be asked');
  const waiting = new AbortController();
  const { signal } = waiting;
  const answer = once(child, 'message', { signal }) as Promise<[T]>;
  const ended = once(child, 'exit', { signal }).then(([code, name]) => {
    throw new Error(`a program has ended with ${String(code ?? name)}`);
  });
  try {
    if (question !== null) child.send(question);
    return (await within('an answer', deadlineMs, Promise.race([answer, ended])))[0];
  } finally {
    // Whichever of them still waits rejects now, which is of no interest.
    answer.catch(() => undefined);
    ended.catch(() => undefined);
    waiting.abort();
  }
}
