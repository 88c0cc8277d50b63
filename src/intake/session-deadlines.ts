import type { Clock, Timer } from '../base/clock.js';
import type { LimitReason } from '../policy/client-limits.js';
import type { ContentProgress } from './smtp-parser.js';

const RATE_WINDOW_MS = 30_000;

/** Read again at each step, since a reload may change them. */
export interface DeadlineSettings {
  clock: Clock;
  idleTimeoutMs: number;
  dataTimeoutMs: number;
  loginTimeoutMs: number;
  minDataRate: number;
}

/** Cuts the session. `reason`: it is one of the limits of a client. */
export type Cut = (why: string, reason?: LimitReason) => void;

/**
 * The time that a client has, in absolute deadlines: for its next command line, for its login, and
 * for the content of a message, which also has to come at a least rate. The library's idle timer is
 * no deadline: every byte rewinds it.
 */
export class SessionDeadlines {
  readonly #settings: DeadlineSettings;
  readonly #cut: Cut;
  /** For the next command line, or for the content. */
  #phase: Timer | null = null;
  #login: Timer | null = null;
  #rate: Timer | null = null;

  constructor(settings: DeadlineSettings, cut: Cut) {
    this.#settings = settings;
    this.#cut = cut;
  }

  /** From now until the next command line is whole. */
  awaitCommand(): void {
    this.#rate?.cancel();
    this.#awaitPhase(this.#settings.idleTimeoutMs, 'No command came in time');
  }

  /** From now until `loggedIn`. */
  awaitLogin(): void {
    const { clock, loginTimeoutMs } = this.#settings;
    this.#login = clock.after(loginTimeoutMs, () =>
      this.#cut('No login came in time', 'login-timeout'),
    );
  }

  loggedIn(): void {
    this.#login?.cancel();
  }

  /** From now until the final dot. What comes behind it is our own time. */
  awaitContent(progress: ContentProgress): void {
    const { dataTimeoutMs } = this.#settings;
    this.#awaitPhase(dataTimeoutMs, 'The message took too long', () => !progress.complete);
    this.#watchRate(progress);
  }

  stop(): void {
    for (const timer of [this.#phase, this.#login, this.#rate]) {
      timer?.cancel();
    }
  }

  #awaitPhase(timeoutMs: number, why: string, stillDue: () => boolean = () => true): void {
    this.#phase?.cancel();
    this.#phase = this.#settings.clock.after(timeoutMs, () => {
      if (stillDue()) {
        this.#cut(why);
      }
    });
  }

  /** A window in which the client had to wait for us says nothing about it. */
  #watchRate(progress: ContentProgress): void {
    const { clock, minDataRate } = this.#settings;
    const { bytes, waits } = progress;
    this.#rate?.cancel();
    this.#rate = clock.after(RATE_WINDOW_MS, () => {
      const waited = progress.waiting || progress.waits !== waits;
      const dueBytes = (minDataRate * RATE_WINDOW_MS) / 1000;
      if (progress.complete) {
        return;
      }
      if (!waited && progress.bytes - bytes < dueBytes) {
        this.#cut('The message came too slowly', 'data-rate');
      } else {
        this.#watchRate(progress);
      }
    });
  }
}
