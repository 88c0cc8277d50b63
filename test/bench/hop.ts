import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, constants, accessSync, openSync, readSync, fstatSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { atEnd, type Ending } from '../scenario/at-end.js';
import { endChild, freePort, hasEnded, locate } from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';
import { parseSinkCounter } from './counters.js';
import { ask, programHere, startProgram } from './node-program.js';
import { monotonicMs, type FromSink, type SinkJob } from './traffic.js';

/*
 * The next hop of all relays of a case: Postfix's `smtp-sink` where it is installed and knows what
 * the case wants, else a sink of ours.
 */

export interface Hop {
  program: 'smtp-sink' | 'ours';
  port: number;
  /** Messages that have arrived since the start. */
  arrived(): Promise<number>;
  /** When so many had arrived, on the clock of `monotonicMs`. Rejects when they do not in time. */
  untilArrived(messages: number, deadlineMs: number): Promise<number>;
  /** How long messages were under way, since it was asked last; only where the job measures it. */
  takeDelaysMs(): Promise<number[]>;
}

const READY_DEADLINE_MS = 10_000;
const STOP_DEADLINE_MS = 5000;
const POLL_MS = 10;
/** Holds several lines of the counter. */
const COUNTER_BYTES = 256;
const MAX_CONNECTIONS = 2000;

export async function startHop(owner: Ending, job: SinkJob): Promise<Hop> {
  const program = locate('smtp-sink');
  const wantsMore = job.protection !== 'clear' || job.replyDelayMs > 0 || job.measuresDelay;
  return program === null || wantsMore ? startOurs(owner, job) : startSmtpSink(owner, program);
}

async function startSmtpSink(owner: Ending, program: string): Promise<Hop> {
  const port = await freePort();
  const file = path.join(countersFolder(), `relaymesh-bench-${process.pid}-${port}`);
  // It writes its counter at each message: into memory, where that disturbs nobody's disk.
  const counter = openSync(file, 'w+');
  atEnd(owner, () => rm(file, { force: true }));
  atEnd(owner, () => closeSync(counter));
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const child = spawn(
    program,
    [...user, '-c', '-m', String(MAX_CONNECTIONS), `127.0.0.1:${port}`, '1000'],
    { stdio: ['ignore', counter, 'inherit'] },
  );
  atEnd(owner, () => endChild(child, STOP_DEADLINE_MS));
  await untilListening(port, READY_DEADLINE_MS, child);
  const count = (): number => {
    if (hasEnded(child)) throw new Error('smtp-sink has ended');
    const bytes = Buffer.alloc(COUNTER_BYTES);
    const start = Math.max(0, fstatSync(counter).size - COUNTER_BYTES);
    return parseSinkCounter(
      bytes.toString('latin1', 0, readSync(counter, bytes, 0, COUNTER_BYTES, start)),
    );
  };
  return {
    program: 'smtp-sink',
    port,
    arrived: async () => count(),
    untilArrived: async (messages, deadlineMs) => {
      const startMs = monotonicMs();
      while (count() < messages) {
        if (monotonicMs() - startMs > deadlineMs) {
          throw new Error(`${count()} of ${messages} messages arrived in ${deadlineMs / 1000} s`);
        }
        await pause(POLL_MS);
      }
      return monotonicMs();
    },
    takeDelaysMs: () => Promise.resolve([]),
  };
}

/** A folder in memory where there is one. */
function countersFolder(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}

async function startOurs(owner: Ending, job: SinkJob): Promise<Hop> {
  const child = startProgram(owner, [programHere('raw-sink')]);
  const told = async <K extends FromSink['type']>(
    question: object,
    deadlineMs?: number,
  ): Promise<Extract<FromSink, { type: K }>> => ask(child, question, deadlineMs);
  const { port } = await told<'listening'>({ type: 'listen', job });
  return {
    program: 'ours',
    port,
    arrived: async () => (await told<'counted'>({ type: 'count' })).messages,
    untilArrived: async (at, deadlineMs) =>
      (await told<'reached'>({ type: 'tell', at }, deadlineMs)).atMs,
    takeDelaysMs: async () => (await told<'delays'>({ type: 'take-delays' })).delaysMs,
  };
}

/** Resolves when a program greets at a port of loopback; rejects when it has ended instead. */
export async function untilListening(
  port: number,
  deadlineMs: number,
  program?: ChildProcess,
): Promise<void> {
  let ended = false;
  const look = async (): Promise<boolean> => {
    ended = program !== undefined && hasEnded(program);
    return ended || greets(port);
  };
  await until(`a greeting at port ${port}`, look, { deadlineMs, pollMs: POLL_MS });
  if (ended) throw new Error(`what was to greet at port ${port} has ended`);
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(READY_DEADLINE_MS, () => socket.destroy());
    socket.once('data', (bytes: Buffer) => {
      resolve(bytes.toString('latin1').startsWith('220'));
      socket.end('QUIT\r\n');
    });
    socket.once('error', () => socket.destroy());
    socket.once('close', () => resolve(false));
  });
}
