import { setMaxListeners } from 'node:events';
import type { Clock } from '../../../base/clock.js';
import { messageOf, RelayError } from '../../../base/errors.js';
import type { StepEntry, WaitEntry } from '../../schema-tests.js';
import type { SentMessage, StepOutcome } from '../evidence.js';
import type { MailLoad, MailUnderWay } from '../load/load.js';
import { pause, whenAborted } from '../pause.js';
import type { LabRun } from '../run.js';
import { durationMs } from '../units.js';
import { InForce } from './in-force.js';
import { changeTopology } from './reloading.js';
import { disturb, drainNode } from './disturbing.js';
import { titleOf } from './title.js';
import { waitFor, type WaitContext } from './waiting.js';

/** How long mail may still be on its way when a test ends without a `wait` of its own. */
const LAST_DRAIN: WaitEntry = { drained: true, timeout: '30s' };

export type StepsProgress =
  | { kind: 'begun'; index: number; title: string }
  /** A `send` is at its end when all of its mail was taken, refused or given up. */
  | { kind: 'ended'; index: number; outcome: StepOutcome }
  | { kind: 'sent'; index: number; settled: number; total: number };

export interface StepsOptions {
  steps: readonly StepEntry[];
  run: LabRun;
  load: MailLoad;
  clock: Clock;
  /** Somebody wants it to end: at once, with what was under way marked. */
  signal: AbortSignal;
  /** Time for all of it, from now, in milliseconds; it ends like `signal` does then. */
  deadlineMs: number;
  /** Folder of the topology file, where names of other files start from. */
  folder: string;
  onProgress: (progress: StepsProgress) => void;
  /**
   * Called when all steps and all mail have ended, while faults, partitions and pauses are still in
   * force and frozen processes are not thawed: the moment at which a test looks.
   */
  beforeUndo?: (sent: SentMessage[]) => Promise<void>;
}

export interface StepsResult {
  /** One for each step, in order. */
  outcomes: StepOutcome[];
  /** All mail of all `send` steps that were begun, in the order of its numbers. */
  sent: SentMessage[];
  /** What kept steps from coming to their end, or from being begun; null: nothing did. */
  cut: 'deadline' | 'stopped' | null;
}

/**
 * Runs the steps of a test in their order. A `send` goes on in the background, all others are
 * awaited. `after` counts from the begin of the steps or from the end of the last `wait`, and a step
 * whose time has passed begins at once.
 *
 * After the last step it waits until all mail was handed in, for as long as the test has, and,
 * unless the last step was a `wait`, up to 30 s until no node has any left. That this does not come
 * true is no failure: expectations tell. After a `wait` that failed as the last step nothing is
 * waited for.
 *
 * When something of the lab's own fails, the step is `broken` and no further step is begun. What a
 * step put in force is undone by its `for`, by another step, or before this resolves; no send is
 * left either. An action of the run that was cut off may still go on, and is then undone as it ends.
 *
 * Rejects only with what `beforeUndo` rejects with.
 */
export function runSteps(options: StepsOptions): Promise<StepsResult> {
  return new StepsRun(options).run();
}

class StepsRun {
  readonly #options: StepsOptions;
  readonly #outcomes: StepOutcome[];
  readonly #inForce: InForce;
  readonly #sends: MailUnderWay[] = [];
  readonly #sendsEnded: Promise<void>[] = [];
  /** Aborted when nothing is to be waited for any more. */
  readonly #over = new AbortController();
  readonly #beganMs: number;
  readonly #wait: WaitContext;
  #endedBy: StepsResult['cut'] = null;

