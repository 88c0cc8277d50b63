import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../base/errors.js';
import { listenerTlsSchema } from '../schema-values.js';
import { lastLines } from './log-tail.js';
import { processStartTime } from './process-identity.js';
import { RunnerError } from './runner-error.js';

/*
 * One node, sink or broker as a process of its own. A node or sink says over the IPC channel when
 * it is ready, or why it could not start; it ends on its own when that channel closes, and so with
 * the runner, also when that is killed. A broker, which knows no such channel, is asked whether it
 * is ready, and ends when its standard input does. Its output goes straight to a log file, so that nothing is lost or held up
 * by the runner. It is in a process group of its own: Ctrl-C in a terminal reaches the runner
 * alone, and the runner then stops its children in order.
 */

/** Log lines that are shown when a child dies. */
const SHOWN_LOG_LINES = 5;
/** Log lines among which a foreign program's word on a port that is taken stands. */
const SEARCHED_LOG_LINES = 200;

const address = z.object({ host: z.string(), port: z.int() });

const messageSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('ready'),
    smtp: z.union([z.array(address.extend({ name: z.string(), tls: listenerTlsSchema })), address]),
    api: address.nullish(),
  }),
  z.object({
    type: z.literal('failed'),
    code: z.string(),
    message: z.string(),
    hint: z.string().nullish(),
  }),
  z.object({ type: z.literal('reloaded'), restart: z.array(z.string()) }),
  z.object({ type: z.literal('reload-refused'), code: z.string(), message: z.string() }),
]);

type ChildMessage = z.output<typeof messageSchema>;
/** What a child says when it takes connections. */
export type ReadyMessage = Extract<ChildMessage, { type: 'ready' }>;
type FailedMessage = Extract<ChildMessage, { type: 'failed' }>;
/** What a child says to each SIGHUP; `restart` names what the reload could not change. */
type ReloadMessage = Extract<ChildMessage, { type: 'reloaded' | 'reload-refused' }>;

/** Why a child has said nothing to a SIGHUP. `away`: it does not run, or did not start yet. */
export type ReloadSilence = 'away' | 'frozen' | 'ended' | 'late';

export interface ChildSpec {
  kind: 'node' | 'sink' | 'broker';
  name: string;
  /** Script and arguments for this Node.js, or arguments for `program`. */
  args: readonly string[];
  logFile: string;
  environment: NodeJS.ProcessEnv;
  /** What runs in place of this Node.js. */
  program?: ForeignProgram;
}

/** A program without an IPC channel. Its standard input stays open as long as the runner lives. */
export interface ForeignProgram {
  file: string;
  /** Resolves when the process takes connections. Given up with `signal`, when that has ended. */
  whenReady: (signal: AbortSignal) => Promise<void>;
  /** What it logs when an address that it should listen on is taken. */
  portTaken: RegExp;
}

/** How a process ended: one of the two is set. */
export interface ChildExit {
  pid: number;
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** `exit code 1` or `SIGKILL`. */
export function describeExit(exit: ChildExit): string {
  return exit.signal ?? `exit code ${exit.code ?? 'unknown'}`;
}

/** A start that failed because an address that the child should listen on was taken. */
export class PortTakenError extends RunnerError {}

/** A child that can be started again after its end. */
export class Child {
  /** Of the next start. */
  spec: ChildSpec;
  readonly #onDeath: (exit: ChildExit) => void;
  #process: ChildProcess | null = null;
  #started: string | null = null;
  #exited: Promise<void> = Promise.resolve();
  #logStartBytes = 0;
  #ready = false;
  #frozen = false;
  /** The end of the process that lives is no death. */
  #endExpected = false;
  #onReloadAnswer: ((answer: ReloadMessage | 'ended') => void) | null = null;

  /** @param onDeath Told when the process ends after it had been ready, unless that was asked for. */
  constructor(spec: ChildSpec, onDeath: (exit: ChildExit) => void) {
    this.spec = spec;
    this.#onDeath = onDeath;
  }

  /** The living process, or null. */
  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** When the living process began (processStartTime), or null. */
  get started(): string | null {
    return this.#started;
  }

  /** Resolves when no process of this child lives. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  /** True after `end`, until the next start. */
  get endExpected(): boolean {
    return this.#endExpected;
  }

