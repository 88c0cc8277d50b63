import type { Clock, Timer } from '../base/clock.js';
import { codeOf, messageOf, type RelayError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { DeliveryKeySettings } from './settings.js';
import type { Spool } from './spool.js';

const SWEEP_MS = 600_000;
/** Between attempts to open a spool again; where more than room is wanting, doubled up to the last. */
const REOPEN_MS = 1000;
const MAX_REOPEN_MS = 60_000;

interface UpkeepOptions {
  spool: Spool;
  deliveryKeys: () => DeliveryKeySettings;
  clock: Clock;
  log: Logger;
  /** The spool refuses writes: no attempt may start whose end could not be stored. */
  suspend: () => void;
  resume: () => void;
}

/**
 * What a spool needs beside its mail: notes and delivery keys whose time is over are forgotten, and a
 * spool that failed is opened again: the store then writes anew all that it had not brought to the
 * medium for certain, and what was refused is undone, before anything is acknowledged.
 */
export class Upkeep {
  readonly #options: UpkeepOptions;
  #running = false;
  #sweepTimer: Timer | null = null;
  #reopenTimer: Timer | null = null;
  #reopenMs = REOPEN_MS;
  #working: Promise<void> = Promise.resolve();
  #waiting: Array<(healed: boolean) => void> = [];

  constructor(options: UpkeepOptions) {
    this.#options = options;
    options.spool.onFailure((error) => this.#failed(error));
  }

  /** The spool is open. */
  start(): void {
    this.#running = true;
    this.#sweepLater(0);
  }

  /** Resolves when nothing is under way; the spool may be closed then. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#sweepTimer?.cancel();
    this.#reopenTimer?.cancel();
    this.giveUp();
    await this.#working;
  }

  /** Resolves with true when the spool takes writes again, with false when the node stops first. */
  healed(): Promise<boolean> {
    if (this.#options.spool.healthy) {
      return Promise.resolve(true);
    }
    return this.#running
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(false);
  }

  /** The node stops: nobody waits for the spool any longer. */
  giveUp(): void {
    this.#running = false;
    this.#answer(false);
  }

  #answer(healed: boolean): void {
    for (const resolve of this.#waiting.splice(0)) {
      resolve(healed);
    }
  }

  #failed(error: RelayError): void {
    const { log, suspend } = this.#options;
    log.error({ code: error.code, where: error.where, hint: error.hint }, error.message);
    suspend();
    this.#reopenMs = REOPEN_MS;
    this.#reopenLater();
  }

  #reopenLater(): void {
    this.#reopenTimer?.cancel();
    if (this.#running) {
      this.#reopenTimer = this.#options.clock.after(this.#reopenMs, () =>
        this.#work(this.#reopen()),
      );
    }
  }

  async #reopen(): Promise<void> {
    const { spool, log, resume } = this.#options;
    try {
      await spool.reopen();
    } catch (error) {
      log.debug({ code: codeOf(error) }, messageOf(error));
      if (!spool.failurePasses) {
        this.#reopenMs = Math.min(MAX_REOPEN_MS, 2 * this.#reopenMs);
      }
      this.#reopenLater();
      return;
    }
    log.info({ event: 'spool-reopened' }, 'the spool takes writes again');
    if (this.#running) {
      resume();
    }
    this.#answer(true);
  }

  #sweepLater(delayMs: number): void {
    if (this.#running) {
      this.#sweepTimer = this.#options.clock.after(delayMs, () => this.#work(this.#sweep()));
    }
  }

  async #sweep(): Promise<void> {
    const { spool, deliveryKeys, clock, log } = this.#options;
    const nowMs = clock.nowMs();
    const { lifetimeSeconds, maxBytes } = deliveryKeys();
    try {
      await spool.forgetNotes(nowMs);
      const cutMs = await spool.forgetKeys(nowMs - lifetimeSeconds * 1000, nowMs, maxBytes);
      if (cutMs !== null) {
        const forgotten = { event: 'delivery-keys-cut', before: new Date(cutMs).toISOString() };
        log.warn(
          { ...forgotten, max_bytes: maxBytes },
          'delivery keys were forgotten early for want of room: what upstream nodes took in before that time and hand over again would come twice',
        );
      }
    } catch (error) {
      log.error({ code: codeOf(error) }, messageOf(error));
    }
    this.#sweepLater(SWEEP_MS);
  }

  /** One thing at a time, so that `stop` has one to wait for. */
  #work(task: Promise<void>): void {
    const before = this.#working;
    this.#working = task.then(() => before);
  }
}
