import { BucketCounts } from './base/bucket-counts.js';
import { topologyHops } from './route/hops.js';
import type { RouteTable } from './route/table.js';
import type {
  Action,
  AttemptRecord,
  AttemptResult,
  AttemptState,
  HopRecord,
  PhasesMs,
  RecipientRecord,
} from './trace/record.js';
import type { TraceListener } from './trace/recorder.js';

/** The name under which all hops stand that the topology does not name. */
export const OTHER_HOP = 'other';

/** Seconds from a local socket to a remote host that is in no hurry. */
const ATTEMPT_BOUNDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
] as const;
/** Seconds from at once to days. */
const QUEUE_BOUNDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400,
  345_600,
] as const;

/** The hops that a table names; mail servers found by DNS are not among them. */
export function hopNames(table: RouteTable): string[] {
  return topologyHops(table).flatMap(({ hop }) => (hop.kind === 'mx' ? [] : [hop.name]));
}

export type Phase = keyof PhasesMs;

const PHASES: readonly Phase[] = [
  'connect',
  'greeting',
  'tls',
  'auth',
  'mail',
  'rcpt',
  'data',
  'dot',
];

/** What was sent to one hop. */
export interface HopTraffic {
  /** Attempts, by where they ended and how. */
  attempts: Map<AttemptState, Map<AttemptResult, number>>;
  /** How long each of them took. */
  seconds: BucketCounts;
  /** Connections that were made, and of these those with TLS, by its version. */
  connections: number;
  tls: Map<string, number>;
}

/**
 * What passes the node, since it began, as the trace hears of it: plain numbers that are made into
 * metrics when somebody asks for these. Bounded: hops that the topology does not name are one.
 */
export class NodeTraffic implements TraceListener {
  readonly #others = newHop();
  #hops = new Map([[OTHER_HOP, this.#others]]);
  /** Each recipient counts once for being delayed, and once for its end. */
  readonly recipients = new Map<Action, number>();
  /** Messages that left the queue. */
  finishedMessages = 0;
  /** Reports to senders, and of these those that had to wait for the rate that is allowed. */
  reports = 0;
  reportsPostponed = 0;
  readonly phaseSeconds: ReadonlyMap<Phase, BucketCounts> = new Map(
    PHASES.map((phase) => [phase, new BucketCounts(ATTEMPT_BOUNDS)]),
  );
  /** From acceptance to the first attempt, and to the last recipient's end. */
  readonly waitSeconds = new BucketCounts(QUEUE_BOUNDS);
  readonly queueSeconds = new BucketCounts(QUEUE_BOUNDS);

  get hops(): ReadonlyMap<string, HopTraffic> {
    return this.#hops;
  }

  /** The hops of this table are told apart from now on; what others had counted is forgotten. */
  reload(table: RouteTable): void {
    const hops = new Map<string, HopTraffic>();
    for (const name of hopNames(table)) {
      hops.set(name, this.#hops.get(name) ?? newHop());
    }
    this.#hops = hops.set(OTHER_HOP, this.#others);
  }

  accepted(hop: HopRecord): void {
    if (hop.bounce_of !== null) {
      this.reports++;
      this.reportsPostponed += hop.recipients[0]?.next_attempt_at == null ? 0 : 1;
    }
  }

  settled({ recipients }: HopRecord, before: readonly RecipientRecord[]): void {
    for (let index = 0; index < recipients.length; index++) {
      const { action } = recipients[index] as RecipientRecord;
      const was = before[index]?.action ?? 'queued';
      if (action !== was && (was === 'queued' || was === 'delayed')) {
        this.recipients.set(action, (this.recipients.get(action) ?? 0) + 1);
      }
    }
  }

  attempt(_hop: HopRecord, attempt: AttemptRecord): void {
    const { next_hop: name, state, result, duration_ms: ms, phases_ms: phases } = attempt;
    const hop = this.#hops.get(name) ?? this.#others;
    let results = hop.attempts.get(state);
    if (results === undefined) {
      results = new Map();
      hop.attempts.set(state, results);
    }
    results.set(result, (results.get(result) ?? 0) + 1);
    hop.seconds.observe(ms / 1000);
    if (attempt.remote !== null && !attempt.reused) {
      hop.connections++;
      if (attempt.tls !== null) {
        const { protocol } = attempt.tls;
        hop.tls.set(protocol, (hop.tls.get(protocol) ?? 0) + 1);
      }
    }
    for (const phase of PHASES) {
      const phaseMs = phases[phase];
      if (phaseMs !== undefined) {
        (this.phaseSeconds.get(phase) as BucketCounts).observe(phaseMs / 1000);
      }
    }
  }

  finished({ queue_wait_ms: waitMs, total_ms: totalMs }: HopRecord): void {
    this.finishedMessages++;
    if (waitMs !== null) {
      this.waitSeconds.observe(waitMs / 1000);
    }
    if (totalMs !== null) {
      this.queueSeconds.observe(totalMs / 1000);
    }
  }
}

function newHop(): HopTraffic {
  return {
    attempts: new Map(),
    seconds: new BucketCounts(ATTEMPT_BOUNDS),
    connections: 0,
    tls: new Map(),
  };
}
