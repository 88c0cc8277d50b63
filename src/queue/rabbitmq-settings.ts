import type { BrokerSettings } from './shared-settings.js';

/** The queues at RabbitMQ by which programs hand in mail and hear what became of it; null: off. */
export interface RabbitmqSettings {
  broker: BrokerSettings;
  /** Messages as JSON are taken from here. */
  outbox: string | null;
  /** False for the workers of a node but one. */
  takesOutbox: boolean;
  /** What is not taken from the outbox for good. */
  deadLetters: string | null;
  /** Messages of the outbox that this node holds at once. */
  prefetch: number;
  /** What comes by SMTP goes here, and not into the queue of the node. */
  inbox: string | null;
  results: ResultQueues;
  /** Folder of the results that the broker has not got yet. */
  resultsDirectory: string;
  /** What these may take; beyond it they are dropped and counted. */
  maxResultBytes: number;
}

/** Where results go; null: nowhere. */
export interface ResultQueues {
  /** Every recipient that is settled. */
  all: string | null;
  success: string | null;
  failure: string | null;
  /** Every deferral. */
  retry: string | null;
  /** Reports to senders, which are not sent from here then. */
  dsn: string | null;
}

export const NO_RESULTS: ResultQueues = {
  all: null,
  success: null,
  failure: null,
  retry: null,
  dsn: null,
};

/** The queues that have to be at the broker, each once. */
export function queuesOf({ outbox, deadLetters, inbox, results }: RabbitmqSettings): string[] {
  const named = [outbox, outbox === null ? null : deadLetters, inbox, ...Object.values(results)];
  return [...new Set(named.filter((name): name is string => name !== null))];
}