  constructor(options: StepsOptions) {
    this.#options = options;
    const { steps, run, load, clock } = options;
    // Each connection of each send listens; they are many, and bounded by the schema.
    setMaxListeners(0, this.#over.signal);
    this.#beganMs = clock.monotonicMs();
    this.#inForce = new InForce(clock);
    this.#wait = { run, load, clock, signal: this.#over.signal, sends: this.#sends };
    this.#outcomes = steps.map((step, index) => ({
      index,
      title: titleOf(step),
      startedMs: null,
      endedMs: null,
      failure: null,
      broken: null,
    }));
  }

  async run(): Promise<StepsResult> {
    const { clock, signal, deadlineMs, beforeUndo } = this.#options;
    const stop = (): void => this.#end('stopped');
    const timer = clock.after(deadlineMs, () => this.#end('deadline'));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      await this.#runAll();
      const isWhole = !this.#over.signal.aborted;
      if (isWhole && !this.#isBroken) await this.#waitForMail();
      const cut = isWhole && this.#endedBy === 'deadline' ? null : this.#endedBy;
      this.#over.abort();
      await Promise.all(this.#sendsEnded);
      const sent = this.#sends.flatMap((send) => send.sent());
      await beforeUndo?.(sent);
      return { outcomes: this.#outcomes, sent, cut };
    } finally {
      this.#over.abort();
      await Promise.all(this.#sendsEnded);
      await this.#inForce.end();
      timer.cancel();
      signal.removeEventListener('abort', stop);
    }
  }

  #end(by: 'deadline' | 'stopped'): void {
    this.#endedBy ??= by;
    this.#over.abort();
  }

  get #isBroken(): boolean {
    return this.#outcomes.some(({ broken }) => broken !== null);
  }

  #sinceBegin(): number {
    return this.#options.clock.monotonicMs() - this.#beganMs;
  }

  async #runAll(): Promise<void> {
    const { steps, clock } = this.#options;
    let baseMs = this.#beganMs;
    for (const [index, step] of steps.entries()) {
      const outcome = this.#outcomes[index];
      if (outcome === undefined) return;
      if (step.after !== undefined) {
        const earlyMs = baseMs + durationMs(step.after) - clock.monotonicMs();
        if (earlyMs > 0) await pause(clock, earlyMs, this.#over.signal);
      }
      if (this.#over.signal.aborted || this.#isBroken) return;
      await this.#runStep(step, outcome);
      if (step.wait !== undefined) baseMs = clock.monotonicMs();
    }
  }

  async #runStep(step: StepEntry, outcome: StepOutcome): Promise<void> {
    const { index, title } = outcome;
    outcome.startedMs = this.#sinceBegin();
    this.#options.onProgress({ kind: 'begun', index, title });
    const work = this.#act(step, outcome).catch((error: unknown) => {
      outcome.broken ??= wordsOf(error);
    });
    // A wait sees the end by itself, and then says what was missing.
    const cut =
      step.wait === undefined
        ? await Promise.race([work.then(() => false), this.#whenOver()])
        : await work.then(() => false);
    if (cut) outcome.broken ??= 'it had not come to its end when the test ended';
    if (step.send === undefined || outcome.broken !== null) this.#close(outcome);
  }

  #close(outcome: StepOutcome): void {
    outcome.endedMs ??= this.#sinceBegin();
    this.#options.onProgress({ kind: 'ended', index: outcome.index, outcome });
  }

  async #whenOver(): Promise<true> {
    await whenAborted(this.#over.signal);
    return true;
  }

  async #act(step: StepEntry, outcome: StepOutcome): Promise<void> {
    const { run, folder } = this.#options;
    if (step.send !== undefined) await this.#send(step.send, outcome);
    else if (step.wait !== undefined) outcome.failure = await waitFor(step.wait, this.#wait);
    else if (step.drain !== undefined) {
      const failure = await drainNode(step.drain, this.#inForce, this.#wait);
      if (outcome.endedMs === null) outcome.failure = failure;
    } else if (step.reload !== undefined || step.rotate !== undefined) {
      await changeTopology(step, run, folder, outcome);
    } else await disturb(step, run, this.#inForce, outcome);
  }

  async #send(entry: NonNullable<StepEntry['send']>, outcome: StepOutcome): Promise<void> {
    const { load, folder, onProgress } = this.#options;
    const { index } = outcome;
    const send = await load.start(entry, {
      step: index,
      firstNumber: 1 + this.#sends.reduce((sum, { total }) => sum + total, 0),
      folder,
      signal: this.#over.signal,
      onProgress: (settled, total) => onProgress({ kind: 'sent', index, settled, total }),
    });
    this.#sends.push(send);
    this.#sendsEnded.push(send.ended.then(() => this.#close(outcome)));
  }

  async #waitForMail(): Promise<void> {
    const last = this.#options.steps.at(-1);
    if (last?.wait !== undefined && this.#outcomes.at(-1)?.failure !== null) return;
    await Promise.race([Promise.all(this.#sendsEnded), this.#whenOver()]);
    if (last?.wait === undefined) await waitFor(LAST_DRAIN, this.#wait);
  }
}

/** The message, with its code where it has one. */
export function wordsOf(error: unknown): string {
  return error instanceof RelayError ? `${error.message} [${error.code}]` : messageOf(error);
}
