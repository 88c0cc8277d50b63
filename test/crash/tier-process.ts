import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { cleanEnvironment, hasEnded } from '../scenario/programs.js';
import { until, within } from '../scenario/waiting.js';
import type { Order } from './orders.js';

/** A busy machine that starts three nodes at once takes its time. */
const READY_DEADLINE_MS = 40_000;
const RECOVERED_DEADLINE_MS = 300_000;
const STOP_DEADLINE_MS = 25_000;
const KILL_DEADLINE_MS = 10_000;

export interface TierOptions {
  name: string;
  /** Arguments of node.js, the program included. */
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  logFile: string;
}

/** One node, or the sink: a process that is started, killed and started again. */
export class TierProcess {
  readonly name: string;
  /** Ends that nobody had asked for, and stops that did not go well. */
  readonly surprises: string[] = [];
  readonly #options: TierOptions;
  #child: ChildProcess | null = null;
  #ready: Promise<boolean> = Promise.resolve(false);
  #ended: Promise<void> = Promise.resolve();
  #logStart = 0;
  #startMs = 0;
  /** The ways to end that were asked for. */
  #expected = new Set<string>();

  constructor(options: TierOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get running(): boolean {
    return this.#child !== null && !hasEnded(this.#child);
  }

  /** Starts the process. Resolves with true when it takes connections, with false when it ended. */
  start(): Promise<boolean> {
    const { args, env, logFile } = this.#options;
    const log = openSync(logFile, 'a');
    this.#logStart = statSync(logFile).size;
    this.#expected = new Set();
    // The process ends when the channel closes, which it does also when this one is killed.
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', log, log, 'ipc'],
      env: cleanEnvironment(env),
    });
    closeSync(log);
    this.#child = child;
    const startedMs = performance.now();
    // An order may cross the end of the process.
    child.on('error', () => undefined);
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#noteEnd(String(signal ?? code));
        resolve();
      });
    });
    this.#ready = within(
      `${this.name} to be ready (${logFile})`,
      READY_DEADLINE_MS,
      new Promise((resolve) => {
        child.on('message', (message) => {
          if ((message as { type?: string }).type !== 'ready') return;
          this.#startMs = performance.now() - startedMs;
          resolve(true);
        });
        child.once('exit', () => resolve(false));
      }),
    );
    // Not everybody who starts it waits for it.
    this.#ready.catch(() => undefined);
    return this.#ready;
  }

  /** What the last start took until it was ready, in milliseconds. */
  get startMs(): number {
    return this.#startMs;
  }

  /** As `start` resolved. */
  get ready(): Promise<boolean> {
    return this.#ready;
  }

  /** Resolves when the process has ended, also with nobody having asked for it. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  send(order: Order): void {
    if (order.do === 'arm') this.#expected.add('SIGKILL');
    if (this.#child?.connected === true) this.#child.send(order, () => undefined);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child?.kill(signal);
  }

  /** kill -9. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#expected.add('SIGKILL');
    this.signal('SIGKILL');
    await within(`the end of ${this.name}`, KILL_DEADLINE_MS, this.#ended);
  }

  /** Asks it to stop; one that does not is a surprise, and killed. */
  async stop(): Promise<void> {
    this.#expected.add('0');
    this.signal('SIGTERM');
    try {
      await within(`${this.name} to stop`, STOP_DEADLINE_MS, this.#ended);
    } catch (error) {
      this.surprises.push(String(error));
      await this.kill();
    }
  }

  /** Waits until the node has read all of its spool: until then its queues do not show everything. */
  async untilRecovered(): Promise<void> {
    await until(
      `${this.name} to have read its spool`,
      () => readFileSync(this.#options.logFile).includes('"event":"recovered"', this.#logStart),
      { deadlineMs: RECOVERED_DEADLINE_MS },
    );
  }

  #noteEnd(how: string): void {
    if (this.#expected.has(how)) return;
    this.surprises.push(`${this.name} ended by itself: ${how} (${this.#options.logFile})`);
  }
}
