import type { Clock, Timer } from '../base/clock.js';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { BrokerLink } from './broker.js';

export interface BrokerSessionOptions {
  connect: () => Promise<BrokerLink>;
  /** They have to be there; those that are not are made. */
  queues: readonly string[];
  clock: Clock;
  log: Logger;
  /** A number from 0 to 1. */
  chance: () => number;
}

const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 30_000;

/**
 * Keeps a link to the broker: made anew whenever it ends, after waits that double up to half a
 * minute, with some chance in them so that not all nodes come back at once. What is done with a link
 * is for its users, who hear of each new one once its queues are there.
 */
export class BrokerSession {
  readonly #options: BrokerSessionOptions;
  readonly #users: Array<(link: BrokerLink) => void> = [];
  #link: BrokerLink | null = null;
  #running: Promise<void> | null = null;
  #stopped = false;
  #wake: () => void = () => undefined;
  /** The fault that was logged last; it is said once. */
  #said = '';

  constructor(options: BrokerSessionOptions) {
    this.#options = options;
  }

  get connected(): boolean {
    return this.#link !== null;
  }

  /** The link that is up, or null. */
  get link(): BrokerLink | null {
    return this.#link;
  }

  /** The link that is up. @throws RelayError BROKER_AWAY */
  get linkNow(): BrokerLink {
    if (this.#link === null) {
      throw new RelayError('BROKER_AWAY', 'the broker is not there now', {
        fault: 'system',
        hint: 'Check that RabbitMQ runs and can be reached. It is tried again and again.',
      });
    }
    return this.#link;
  }

  /** Before `start`. */
  onLink(user: (link: BrokerLink) => void): void {
    this.#users.push(user);
  }

  /** Does not wait for the broker: mail flows without it where it can. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** A queue is gone that was there: it is made anew, with the link. */
  renewFor(error: unknown): void {
    if (codeOf(error) === 'BROKER_UNROUTABLE') {
      void this.#link?.close();
    }
  }

  /** Ends the link and what is under way; nothing of it is left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#link?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    let waitMs = FIRST_WAIT_MS;
    while (!this.#stopped) {
      const link = await this.#connect();
      if (link !== null) {
        waitMs = FIRST_WAIT_MS;
        await this.#use(link);
      }
      if (!this.#stopped) {
        await this.#pause(waitMs * (0.5 + this.#options.chance() / 2));
        waitMs = Math.min(waitMs * 2, LAST_WAIT_MS);
      }
    }
  }

  /** Null when there is none to be had; why is logged. */
  async #connect(): Promise<BrokerLink | null> {
    const { connect, queues } = this.#options;
    let link: BrokerLink | null = null;
    try {
      link = await connect();
      for (const name of queues) {
        // One that is there is used as it is, whoever made it.
        if ((await link.waiting(name)) === null) {
          await link.declare([{ name, type: 'quorum' }]);
        }
      }
      if (!this.#stopped) {
        return link;
      }
    } catch (error) {
      this.#say(error);
    }
    await link?.close();
    return null;
  }

  async #use(link: BrokerLink): Promise<void> {
    const { log } = this.#options;
    if (this.#stopped) {
      await link.close();
      return;
    }
    this.#said = '';
    this.#link = link;
    log.info({ event: 'broker-connected', broker: link.address }, 'connected to the broker');
    for (const user of this.#users) {
      user(link);
    }
    const why = await link.end;
    this.#link = null;
    if (!this.#stopped) {
      this.#say(why);
    }
    await link.close();
  }

  #say(error: unknown): void {
    const text = messageOf(error);
    if (text !== this.#said) {
      this.#said = text;
      const code = codeOf(error);
      this.#options.log.warn({ event: 'broker-away', code }, text);
    }
  }

  #pause(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer: Timer = this.#options.clock.after(waitMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
      if (this.#stopped) {
        this.#wake();
      }
    });
  }
}