  /** Sends a signal that ends the process, also when it is frozen; its end is no death then. */
  end(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#endExpected = true;
    this.signal(signal);
    // a process that is halted hears SIGTERM when it goes on, and not before
    if (this.#frozen) this.signal('SIGCONT');
  }

  /** The same; false when the process still lives after the deadline. */
  async endWithin(signal: 'SIGTERM' | 'SIGKILL', deadlineMs: number): Promise<boolean> {
    this.end(signal);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), deadlineMs);
    });
    const gone = await Promise.race([this.#exited.then(() => true), late]);
    clearTimeout(timer);
    return gone;
  }

  /** For when it does not even end at SIGKILL. */
  notStopped(): RunnerError {
    const what = `${this.spec.name} still lives, pid ${this.pid ?? 'unknown'}`;
    return new RunnerError('NOT_STOPPED', what, 3, {
      fault: 'system',
      hint: 'Look at it with `ps`, and end it by hand.',
    });
  }

  /** Sends a signal if the process lives. */
  signal(signal: NodeJS.Signals): void {
    if (signal === 'SIGSTOP') this.#frozen = this.#process !== null;
    if (signal === 'SIGCONT') this.#frozen = false;
    this.#process?.kill(signal);
  }

  /**
   * Sends SIGHUP and waits for what the process says to it. Not to be called again before that. A
   * process that would not hear it is not asked.
   */
  async reload(deadlineMs: number): Promise<ReloadMessage | ReloadSilence> {
    if (this.#process === null || !this.#ready) return 'away';
    if (this.#frozen) return 'frozen';
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve) => {
        this.#onReloadAnswer = resolve;
        timer = setTimeout(() => resolve('late'), deadlineMs);
        this.signal('SIGHUP');
      });
    } finally {
      clearTimeout(timer);
      this.#onReloadAnswer = null;
    }
  }

  /**
   * Starts the process and waits for its `ready`.
   *
   * @throws PortTakenError, or RunnerError CHILD_FAILED (the child said or showed that it cannot
   *   run) or CHILD_NOT_READY (it did not say anything in time, and still lives).
   */
  async start(deadlineMs: number): Promise<ReadyMessage> {
    const child = this.#spawn();
    this.#endExpected = false;
    this.#frozen = false;
    const outcome = this.#waitForOutcome(child, deadlineMs);
    if (child.pid !== undefined) this.#started = await processStartTime(child.pid);
    const result = await outcome;
    if ('ready' in result) return result.ready;
    throw await this.#startError(result);
  }

  /** Without a pause, so that whoever ends all children does not miss one that is about to begin. */
  #spawn(): ChildProcess {
    const { args, logFile, environment, program } = this.spec;
    mkdirSync(path.dirname(logFile), { recursive: true, mode: 0o700 });
    const log = openSync(logFile, 'a', 0o600);
    try {
      this.#logStartBytes = fstatSync(log).size;
      this.#process = spawn(program?.file ?? process.execPath, [...args], {
        stdio: program === undefined ? ['ignore', log, log, 'ipc'] : ['pipe', log, log],
        detached: true,
        env: environment,
      });
    } finally {
      closeSync(log);
    }
    return this.#process;
  }

  /** The last lines that the process of the last start wrote. */
  async lastLogLines(): Promise<string[]> {
    return (await lastLines(this.spec.logFile, SHOWN_LOG_LINES, this.#logStartBytes)).lines;
  }

  #waitForOutcome(child: ChildProcess, deadlineMs: number): Promise<StartResult> {
    return new Promise((resolve) => {
      let ready = false;
      let failed: FailedMessage | null = null;
      const asking = new AbortController();
      const timer = setTimeout(() => {
        asking.abort();
        resolve({ lateAfterMs: deadlineMs });
      }, deadlineMs);
      let markExited = (): void => undefined;
      this.#exited = new Promise((done) => {
        markExited = done;
      });
      const ended = (result: StartResult): void => {
        clearTimeout(timer);
        asking.abort();
        if (this.#process === child) {
          this.#process = null;
          this.#started = null;
          this.#ready = false;
          this.#frozen = false;
          this.#onReloadAnswer?.('ended');
        }
        markExited();
        resolve(result);
      };
      const began = (message: ReadyMessage): void => {
        if (this.#process !== child) return;
        ready = true;
        this.#ready = true;
        clearTimeout(timer);
        resolve({ ready: message });
      };
      this.spec.program?.whenReady(asking.signal).then(
        () => began({ type: 'ready', smtp: [] }),
        () => undefined,
      );
      child.on('message', (raw: unknown) => {
        const message = messageSchema.safeParse(raw).data;
        if (message?.type === 'failed') failed = message;
        if (message?.type === 'reloaded' || message?.type === 'reload-refused') {
          this.#onReloadAnswer?.(message);
        }
        if (message?.type === 'ready') began(message);
      });
      child.once('exit', (code, signal) => {
        const exit = { pid: child.pid ?? 0, code, signal };
        ended({ exit, failed });
        if (ready && !this.#endExpected) this.#onDeath(exit);
      });
      child.on('error', (error) => {
        // Also emitted for a signal or a message that did not get through; only without a pid was
        // there never a process, and then no `exit` follows.
        if (child.pid === undefined) ended({ unspawned: messageOf(error) });
      });
    });
  }

  async #hasLoggedPortTaken(): Promise<boolean> {
    const { program, logFile } = this.spec;
    if (program === undefined) return false;
    const { lines } = await lastLines(logFile, SEARCHED_LOG_LINES, this.#logStartBytes);
    return lines.some((line) => program.portTaken.test(line));
  }

  async #startError(result: Exclude<StartResult, { ready: ReadyMessage }>): Promise<RunnerError> {
    const who = `${this.spec.kind} ${this.spec.name}`;
    const log = `Its log: ${this.spec.logFile}`;
    const about = { fault: 'operator', hint: log } as const;
    if ('unspawned' in result) {
      return new RunnerError('CHILD_FAILED', `${who}: ${result.unspawned}`, 3, about);
    }
    const lines = (await this.lastLogLines()).map((line) => `\n  | ${line}`).join('');
    if ('lateAfterMs' in result) {
      const what = `${who} was not ready within ${result.lateAfterMs / 1000} s`;
      return new RunnerError('CHILD_NOT_READY', what + lines, 3, about);
    }
    const { exit, failed } = result;
    const exitCode = exit.code === 2 ? 2 : 3;
    if (failed === null) {
      const what = `${who} ended with ${describeExit(exit)} before it was ready`;
      const error = (await this.#hasLoggedPortTaken()) ? PortTakenError : RunnerError;
      return new error('CHILD_FAILED', what + lines, exitCode, about);
    }
    const taken = /EADDRINUSE|PORT_IN_USE/.test(`${failed.code} ${failed.message}`);
    return new (taken ? PortTakenError : RunnerError)(
      failed.code,
      `${who}: ${failed.message}`,
      exitCode,
      { fault: 'operator', hint: failed.hint ?? log },
    );
  }
}

type StartResult =
  | { ready: ReadyMessage }
  | { exit: ChildExit; failed: FailedMessage | null }
  | { unspawned: string }
  | { lateAfterMs: number };
