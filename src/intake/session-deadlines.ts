import type { Clock, Timer } from '../base/clock.js';
import type { LimitReason } from '../policy/client-limits.js';
import type { ContentProgress } from './content-progress.js';

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
 *
 * A step of the client only moves its deadlines. One timer a session looks at them: it is never set
 * further away than the window of the rate, so that hardly a step has to set it anew.
 */
export class SessionDeadlines {
  readonly #settings: DeadlineSettings;
  readonly #cut: Cut;
  #timer: Timer | null = null;
  /** When the timer fires. */
  #timerAtMs = Infinity;
  /** For the next command line, or for the content. */
  #phaseAtMs = Infinity;
  #loginAtMs = Infinity;
  /** For the content: when it is due if the client never has to wait, and how much later at most. */
  #contentAtMs = Infinity;
  #graceMs = 0;
  /** The end of the window in which the rate is measured. */
  #rateAtMs = Infinity;
  /** The content that is awaited, or null. */
  #content: Readonly<ContentProgress> | null = null;
  /** Of the content, where the window began. */
  #bytesBefore = 0;
  #waitsBefore = 0;
  #clientBytesBefore = 0;
  #stopped = false;

  constructor(settings: DeadlineSettings, cut: Cut) {
    this.#settings = settings;
    this.#cut = cut;
  }

  /** From now until the next command line is whole. */
  awaitCommand(): void {
    const { clock, idleTimeoutMs } = this.#settings;
    const nowMs = clock.monotonicMs();
    this.#content = null;
    this.#rateAtMs = Infinity;
    this.#phaseAtMs = nowMs + idleTimeoutMs;
    this.#watch(this.#phaseAtMs, nowMs);
  }

  /** From now until `loggedIn`. */
  awaitLogin(): void {
    const { clock, loginTimeoutMs } = this.#settings;
    const nowMs = clock.monotonicMs();
    this.#loginAtMs = nowMs + loginTimeoutMs;
    this.#watch(this.#loginAtMs, nowMs);
  }

  loggedIn(): void {
    this.#loginAtMs = Infinity;
  }

  /**
   * From now until the final dot. What comes behind it is our own time, and so is what the client
   * has to wait for us in between; yet for that it gets no more than the same time again.
   */
  awaitContent(progress: Readonly<ContentProgress>): void {
    const { clock, dataTimeoutMs } = this.#settings;
    const nowMs = clock.monotonicMs();
    this.#content = progress;
    this.#phaseAtMs = nowMs + dataTimeoutMs;
    this.#contentAtMs = this.#phaseAtMs;
    this.#graceMs = dataTimeoutMs;
    this.#beginWindow(progress, nowMs);
    this.#watch(Math.min(this.#phaseAtMs, this.#rateAtMs), nowMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #watch(untilMs: number, nowMs: number): void {
    if (untilMs < this.#timerAtMs && !this.#stopped) {
      this.#timer?.cancel();
      this.#timerAtMs = Math.min(untilMs, nowMs + RATE_WINDOW_MS);
      this.#timer = this.#settings.clock.after(this.#timerAtMs - nowMs, () => this.#look());
    }
  }

  #look(): void {
    const nowMs = this.#settings.clock.monotonicMs();
    this.#timerAtMs = Infinity;
    this.#lookAt(nowMs);
    // What is past was told once.
    const next = [this.#phaseAtMs, this.#loginAtMs, this.#rateAtMs].filter((atMs) => atMs > nowMs);
    this.#watch(Math.min(nowMs + RATE_WINDOW_MS, ...next), nowMs);
  }

  #lookAt(nowMs: number): void {
    const content = this.#content;
    const isOurTime = content?.complete === true;
    if (this.#phaseAtMs <= nowMs && content !== null) {
      this.#phaseAtMs = this.#contentAtMs + Math.min(content.waitedMs, this.#graceMs);
    }
    if (this.#phaseAtMs <= nowMs) {
      this.#phaseAtMs = Infinity;
      if (!isOurTime) {
        this.#cut(content === null ? 'No command came in time' : 'The message took too long');
      }
    }
    if (this.#loginAtMs <= nowMs) {
      this.#loginAtMs = Infinity;
      this.#cut('No login came in time', 'login-timeout');
    }
    if (this.#rateAtMs <= nowMs) {
      this.#rateAtMs = Infinity;
      if (content !== null && !isOurTime) {
        this.#judgeRate(content, nowMs);
      }
    }
  }

  /**
   * A window in which the client had to wait for us says nothing about it. Nor does one in which its
   * sessions together sent as much as is due from all of them: it sends its messages in turn. To keep
   * slow sessions open so costs it as much as to send in each.
   */
  #judgeRate(content: Readonly<ContentProgress>, nowMs: number): void {
    const { client } = content;
    const waited = client.waiting > 0 || content.waits !== this.#waitsBefore;
    const dueBytes = (this.#settings.minDataRate * RATE_WINDOW_MS) / 1000;
    const isSlow =
      content.bytes - this.#bytesBefore < dueBytes &&
      client.bytes - this.#clientBytesBefore < dueBytes * client.sessions;
    if (!waited && isSlow) {
      this.#cut('The message came too slowly', 'data-rate');
    } else {
      this.#beginWindow(content, nowMs);
    }
  }

  #beginWindow({ bytes, waits, client }: Readonly<ContentProgress>, nowMs: number): void {
    this.#bytesBefore = bytes;
    this.#clientBytesBefore = client.bytes;
    this.#waitsBefore = waits;
    this.#rateAtMs = nowMs + RATE_WINDOW_MS;
  }
}
