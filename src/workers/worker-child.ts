import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { NodeSettings } from '../node-settings.js';
import type { Asked } from './key-turns.js';
import type { WorkerLink } from './link.js';
import type { FromWorker, ListeningAt, Problem, ToWorker, WorkerState } from './messages.js';
import { packSettings } from './settings-message.js';

const FIRST_BACKOFF_MS = 200;
const LONGEST_BACKOFF_MS = 30_000;
/** One that was up for so long begins the waits anew. */
const STEADY_MS = 30_000;
/** It says how it is once a second; one that says nothing between so many looks hangs, and is killed. */
const LOOK_MS = 10_000;
const MAX_SILENT_LOOKS = 6;
const MAIN_JS = fileURLToPath(new URL('../main.js', import.meta.url));

export interface WorkerChildOptions {
  index: number;
  listens: boolean;
  token: string;
  /** Those that it starts with, now. */
  settings: () => NodeSettings;
  clock: Clock;
  log: Logger;
  /** Questions after delivery keys. */
  heard: (child: WorkerChild, message: FromWorker & { type: 'ask' | 'done' | 'looked' }) => void;
  gone: (child: WorkerChild) => void;
}

/**
 * One worker as the front sees it: its process, which is started again when it dies, after a wait
 * that doubles while it does not last; and the link to its API.
 */
export class WorkerChild implements Asked {
  readonly index: number;
  readonly listens: boolean;
  /** Where it takes mail; empty until it was ready once. */
  smtp: ListeningAt[] = [];
  /** Times that its process was started again. */
  restarts = 0;
  readonly #options: WorkerChildOptions;
  readonly #link: WorkerLink;
  #worker: Worker | null = null;
  /** Why it is not up, or null. */
  #problem: Problem | null = null;
  #state: WorkerState | null = null;
  #upMs = 0;
  /** Looks at it since it said something. */
  #silentLooks = 0;
  #backoffMs = FIRST_BACKOFF_MS;
  #timer: Timer | null = null;
  #stopping = false;
  #settled: () => void = () => undefined;
  #exited: Promise<void> = Promise.resolve();
  #reloaded: ((problem: Problem | null) => void) | null = null;

