import type { ChainTrace } from '../trace/record.js';
import type { TracePage, TraceQuery } from '../trace/store.js';

/** The narrow views of a node that the API works on. */

export interface TraceView {
  /** Newest first. */
  list(query: TraceQuery): Promise<TracePage>;
  /** The path of a message; null when nobody knows the id. */
  find(id: string, chain: boolean): Promise<ChainTrace | null>;
  /** The path as text for people. */
  draw(chain: ChainTrace, width: number): string;
}

/** One queue as the API shows it (INTERFACES: HTTP API). */
export interface ShownQueue {
  name: string;
}

export interface QueueControl {
  list(): ShownQueue[];
  /** False when there is no such queue. */
  control(name: string, action: 'pause' | 'resume' | 'retry'): boolean;
}

export interface HealthView {
  /** Null when the node takes mail, else why not. */
  notReady(): string | null;
}

export interface ApiViews {
  trace: TraceView;
  queues: QueueControl;
  health: HealthView;
}
