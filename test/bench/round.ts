import { setTimeout as pause } from 'node:timers/promises';
import type { Running } from './contender.js';
import type { Hop } from './hop.js';
import { canMeasureProcesses, cpuUsOf, peakBytesOf, resetPeaks } from './process-cost.js';
import type { Source } from './source.js';
import { quantile } from './statistics.js';
import type { Load } from './traffic.js';

/** What one round of one contender came to. */
export interface Round {
  /** Messages a second, from the first byte that was sent to the last arrival at the sink. */
  perSecond: number;
  /** CPU time of all processes of the contender, in microseconds a message; null where not known. */
  cpuUs: number | null;
  /** Peaks of their resident sets, added up. */
  peakBytes: number | null;
  /** From when a message was due to its 250; null where the source does not measure it. */
  replyMs: Quantiles | null;
  /** From when a message was due to its arrival at the sink. */
  arrivalMs: Quantiles | null;
}

export interface Quantiles {
  p50: number;
  p99: number;
}

export interface Bench {
  source: Source;
  hop: Hop;
  /** For one round. */
  deadlineMs: number;
  /** How long a contender has to have done nothing until its CPU time is read. */
  quietMs: number;
}

const QUIET_DEADLINE_MS = 15_000;
/** What a process takes that has nothing to do: timers, and one step of the counter. */
const IDLE_SHARE = 0.04;
const STEP_US = 10_000;

/**
 * Sends one load through one contender. Its CPU time is read when it has also done what it does
 * behind the delivery: removing what is queued, writing what it notes.
 *
 * @throws when a message is refused, does not arrive in time, or arrives twice
 */
export async function measureRound(running: Running, load: Load, bench: Bench): Promise<Round> {
  const { source, hop, deadlineMs, quietMs } = bench;
  const measured = canMeasureProcesses();
  const { pids, port } = running;
  const goal = (await hop.arrived()) + load.messages;
  if (measured) resetPeaks(pids);
  const beforeUs = measured ? cpuUsOf(pids) : 0;
  const [sent, lastMs] = await Promise.all([
    source.send(load, port),
    hop.untilArrived(goal, deadlineMs),
  ]);
  if (measured) await untilQuiet(pids, quietMs);
  const arrived = await hop.arrived();
  if (arrived !== goal) {
    const surplus = arrived - goal;
    throw new Error(
      `${load.messages + surplus} messages arrived of ${load.messages} that were sent`,
    );
  }
  const delaysMs = await hop.takeDelaysMs();
  return {
    perSecond: (load.messages / (lastMs - sent.startedMs)) * 1000,
    cpuUs: measured ? (cpuUsOf(pids) - beforeUs) / load.messages : null,
    peakBytes: measured ? peakBytesOf(pids) : null,
    replyMs: quantilesOf(sent.replyMs),
    arrivalMs: quantilesOf(delaysMs),
  };
}

/** Until the processes have taken next to no CPU time for so long; at most 15 s. */
async function untilQuiet(pids: readonly number[], quietMs: number): Promise<void> {
  const startMs = performance.now();
  for (;;) {
    const beforeUs = cpuUsOf(pids);
    await pause(quietMs);
    const idleUs = Math.max(STEP_US, quietMs * 1000 * IDLE_SHARE);
    if (cpuUsOf(pids) - beforeUs <= idleUs) return;
    if (performance.now() - startMs > QUIET_DEADLINE_MS) return;
  }
}

function quantilesOf(values: readonly number[]): Quantiles | null {
  return values.length === 0 ? null : { p50: quantile(values, 0.5), p99: quantile(values, 0.99) };
}