  constructor(options: WorkerChildOptions) {
    this.#options = options;
    this.index = options.index;
    this.listens = options.listens;
    this.#link = {
      index: options.index,
      url: '',
      token: options.token,
      up: false,
      drains: !options.listens,
    };
  }

  get link(): Readonly<WorkerLink> {
    return this.#link;
  }

  get up(): boolean {
    return this.#link.up;
  }

  /** What it said last of itself; null while it is not up. */
  get state(): WorkerState | null {
    return this.up ? this.#state : null;
  }

  get pid(): number | null {
    return this.#worker?.process.pid ?? null;
  }

  /** Why it does nothing, or not what it should; null when all is well. */
  get trouble(): string | null {
    return this.up ? (this.#state?.trouble ?? null) : (this.#problem?.message ?? 'is not up');
  }

  /** Resolves when it is up (null), or could not start; it is tried again then. */
  start(): Promise<Problem | null> {
    const settled = this.settled();
    this.#fork();
    return settled;
  }

  /** The same of the try that is under way or comes next. */
  settled(): Promise<Problem | null> {
    return this.up
      ? Promise.resolve(null)
      : new Promise((resolve) => {
          this.#settled = () => resolve(this.#problem);
        });
  }

  tell(message: ToWorker): void {
    // One that is dying does not hear it; `gone` says so.
    this.#worker?.process.send?.(message, undefined, undefined, () => undefined);
  }

  /**
   * What came of new settings: null, or why the old ones stayed. Of one that is not up, null.
   *
   * @param restart what needs a restart, to be shown
   */
  reload(
    settings: NodeSettings,
    restart: readonly string[],
    deadlineMs: number,
  ): Promise<Problem | null> {
    if (!this.up) return Promise.resolve(null);
    return new Promise((resolve) => {
      const end = (problem: Problem | null): void => {
        timer.cancel();
        this.#reloaded = null;
        resolve(problem);
      };
      const timer = this.#options.clock.after(deadlineMs, () =>
        end({ code: 'RELOAD_FAILED', message: `no answer within ${deadlineMs / 1000} s` }),
      );
      this.#reloaded = end;
      this.tell({ type: 'reload', settings: packSettings(settings), restart });
    });
  }

  /**
   * It ends what is in flight, and is not started again. To be called once more to hurry it.
   *
   * @param how `disconnect`: it has only the time of one whose front has died
   */
  stop(how: 'SIGTERM' | 'disconnect' | 'SIGKILL'): void {
    this.#stopping = true;
    this.#timer?.cancel();
    const child = this.#worker?.process;
    if (child === undefined) return;
    if (how !== 'disconnect') child.kill(how);
    else if (child.connected) child.disconnect();
  }

  /** Resolves when no process of it lives. */
  exited(): Promise<void> {
    return this.#exited;
  }

  #fork(): void {
    const { settings, index } = this.#options;
    // Each worker takes connections from the shared socket itself: none goes through the front, and
    // none is lost with a worker that dies while it is handed over.
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    cluster.setupPrimary({
      exec: MAIN_JS,
      args: ['worker', settings().name, String(index)],
      serialization: 'advanced',
    });
    this.#problem = null;
    this.#silentLooks = 0;
    const worker = cluster.fork();
    this.#worker = worker;
    worker.on('message', (message: FromWorker) => this.#heard(message));
    worker.on('error', (error) => this.#options.log.debug({ worker: index }, error.message));
    this.#exited = new Promise((resolve) => {
      worker.on('exit', (code: number | null, signal: string | null) => {
        this.#ended(code, signal);
        resolve();
      });
    });
  }

  #heard(message: FromWorker): void {
    this.#silentLooks = 0;
    switch (message.type) {
      case 'born': {
        const settings = packSettings(this.#options.settings());
        this.tell({ type: 'start', settings, listens: this.listens });
        return;
      }
      case 'ready':
        this.smtp = message.smtp;
        this.#state = message.state;
        this.#upMs = this.#options.clock.monotonicMs();
        this.#lookLater();
        Object.assign(this.#link, { url: `http://127.0.0.1:${message.apiPort}`, up: true });
        this.#settled();
        return;
      case 'failed':
        this.#problem = message.problem;
        return;
      case 'state':
        this.#state = message.state;
        return;
      case 'reloaded':
        this.#reloaded?.(message.problem);
        return;
      default:
        this.#options.heard(this, message);
    }
  }

  #lookLater(): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(LOOK_MS, () => {
      if (++this.#silentLooks > MAX_SILENT_LOOKS) {
        this.#problem = { code: 'WORKER_ENDED', message: 'hung, and was killed' };
        this.#worker?.process.kill('SIGKILL');
      } else {
        this.#lookLater();
      }
    });
  }

  #ended(code: number | null, signal: string | null): void {
    const { clock, log, index, gone } = this.#options;
    const wasUp = this.up;
    const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
    this.#problem ??= { code: 'WORKER_ENDED', message: how };
    this.#worker = null;
    this.#link.up = false;
    this.#timer?.cancel();
    this.#reloaded?.(null);
    gone(this);
    this.#settled();
    if (this.#stopping) return;
    if (wasUp && clock.monotonicMs() - this.#upMs >= STEADY_MS) this.#backoffMs = FIRST_BACKOFF_MS;
    const retryMs = this.#backoffMs;
    this.#backoffMs = Math.min(LONGEST_BACKOFF_MS, 2 * retryMs);
    const { code: why, message, where, hint } = this.#problem;
    log.error(
      {
        event: 'worker-ended',
        worker: index,
        code: why,
        where,
        hint,
        restarts: this.restarts,
        retry_ms: retryMs,
      },
      `worker ${index}: ${message}`,
    );
    this.#timer = clock.after(retryMs, () => {
      this.restarts++;
      this.#fork();
    });
  }
}
