import type { NodeStatus } from './api/shape/node.js';
import type { BucketCounts } from './base/bucket-counts.js';
import type { IntakeCounts } from './intake/intake-counts.js';
import type { RabbitmqFigures } from './node-rabbitmq.js';
import type { NodeTraffic } from './node-traffic.js';
import type { HopTotals } from './queue/hop-totals.js';
import type { TierFigures } from './queue/tier-mail.js';
import type { OtlpCounts } from './trace/export-otlp.js';
import type { TraceFigures } from './trace/trace-figures.js';

/** What the metrics of a node are made of, as it is at a scrape. */
export interface MetricFigures {
  status: NodeStatus;
  /** By the listener's name. */
  listeners: ReadonlyMap<string, IntakeCounts>;
  /** Of what came by HTTP. */
  api: IntakeCounts;
  traffic: NodeTraffic;
  hops: ReadonlyMap<string, HopTotals>;
  /** Open sessions with each hop. */
  sessions: ReadonlyMap<string, { open: number; busy: number }>;
  otlp: OtlpCounts;
  doubtsReleased: number;
  /** Null where no tier shares the mail. */
  tier: TierFigures | null;
  trace: TraceFigures;
  /** Null where the node has nothing to do with RabbitMQ. */
  rabbitmq: RabbitmqFigures | null;
}

/** The values of a metric, each with those of its labels in their order. */
export type Samples<Value> = Iterable<[labels: readonly (string | number)[], value: Value]>;

interface Described {
  /** Without the prefix. */
  name: string;
  help: string;
  labels: readonly string[];
}

export type MetricDefinition =
  | (Described & {
      type: 'counter' | 'gauge';
      /** Null: not known now, and not shown. */
      read: (figures: MetricFigures) => Samples<number | null>;
    })
  | (Described & { type: 'histogram'; read: (figures: MetricFigures) => Samples<BucketCounts> });

/** A plain value without labels. */
export function one(
  name: string,
  help: string,
  read: (figures: MetricFigures) => number | null,
): MetricDefinition {
  const type = name.endsWith('_total') ? 'counter' : 'gauge';
  return { name, type, help, labels: [], read: (figures) => [[[], read(figures)]] };
}
