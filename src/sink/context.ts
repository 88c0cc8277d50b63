import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Capture } from './capture.js';
import type { FaultPlan } from './faults.js';
import type { Journal } from './journal.js';
import type { SinkLimits, SinkTls } from './settings.js';
import type { MessageStore } from './store.js';
import type { UserRegister } from './users.js';

/** Work that must have ended before a sink is stopped: at most one message a session, and removals. */
export class InFlight {
  readonly #work = new Set<Promise<void>>();

  /** Takes a promise that does not reject. */
  track(work: Promise<void>): void {
    this.#work.add(work);
    void work.then(() => this.#work.delete(work));
  }

  /** Resolves when all that is tracked now has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#work);
  }
}

/** What all sessions of one sink share. */
export interface SinkContext {
  name: string;
  tls: SinkTls;
  limits: SinkLimits;
  users: UserRegister;
  faults: FaultPlan;
  store: MessageStore;
  capture: Capture | null;
  journal: Journal | null;
  clock: Clock;
  log: Logger;
  /** True from the moment that the sink is told to stop. */
  stopping: boolean;
  /** Messages between 354 and their reply, and captures on their way out. */
  inFlight: InFlight;
}
