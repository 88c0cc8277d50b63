import { EventFeed } from '../api/event-feed.js';
import type { NodeConfig } from '../api/shape/node.js';
import type { ApiViews, PeerAnswer, PeerRequest } from '../api/views.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { WorkerLink } from './link.js';
import { MergedEvents } from './merged-events.js';
import { MergedHealth } from './merged-health.js';
import { MergedInject } from './merged-inject.js';
import { mergedMessages } from './merged-messages.js';
import { MergedMetrics } from './merged-metrics.js';
import { mergedMesh, mergedNode, type MeshPeers } from './merged-node.js';
import { StandingOrders } from './merged-orders.js';
import { mergedQuarantine } from './merged-quarantine.js';
import { WorkerQuestions } from './merged-questions.js';
import { mergedQueues } from './merged-queues.js';
import type { WorkerProcess } from './merged-status.js';
import { mergedTrace, type TracePeers } from './merged-trace.js';

/** The APIs of the other nodes. */
export interface MergedPeers extends TracePeers, MeshPeers {
  /** Null for a node whose API is not known here. */
  pass(node: string, request: PeerRequest): Promise<PeerAnswer> | null;
}

export interface MergedViewsOptions {
  /** Name of the node, which is that of each worker. */
  node: string;
  /** All workers, as they are now. */
  links: () => readonly WorkerLink[];
  /** Those of the settings in force. */
  peers: () => MergedPeers;
  clock: Clock;
  log: Logger;
  /** The settings of the node as a whole; default: those of a worker. */
  config?: () => NodeConfig;
  /** What is known of the process of a worker; default: nothing. */
  processOf?: (worker: number) => WorkerProcess | null;
  /** Metrics of the front's own process, as text; default: none. */
  processMetrics?: () => Promise<string>;
}

/** What the API of a node with several workers works on: they are one node to whoever asks. */
export class MergedViews {
  readonly views: ApiViews;
  readonly #orders: StandingOrders;
  readonly #events: MergedEvents;

  constructor(options: MergedViewsOptions) {
    const { node, links, peers, clock, log, processMetrics = async () => '' } = options;
    const workers = new WorkerQuestions(links);
    const health = new MergedHealth(workers, clock);
    this.#orders = new StandingOrders(workers, clock);
    this.#events = new MergedEvents({ node, feed: new EventFeed(clock), workers, clock, log });
    this.views = {
      trace: mergedTrace({ node, workers, peers, clock }),
      queues: mergedQueues(workers, this.#orders),
      quarantine: mergedQuarantine(workers),
      inject: new MergedInject(workers, health),
      messages: mergedMessages(workers),
      mesh: mergedMesh({ node, workers }, peers),
      node: mergedNode({
        node,
        workers,
        health,
        clock,
        config: options.config,
        processOf: options.processOf ?? (() => null),
      }),
      peers: { own: node, ask: (peer, request) => peers().pass(peer, request) },
      events: this.#events,
      metrics: new MergedMetrics(workers, processMetrics, () => health.notReady()),
      health,
    };
  }

  /** Ends what goes on by itself: streams of events, and looks at the workers. */
  stop(): void {
    this.#orders.stop();
    this.#events.close();
  }
}
