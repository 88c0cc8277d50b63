import type { NodeHistory as History } from './api/shape/node.js';
import type { Clock, Timer } from './base/clock.js';
import type { AttemptRecord, HopRecord, RecipientRecord } from './trace/record.js';
import type { TraceListener } from './trace/recorder.js';

const STEP_MS = 10_000;
/** One hour. */
const STEPS = 360;

/** Upper bounds of the rows of the heatmap, from what a relay needs to what a retry takes. */
const BOUNDS_MS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 900_000,
  3_600_000, 14_400_000, 86_400_000,
];

export interface NodeHistoryOptions {
  node: string;
  clock: Clock;
  /** Messages in the queues. */
  queued: () => number;
  rssBytes: () => number;
}

interface Step {
  received: number;
  receivedBytes: number;
  delivered: number;
  delayed: number;
  failed: number;
  queued: number;
  rssBytes: number;
  latencies: number[];
}

/**
 * The last hour of a node in steps of ten seconds, in memory. Steps go by the clock that does not
 * jump; those in which the process did not come to run are gaps. A message costs a few additions:
 * which step it belongs to is a timer's affair.
 */
export class NodeHistory implements TraceListener {
  readonly #options: NodeHistoryOptions;
  /** Ended steps, oldest first; null: a gap. */
  readonly #ended: Array<Step | null> = [];
  #step = newStep();
  /** Monotonic time at which it began. */
  #stepAtMs = 0;
  #timer: Timer | null = null;
  /** Recipients of the attempt that is being recorded. */
  #asked: readonly string[] = [];

  constructor(options: NodeHistoryOptions) {
    this.#options = options;
    this.#stepAtMs = options.clock.monotonicMs();
  }

  start(): void {
    this.#stepAtMs = this.#options.clock.monotonicMs();
    this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  accepted(hop: HopRecord): void {
    this.#step.received++;
    this.#step.receivedBytes += hop.size_bytes;
  }

  attempt(_hop: HopRecord, { recipients }: AttemptRecord): void {
    this.#asked = recipients;
  }

  settled({ recipients }: HopRecord, before: readonly RecipientRecord[]): void {
    const step = this.#step;
    let waiting: RecipientRecord[] | null = null;
    for (let index = 0; index < recipients.length; index++) {
      const recipient = recipients[index] as RecipientRecord;
      const then = before[index]?.action ?? 'queued';
      if (isWaiting(recipient)) {
        (waiting ??= []).push(recipient);
      } else if (then === 'queued' || then === 'delayed') {
        if (recipient.action === 'failed') step.failed++;
        else step.delivered++;
      }
    }
    step.delayed += waiting === null ? 0 : countOf(waiting, this.#asked);
    this.#asked = [];
  }

  finished({ total_ms: totalMs }: HopRecord): void {
    if (totalMs !== null) {
      const row = BOUNDS_MS.findIndex((bound) => totalMs <= bound);
      const { latencies } = this.#step;
      const at = row === -1 ? BOUNDS_MS.length : row;
      latencies[at] = (latencies[at] ?? 0) + 1;
    }
  }

  /** The step that is not over has what is known so far. */
  get history(): History {
    const { node, clock } = this.#options;
    const nowMs = clock.nowMs();
    const known = [...this.#ended, this.#sampled()];
    const gap = Array.from({ length: STEPS - known.length }, () => null);
    const steps: ReadonlyArray<Step | null> = [...gap, ...known];
    const series = (value: (step: Step) => number): Array<number | null> =>
      steps.map((step) => (step === null ? null : value(step)));
    const sinceStepMs = clock.monotonicMs() - this.#stepAtMs;
    return {
      node,
      asked_at: new Date(nowMs).toISOString(),
      from: new Date(nowMs - sinceStepMs - (STEPS - 1) * STEP_MS).toISOString(),
      step_seconds: STEP_MS / 1000,
      received: series(({ received }) => received),
      received_bytes: series(({ receivedBytes }) => receivedBytes),
      delivered: series(({ delivered }) => delivered),
      delayed: series(({ delayed }) => delayed),
      failed: series(({ failed }) => failed),
      queued: series(({ queued }) => queued),
      rss_bytes: series(({ rssBytes }) => rssBytes),
      latency: {
        bounds_ms: BOUNDS_MS,
        counts: steps.map((step) => step && [...step.latencies]),
      },
    };
  }

  /** The step as it is, with what is measured rather than counted. */
  #sampled(): Step {
    const { queued, rssBytes } = this.#options;
    this.#step.queued = queued();
    this.#step.rssBytes = rssBytes();
    return this.#step;
  }

  #arm(): void {
    const { clock } = this.#options;
    const leftMs = this.#stepAtMs + STEP_MS - clock.monotonicMs();
    this.#timer = clock.after(leftMs, () => {
      this.#endSteps();
      this.#arm();
    });
  }

  #endSteps(): void {
    const over = Math.floor((this.#options.clock.monotonicMs() - this.#stepAtMs) / STEP_MS);
    if (over > 0) {
      const gaps = Array.from({ length: Math.min(over - 1, STEPS) }, () => null);
      this.#ended.push(this.#sampled(), ...gaps);
      this.#ended.splice(0, this.#ended.length - (STEPS - 1));
      this.#stepAtMs += over * STEP_MS;
      this.#step = newStep();
    }
  }
}

function newStep(): Step {
  return {
    received: 0,
    receivedBytes: 0,
    delivered: 0,
    delayed: 0,
    failed: 0,
    queued: 0,
    rssBytes: 0,
    latencies: Array.from({ length: BOUNDS_MS.length + 1 }, () => 0),
  };
}

function isWaiting({ action }: RecipientRecord): boolean {
  return action === 'queued' || action === 'delayed';
}

/** How many of them were asked; nearly always it is one recipient. */
function countOf(recipients: readonly RecipientRecord[], asked: readonly string[]): number {
  if (asked.length < 2) {
    return recipients.filter(({ address }) => address === asked[0]).length;
  }
  const addresses = new Set(asked);
  return recipients.filter(({ address }) => addresses.has(address)).length;
}
