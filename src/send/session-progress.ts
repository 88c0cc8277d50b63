import type { Clock, Timer } from '../base/clock.js';
import type { PhasesMs } from '../trace/record.js';
import type { Stage } from './outcome.js';

/**
 * Where a session stands: its stage, the deadline of what it waits for, and the time that its
 * phases took. Every wait has an absolute deadline; the library's timers are rewound by each byte.
 */
export class SessionProgress {
  readonly #clock: Clock;
  readonly #onLate: (text: string) => void;
  stage: Stage = 'connect';
  #deadline: Timer | null = null;
  #phases: PhasesMs = {};
  #phaseStartMs: number;

  constructor(clock: Clock, onLate: (text: string) => void) {
    this.#clock = clock;
    this.#onLate = onLate;
    this.#phaseStartMs = clock.monotonicMs();
  }

  /** The session waits for something; after `timeoutMs` it is told that it is late. */
  enter(stage: Stage, timeoutMs: number): void {
    this.stage = stage;
    this.#deadline?.cancel();
    this.#deadline = this.#clock.after(timeoutMs, () =>
      this.#onLate(`no answer within ${Math.round(timeoutMs / 1000)} s`),
    );
  }

  endDeadline(): void {
    this.#deadline?.cancel();
    this.#deadline = null;
  }

  startPhase(): void {
    this.#phaseStartMs = this.#clock.monotonicMs();
  }

  /** Adds the time since the last call to a phase. */
  endPhase(phase: keyof PhasesMs): void {
    const startMs = this.#phaseStartMs;
    this.startPhase();
    const spentMs = (this.#phases[phase] ?? 0) + this.#phaseStartMs - startMs;
    this.#phases[phase] = Math.round(spentMs * 1000) / 1000;
  }

  /** The phases since the last call. */
  takePhases(): PhasesMs {
    const phases = this.#phases;
    this.#phases = {};
    return phases;
  }
}
