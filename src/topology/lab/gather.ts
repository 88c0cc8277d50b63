import { systemClock, type Clock } from '../../base/clock.js';
import type { Topology } from '../schema.js';
import type { RunState } from '../state.js';
import type { ArrivedMessage, Evidence, SentMessage, StepOutcome } from './evidence.js';
import { mailOf } from './expect/mail.js';
import { readArrivals } from './gather-arrivals.js';
import { askTraces } from './gather-traces.js';
import type { LabRun } from './run.js';

const MAX_TRACES = 1000;

export interface GatherOptions {
  state: RunState;
  topology: Topology;
  sent: SentMessage[];
  steps: StepOutcome[];
  run: Pick<LabRun, 'queued'>;
  /** Draws the traces that are asked for, where there are too many. */
  seed: number;
  signal: AbortSignal;
  /** How long traces that are not settled yet are asked for again, in all. */
  deadlineMs: number;
  /** Longest stall of the event loop during the test. */
  stallMs: number;
  /** Of sinks that have ended since, by `readArrivals`; what a sink still has counts once. */
  earlier?: readonly ArrivedMessage[];
  maxTraces?: number;
  clock?: Clock;
}

/**
 * Reads what a test is judged by from its sinks and nodes.
 *
 * @throws RelayError when a sink that runs does not answer: nothing can be said then.
 */
export async function gather(options: GatherOptions): Promise<Evidence> {
  const { state, topology, sent, steps, run, stallMs, clock = systemClock } = options;
  const now = await readArrivals(state, sent);
  const arrived = [
    ...new Map([...(options.earlier ?? []), ...now].map((one) => [keyOf(one), one])),
  ].map(([, message]) => message);
  const evidence: Evidence = {
    topology,
    sent,
    arrived,
    traces: new Map(),
    tracesSampled: false,
    queued: {},
    steps,
    stallMs,
  };
  const { traces, sampled } = await askTraces(mailOf(evidence), {
    state,
    topology,
    maxTraces: options.maxTraces ?? MAX_TRACES,
    seed: options.seed,
    signal: options.signal,
    deadlineMs: options.deadlineMs,
    clock,
  });
  return {
    ...evidence,
    traces,
    tracesSampled: sampled,
    queued: await queuedIn(Object.keys(topology.nodes), run),
  };
}

/** A node that does not answer, as one that is frozen, cannot be looked into either: null. */
async function queuedIn(
  nodes: readonly string[],
  run: Pick<LabRun, 'queued'>,
): Promise<Record<string, number | null>> {
  const entries = await Promise.all(
    nodes.map(async (name): Promise<[string, number | null]> => [
      name,
      await run.queued(name).catch(() => null),
    ]),
  );
  return Object.fromEntries(entries);
}

/** Sinks number their messages by time, so one that was started again gives no id twice. */
function keyOf({ sink, id }: ArrivedMessage): string {
  return `${sink} ${id}`;
}
