import type { FaultRule } from '../../sink/faults.js';
import type { Topology } from '../schema.js';
import type { RunState } from '../state.js';

/**
 * A topology that runs for one test, and all that can be done to it. Steps act on this alone, so
 * that they are tested without processes.
 */
export interface LabRun {
  /** As it runs: loopback, free ports, generated secrets (`localize`). Changes with `reload`. */
  readonly topology: Topology;
  readonly state: RunState;

  /** SIGKILL to a node or sink; resolves when it is gone. One that does not run is fine. */
  kill(name: string): Promise<void>;
  /** SIGTERM; resolves when it is gone, which takes as long as its drain timeout at most. */
  stop(name: string): Promise<void>;
  /**
   * Starts a node or sink again; resolves when it is ready. One that runs is fine.
   * @throws RunnerError when it did not get ready.
   */
  start(name: string): Promise<void>;
  /** SIGSTOP. */
  freeze(name: string): Promise<void>;
  /** SIGCONT. */
  thaw(name: string): Promise<void>;

  /**
   * Cuts the link from a node to a node or sink, all of its listeners.
   * @throws RelayError LAB_NO_LINK when `from` never sends to `to`.
   */
  partition(link: LinkName, how: 'refuse' | 'silent'): Promise<void>;
  /** Ends the partition of a link; its faults stay. */
  mend(link: LinkName): Promise<void>;
  /** Arms a rule; the result ends it. @throws RelayError LAB_NO_LINK, or that of the sink's API. */
  arm(target: FaultTarget, rule: FaultRule): Promise<ArmedFault>;

  /**
   * The topology changes: the file of the run is replaced, ports and secrets stay, new nodes are
   * not started. Resolves when every node that had to reload has said what came of it.
   * @throws RelayError when the new topology is not in order; nothing has changed then.
   */
  reload(change: TopologyChange, only?: readonly string[]): Promise<ReloadOutcome[]>;
  /** A new random value for a secret; the nodes in `only` (default: all that use it) reload. */
  rotate(secret: string, only?: readonly string[]): Promise<ReloadOutcome[]>;

  /** Messages that a running node has not settled, over all of its queues; null: it does not run. */
  queued(node: string): Promise<number | null>;
  /** Messages that wait at the broker of its tier for any node; 0 where it has none, null: not known. */
  atBroker(node: string): Promise<number | null>;
  /** Pauses or resumes one queue, or all queues that there are now. */
  setPaused(node: string, queue: string | undefined, paused: boolean): Promise<void>;
}

export interface LinkName {
  from: string;
  to: string;
}

export type FaultTarget = { sink: string } | { link: LinkName };

export interface ArmedFault {
  /** Ends the fault; how often it matched and acted. Safe to call again. */
  disarm(): Promise<FaultCounts>;
}

export interface FaultCounts {
  matched: number;
  acted: number;
}

/** Another file (absolute path), or a merge patch (RFC 7396) for the present one. */
export type TopologyChange = { file: string } | { patch: Record<string, unknown> };

export interface ReloadOutcome {
  node: string;
  /** `restart`: part of the change needs a restart of the node; the rest holds. */
  result: 'reloaded' | 'refused' | 'restart' | 'not-running';
  /** What the node said about it, for people; '' when all is well. */
  detail: string;
}
