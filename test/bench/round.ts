import { setTimeout as pause } from 'node:timers/promises';
import type { Running } from './contender.js';
import type { Hop } from './hop.js';
import {
  canMeasureProcesses,
  cpuUsOf,
  machineBusyUs,
  peakBytesOf,
  resetPeaks,
} from './process-cost.js';
import type { Source } from './source.js';
import { quantile } from './statistics.js';
import { monotonicMs, type Load } from './traffic.js';

/** What one round of one contender came to. */
export interface Round {
  /** Messages a second, from the first byte that was sent, or the release, to the last arrival at the sink. */
  perSecond: number;
  /** CPU time of all processes of the contender, in microseconds a message; null where not known. */
  cpuUs: number | null;
  /** Peaks of their resident sets, added up. */
  peakBytes: number | null;
  /** What of these a broker beside the relay took; null without one. */
  broker: { cpuUs: number; peakBytes: number } | null;
  /** Cores of the machine that were busy with whatever until the last arrival, on average. */
  busyCores: number | null;
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
  const { source, hop, deadlineMs } = bench;
  const goal = (await hop.arrived()) + load.messages;
  const meter = new CostMeter(running);
  const [sent, lastMs] = await Promise.all([
    source.send(load, running.port),
    hop.untilArrived(goal, deadlineMs).finally(() => meter.arrived()),
  ]);
  const cost = await meter.read(load.messages, bench.quietMs);
  const delaysMs = await checkedDelaysMs(hop, goal, load);
  return {
    perSecond: (load.messages / (lastMs - sent.startedMs)) * 1000,
    ...cost,
    replyMs: quantilesOf(sent.replyMs),
    arrivalMs: quantilesOf(delaysMs),
  };
}

/**
 * Lets one load in while nothing leaves, and times it on its way out: from the release to the last
 * arrival. What it took to let it in is not counted.
 *
 * @throws as `measureRound`, and when something leaves before its release
 */
export async function measureDrain(running: Running, load: Load, bench: Bench): Promise<Round> {
  const { holding, port, pids } = running;
  const { source, hop, deadlineMs, quietMs } = bench;
  if (holding === undefined) throw new Error('it cannot be told to hold mail back');
  const before = await hop.arrived();
  const goal = before + load.messages;
  await holding.hold();
  await source.send(load, port);
  if (canMeasureProcesses()) await untilQuiet(pids, quietMs);
  if ((await hop.arrived()) !== before) throw new Error('mail left that was to be held back');
  const meter = new CostMeter(running);
  const startedMs = monotonicMs();
  const [lastMs] = await Promise.all([
    hop.untilArrived(goal, deadlineMs).finally(() => meter.arrived()),
    holding.release(),
  ]);
  const cost = await meter.read(load.messages, quietMs);
  await checkedDelaysMs(hop, goal, load);
  const perSecond = (load.messages / (lastMs - startedMs)) * 1000;
  return { perSecond, ...cost, replyMs: null, arrivalMs: null };
}

/** How long messages were under way, where that is known. @throws when one has arrived twice */
async function checkedDelaysMs(hop: Hop, goal: number, { messages }: Load): Promise<number[]> {
  const surplus = (await hop.arrived()) - goal;
  if (surplus !== 0) {
    throw new Error(`${messages + surplus} messages arrived of ${messages} that were sent`);
  }
  return hop.takeDelaysMs();
}

/** What a contender, and the machine, take from now on. */
class CostMeter {
  readonly #running: Running;
  readonly #startMs = monotonicMs();
  readonly #before: { allUs: number; brokerUs: number; machineUs: number } | null;
  #busyCores: number | null = null;

  constructor(running: Running) {
    this.#running = running;
    const { pids, brokerPids = [] } = running;
    const isMeasured = canMeasureProcesses();
    if (isMeasured) resetPeaks(pids);
    this.#before = isMeasured
      ? { allUs: cpuUsOf(pids), brokerUs: cpuUsOf(brokerPids), machineUs: machineBusyUs() }
      : null;
  }

  /** The last message has. How busy the machine was is asked up to here. */
  arrived(): void {
    if (this.#before === null) return;
    const passedUs = (monotonicMs() - this.#startMs) * 1000;
    this.#busyCores = (machineBusyUs() - this.#before.machineUs) / passedUs;
  }

  /** When the contender has become quiet. */
  async read(
    messages: number,
    quietMs: number,
  ): Promise<Pick<Round, 'cpuUs' | 'peakBytes' | 'broker' | 'busyCores'>> {
    const before = this.#before;
    if (before === null) return { cpuUs: null, peakBytes: null, broker: null, busyCores: null };
    const { pids, brokerPids = [] } = this.#running;
    await untilQuiet(pids, quietMs);
    const brokerUs = cpuUsOf(brokerPids) - before.brokerUs;
    return {
      cpuUs: (cpuUsOf(pids) - before.allUs) / messages,
      peakBytes: peakBytesOf(pids),
      broker:
        brokerPids.length === 0
          ? null
          : { cpuUs: brokerUs / messages, peakBytes: peakBytesOf(brokerPids) },
      busyCores: this.#busyCores,
    };
  }
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
