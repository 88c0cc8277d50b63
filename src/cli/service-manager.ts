import { systemClock, type Clock, type Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { NotifyProgram } from './notify-program.js';

/** Of the watchdog's time: two signs of life may be lost. */
const SIGNS_A_PERIOD = 3;
const MICROSECONDS_PER_MS = 1000;
const MAX_STATUS_CHARACTERS = 300;

/** What sends a notification. */
export interface Notifier {
  readonly busy: boolean;
  send(assignments: readonly string[]): void;
  close(): Promise<void>;
}

export interface ServiceManagerOptions {
  log: Logger;
  clock?: Clock;
  /** Of this process. */
  pid?: number;
  /** Default: a `NotifyProgram`. */
  notifier?: Notifier;
}

/**
 * What a node tells systemd (sd_notify(3)): when it is ready, reloads and stops, what it is doing, and,
 * to the watchdog, that it is alive. Its methods return at once and never throw: mail never waits for
 * them.
 */
export class ServiceManager {
  readonly #notifier: Notifier;
  readonly #clock: Clock;
  /** Between two signs of life; null: nobody waits for any. */
  readonly #signEveryMs: number | null;
  #timer: Timer | null = null;

  private constructor(notifier: Notifier, clock: Clock, watchdogMs: number | null) {
    this.#notifier = notifier;
    this.#clock = clock;
    this.#signEveryMs = watchdogMs === null ? null : watchdogMs / SIGNS_A_PERIOD;
  }

  /**
   * Null where the process was not started as a service that notifies. Takes the variables out of the
   * environment, so that no child of ours speaks for us.
   */
  static of(env: NodeJS.ProcessEnv, options: ServiceManagerOptions): ServiceManager | null {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: period, WATCHDOG_PID: watched, PATH } = env;
    delete env['NOTIFY_SOCKET'];
    delete env['WATCHDOG_USEC'];
    delete env['WATCHDOG_PID'];
    if (socket === undefined || socket === '') return null;
    const { log, clock = systemClock, pid = process.pid } = options;
    const isMeant = watched === undefined || Number(watched) === pid;
    const periodMs = Number(period) / MICROSECONDS_PER_MS;
    const childEnv = { NOTIFY_SOCKET: socket, ...(PATH === undefined ? {} : { PATH }) };
    const notifier = options.notifier ?? new NotifyProgram(childEnv, log, clock);
    return new ServiceManager(notifier, clock, isMeant && periodMs > 0 ? periodMs : null);
  }

  /** It takes mail; also the end of a reload, however that went. */
  ready(status: string): void {
    this.#notifier.send(['READY=1', statusOf(status)]);
  }

  /** The settings are read again; `ready` has to follow. */
  reloading(): void {
    const monotonicUs = process.hrtime.bigint() / 1000n;
    const status = statusOf('reads its settings');
    this.#notifier.send(['RELOADING=1', `MONOTONIC_USEC=${monotonicUs}`, status]);
  }

  /** What is in flight may take longer than the watchdog waits: the signs of life go on. */
  stopping(): void {
    this.#notifier.send(['STOPPING=1', statusOf('ends what is in flight')]);
  }

  /**
   * Gives signs of life while all is well. They come from the event loop: one that hangs gives none.
   *
   * @param trouble null, or what may be well again after a new start
   */
  watch(trouble: () => string | null, status: () => string): void {
    const everyMs = this.#signEveryMs;
    if (everyMs === null) return;
    this.#timer = this.#clock.after(everyMs, () => {
      const problem = trouble();
      if (!this.#notifier.busy) {
        this.#notifier.send(
          problem === null ? ['WATCHDOG=1', statusOf(status())] : [statusOf(`unwell: ${problem}`)],
        );
      }
      this.watch(trouble, status);
    });
  }

  /** Resolves when everything was sent, or could not be within two seconds. */
  close(): Promise<void> {
    this.#timer?.cancel();
    return this.#notifier.close();
  }
}

/** One line: what follows a line feed would be an assignment of its own. */
function statusOf(text: string): string {
  // oxlint-disable-next-line no-control-regex
  const line = text.replaceAll(/[\x00-\x1f\x7f]+/g, ' ');
  return `STATUS=${line.slice(0, MAX_STATUS_CHARACTERS)}`;
}
