import type { Clock, Timer } from '../base/clock.js';
import type { PhasesMs } from '../trace/record.js';
import type { Stage } from './outcome.js';

/** In the order of a session. */
const PHASES = ['connect', 'greeting', 'tls', 'auth', 'mail', 'rcpt', 'data', 'dot'] as const;
const NOT_YET = -1;

/**
 * Where a session stands: its stage, the deadline of what it waits for, and the time that its
 * phases took. Every wait has an absolute deadline; the library's timers are rewound by each byte.
 *
 * One timer serves all waits: it looks at the deadline, which is moved without touching it. So it
 * may stand when nothing is waited for, until `stop`.
 */
export class SessionProgress {
  readonly #clock: Clock;
  readonly #onLate: (text: string) => void;
  stage: Stage = 'connect';
  #dueMs = Infinity;
  #timeoutMs = 0;
  #timer: Timer | null = null;
  #timerDueMs = Infinity;
  #spentMs: number[] = PHASES.map(() => NOT_YET);
  #phaseStartMs: number;

  constructor(clock: Clock, onLate: (text: string) => void) {
    this.#clock = clock;
    this.#onLate = onLate;
    this.#phaseStartMs = clock.monotonicMs();
  }

  /** The session waits for something; after `timeoutMs` it is told that it is late. */
  enter(stage: Stage, timeoutMs: number): void {
    this.#await(stage, timeoutMs, this.#clock.monotonicMs());
  }

  /** A phase ends, and the session waits for what comes next: `endPhase` and `enter` at one time. */
  pass(phase: keyof PhasesMs, stage: Stage, timeoutMs: number): void {
    this.#await(stage, timeoutMs, this.endPhase(phase));
  }

  endDeadline(): void {
    this.#dueMs = Infinity;
  }

  /** The session is over: nothing is timed any more. */
  stop(): void {
    this.endDeadline();
    this.#timer?.cancel();
    this.#timer = null;
  }

  startPhase(): void {
    this.#phaseStartMs = this.#clock.monotonicMs();
  }

  /** Adds the time since the last call to a phase. Returns what the clock shows. */
  endPhase(phase: keyof PhasesMs): number {
    const nowMs = this.#clock.monotonicMs();
    const at = PHASES.indexOf(phase);
    const spentMs = this.#spentMs[at] ?? 0;
    this.#spentMs[at] = (spentMs === NOT_YET ? 0 : spentMs) + nowMs - this.#phaseStartMs;
    this.#phaseStartMs = nowMs;
    return nowMs;
  }

  /** The phases since the last call. */
  takePhases(): PhasesMs {
    const phases: PhasesMs = {};
    for (let at = 0; at < PHASES.length; at++) {
      const spentMs = this.#spentMs[at] as number;
      if (spentMs !== NOT_YET) {
        phases[PHASES[at] as keyof PhasesMs] = Math.round(spentMs * 1000) / 1000;
        this.#spentMs[at] = NOT_YET;
      }
    }
    return phases;
  }

  #await(stage: Stage, timeoutMs: number, nowMs: number): void {
    this.stage = stage;
    this.#timeoutMs = timeoutMs;
    this.#dueMs = nowMs + timeoutMs;
    if (this.#timer === null || this.#dueMs < this.#timerDueMs) {
      this.#arm(nowMs);
    }
  }

  #arm(nowMs: number): void {
    this.#timer?.cancel();
    this.#timerDueMs = this.#dueMs;
    this.#timer = this.#clock.after(this.#dueMs - nowMs, () => this.#look());
  }

  #look(): void {
    this.#timer = null;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#dueMs) {
      this.#dueMs = Infinity;
      this.#onLate(`no answer within ${Math.round(this.#timeoutMs / 1000)} s`);
    } else if (this.#dueMs !== Infinity) {
      this.#arm(nowMs);
    }
  }
}
