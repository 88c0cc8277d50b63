import type { ChainTrace } from '../../trace/record.js';
import type { Topology } from '../schema.js';
import type { FaultCounts, ReloadOutcome } from './run.js';

/**
 * What a test has seen: the facts that expectations are held against. Plain data, so that each
 * expectation is a function of it.
 */
export interface Evidence {
  topology: Topology;
  sent: SentMessage[];
  /** Only mail of this test and bounces about it; anything else a sink got is not in here. */
  arrived: ArrivedMessage[];
  /**
   * By Message-ID without brackets, from the first node. One without hops: nobody knows of the
   * message. Absent: it was not asked for, see `tracesSampled`.
   */
  traces: ReadonlyMap<string, ChainTrace>;
  /** Traces are asked for up to a bound; true when some were left out, drawn with the seed. */
  tracesSampled: boolean;
  /** Messages that each node still holds; null: it does not run, so its spool is unknown. */
  queued: Readonly<Record<string, number | null>>;
  steps: StepOutcome[];
  /** Longest stall of the lab's own event loop in milliseconds: what latencies cannot be told from. */
  stallMs: number;
}

export interface SentMessage {
  /** From 1, over all `send` steps. */
  number: number;
  /** Index of the step. */
  step: number;
  via: string;
  /** Without brackets. */
  messageId: string;
  sender: string;
  recipients: string[];
  sizeBytes: number;
  /** Lower-case hex over the bytes after the first empty line. */
  bodySha256: string;
  /** When the first attempt began; epoch milliseconds. */
  startedAtMs: number;
  outcome:
    /** The node answered 250 or 202. */
    | 'accepted'
    /** The node refused it for good, or kept refusing until the end. */
    | 'refused'
    /** Never tried to its end. */
    | 'unsent';
  /** An attempt was lost after its content was sent: the node may have it twice by our doing. */
  doubtful: boolean;
  /** The node's last words, for people. */
  reply: string;
  queueId: string | null;
}

export interface ArrivedMessage {
  sink: string;
  /** Id in the sink. */
  id: string;
  /** Without brackets; null without one. */
  messageId: string | null;
  sender: string;
  recipients: string[];
  /** Epoch milliseconds. */
  receivedAtMs: number;
  bodySha256: string;
  tls: boolean;
  user: string | null;
  /** Names of its header fields, lower case, each once; null when they were not read. */
  headerNames: string[] | null;
}

export interface StepOutcome {
  /** Index in `steps`. */
  index: number;
  /** As a line: `kill core-a`. */
  title: string;
  /** Since the steps began; null: it did not begin. */
  startedMs: number | null;
  endedMs: number | null;
  /** A `wait` that came to its timeout, a reload that did not do what was expected. */
  failure: string | null;
  /** Something of the lab's own failed (a node never got ready): the test says nothing. */
  broken: string | null;
  fault?: FaultCounts;
  reloads?: ReloadOutcome[];
}
