import { setTimeout as pause } from 'node:timers/promises';
import { codeOf } from '../../base/errors.js';
import { writeState, type RunState } from '../state.js';
import { isSameProcess } from './process-identity.js';
import { RunnerError } from './runner-error.js';
import { lockOwner } from './workdir-lock.js';

/** What the runner itself may need beyond its children's deadline. */
const RUNNER_MARGIN_MS = 5000;
/** After SIGKILL; only a process that hangs in the kernel takes longer. */
const KILL_DEADLINE_MS = 5000;
const POLL_MS = 50;

interface KnownProcess {
  pid: number;
  started: string;
}

export interface EndedRun {
  /** False when nothing of the run lived any more. */
  wasRunning: boolean;
  /** Names of those that had to be killed. */
  killed: string[];
}

/**
 * Ends a run: SIGTERM to its runner, which stops everything in order. Whatever is left after the
 * runner's own deadline is killed, if it is still the process that the runner had started. Done
 * twice, the second time does nothing.
 *
 * @throws RunnerError NOT_STOPPED when something lives even then.
 */
export async function endRun(workdir: string, state: RunState): Promise<EndedRun> {
  const runner = await lockOwner(workdir);
  if (runner !== null) {
    send(runner.pid, 'SIGTERM');
    await gone([runner], state.stopDeadlineMs + RUNNER_MARGIN_MS);
    if (await lives(runner)) send(runner.pid, 'SIGKILL');
  }
  const leftovers = await livingChildren(state);
  if (runner === null && leftovers.length === 0) return { wasRunning: false, killed: [] };
  const killed = await endLeftovers(state);
  if (runner !== null && !(await gone([runner], KILL_DEADLINE_MS))) throw notStopped([runner]);
  await markEnded(workdir, state);
  return { wasRunning: true, killed };
}

/**
 * Waits until no child of a run lives whose runner is gone, and kills what is late.
 *
 * @returns Names of those that were killed.
 * @throws RunnerError NOT_STOPPED when something lives even then.
 */
export async function endLeftovers(state: RunState): Promise<string[]> {
  const leftovers = await livingChildren(state);
  // Without their runner they end on their own; only what does not is killed.
  await gone(leftovers, state.stopDeadlineMs);
  const killed: string[] = [];
  for (const child of leftovers) {
    if (!(await lives(child))) continue;
    send(child.pid, 'SIGKILL');
    killed.push(child.name);
  }
  if (!(await gone(leftovers, KILL_DEADLINE_MS))) throw notStopped(leftovers);
  return killed;
}

function notStopped(processes: readonly KnownProcess[]): RunnerError {
  const pids = processes.map(({ pid }) => pid).join(', ');
  return new RunnerError('NOT_STOPPED', `something of the run still lives, pids ${pids}`, 3, {
    fault: 'system',
    hint: 'Look at them with `ps`, and end them by hand.',
  });
}

async function livingChildren(state: RunState): Promise<(KnownProcess & { name: string })[]> {
  const found: (KnownProcess & { name: string })[] = [];
  const all = [state.nodes, state.sinks, state.brokers].flatMap((group) => Object.entries(group));
  for (const [name, { pid, started }] of all) {
    if (pid === null || started === null) continue;
    if (await lives({ pid, started })) found.push({ name, pid, started });
  }
  return found;
}

function lives(process: KnownProcess): Promise<boolean> {
  return isSameProcess(process.pid, process.started);
}

/** Waits until none of the processes lives. False when the deadline came first. */
async function gone(processes: readonly KnownProcess[], deadlineMs: number): Promise<boolean> {
  const startMs = performance.now();
  for (;;) {
    const living = await Promise.all(processes.map(lives));
    if (!living.includes(true)) return true;
    if (performance.now() - startMs > deadlineMs) return false;
    await pause(POLL_MS);
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

/** The runner writes this itself, unless it was killed. */
async function markEnded(workdir: string, state: RunState): Promise<void> {
  const nobody = { pid: null, started: null };
  for (const node of Object.values(state.nodes)) Object.assign(node, nobody);
  for (const sink of Object.values(state.sinks)) Object.assign(sink, nobody);
  for (const broker of Object.values(state.brokers)) Object.assign(broker, nobody);
  await writeState(workdir, { ...state, ready: false, runner: null });
}
