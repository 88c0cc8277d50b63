import type { SentMessage } from '../../../../src/topology/lab/evidence.js';
import type {
  MailLoad,
  MailUnderWay,
  SendContext,
} from '../../../../src/topology/lab/load/load.js';
import {
  runSteps,
  type StepsOptions,
  type StepsProgress,
  type StepsResult,
} from '../../../../src/topology/lab/steps/run-steps.js';
import {
  testSchema,
  type SendEntry,
  type StepEntry,
} from '../../../../src/topology/schema-tests.js';
import { VirtualClock } from '../../../base/virtual-clock.js';
import { FakeRun } from '../fake-run.js';

export function stepsOf(...steps: Array<Record<string, unknown>>): StepEntry[] {
  return testSchema.parse({ name: 'x', steps, expect: {} }).steps;
}

/** Mail that is settled one by one, each `everyMs` of the virtual time; Infinity: never. */
export class FakeLoad implements MailLoad {
  readonly contexts: SendContext[] = [];
  readonly #clock: VirtualClock;
  everyMs = 10;
  arrived = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  count({ count }: SendEntry): number {
    return count ?? 1;
  }

  start(entry: SendEntry, context: SendContext): Promise<MailUnderWay> {
    this.contexts.push(context);
    const total = this.count(entry);
    let settled = 0;
    const ended = new Promise<void>((resolve) => {
      context.signal.addEventListener('abort', () => resolve(), { once: true });
      const next = (): void => {
        if (context.signal.aborted) return;
        context.onProgress(++settled, total);
        if (settled === total) resolve();
        else this.#clock.after(this.everyMs, next);
      };
      if (this.everyMs !== Infinity) this.#clock.after(this.everyMs, next);
    });
    return Promise.resolve({
      total,
      get settled() {
        return settled;
      },
      ended,
      sent: () =>
        Array.from(
          { length: total },
          (_, index) =>
            ({ number: context.firstNumber + index, step: context.step }) as SentMessage,
        ),
    });
  }

  arrivedAt(): Promise<number> {
    return Promise.resolve(this.arrived);
  }
}

export interface Stage {
  clock: VirtualClock;
  run: FakeRun;
  load: FakeLoad;
  stop: AbortController;
  progress: StepsProgress[];
}

export function stage(): Stage {
  const clock = new VirtualClock();
  const run = new FakeRun();
  run.stamp = () => `${clock.monotonicMs()} `;
  return { clock, run, load: new FakeLoad(clock), stop: new AbortController(), progress: [] };
}

/** Begins steps on a stage; whoever began them lets time pass with `drive`. */
export function begin(
  { clock, run, load, stop, progress }: Stage,
  steps: StepEntry[],
  changes: Partial<StepsOptions> = {},
): Promise<StepsResult> {
  return runSteps({
    steps,
    run,
    load,
    clock,
    signal: stop.signal,
    deadlineMs: 120_000,
    folder: '/nowhere',
    onProgress: (one) => progress.push(one),
    ...changes,
  });
}

/** Lets everything happen that can happen now. */
export async function turn(): Promise<void> {
  for (let count = 0; count < 20; count++) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets time pass from timer to timer until the work is done. */
export async function drive<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  let isDone = false;
  const mark = (): void => {
    isDone = true;
  };
  work.then(mark, mark);
  await turn();
  while (!isDone) {
    clock.advance(clock.delaysMs[0] ?? 0);
    await turn();
  }
  return work;
}

export function play(
  on: Stage,
  steps: StepEntry[],
  changes: Partial<StepsOptions> = {},
): Promise<StepsResult> {
  return drive(on.clock, begin(on, steps, changes));
}
