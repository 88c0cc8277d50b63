import { collectDefaultMetrics, Counter, Gauge, Registry, type Histogram } from 'prom-client';
import type { NodeStatus } from './api/shape/node.js';
import type { BucketCounts } from './base/bucket-counts.js';
import type { Injection } from './intake/injection.js';
import type { IntakeCounts } from './intake/intake-counts.js';
import type { Listener } from './intake/listener.js';
import type { MetricDefinition, MetricFigures } from './node-metric.js';
import { METRICS } from './node-metric-list.js';
import type { RabbitmqFigures } from './node-rabbitmq.js';
import { hopNames, OTHER_HOP, type NodeTraffic } from './node-traffic.js';
import type { MailQueue } from './queue/mail-queue.js';
import type { RouteTable } from './route/table.js';
import type { ConnectionPool } from './send/connection-pool.js';
import type { OtlpExporter } from './trace/export-otlp.js';
import type { LevelTraceStore } from './trace/level-store.js';

const PREFIX = 'relaymesh_';

export interface MetricParts {
  traffic: NodeTraffic;
  status: () => Promise<NodeStatus>;
  table: () => RouteTable;
  listeners: readonly Listener[];
  injection: Injection;
  queue: MailQueue;
  pool: ConnectionPool;
  exporter: OtlpExporter;
  traceStore: LevelTraceStore;
  /** Null where the node has nothing to do with RabbitMQ. */
  rabbitmq: () => RabbitmqFigures | null;
}

/**
 * What Prometheus asks for. Nothing of it is kept up to date on the way of a message: what passes is
 * counted in plain numbers, and everything is put together when somebody asks.
 */
export class NodeMetrics {
  readonly #parts: MetricParts;
  readonly #process = processRegistry();

  constructor(parts: MetricParts) {
    this.#parts = parts;
  }

  /** In the text format of Prometheus, version 0.0.4. */
  async text(): Promise<string> {
    const registry = new Registry();
    const figures = await this.#figures();
    for (const definition of METRICS) {
      fill(registry, definition, figures);
    }
    const [own, ofProcess] = await Promise.all([registry.metrics(), this.#process.metrics()]);
    return `${own}\n${ofProcess}`;
  }

  async #figures(): Promise<MetricFigures> {
    const { traffic, table, listeners, injection, queue, exporter, traceStore } = this.#parts;
    const status = await this.#parts.status();
    const names = hopNames(table());
    const counts = listeners.map((one): [string, IntakeCounts] => [one.settings.name, one.counts]);
    return {
      status,
      listeners: new Map(counts),
      api: injection.counts,
      traffic,
      hops: queue.totalsByHop(names, OTHER_HOP),
      sessions: this.#sessions(names),
      otlp: exporter.counts,
      doubtsReleased: queue.doubtsReleased,
      tier: queue.tierFigures,
      trace: traceStore.figures,
      rabbitmq: this.#parts.rabbitmq(),
    };
  }

  #sessions(names: readonly string[]): MetricFigures['sessions'] {
    const sessions = new Map(names.map((name) => [name, { open: 0, busy: 0 }]));
    const others = { open: 0, busy: 0 };
    for (const { name, open, busy } of this.#parts.pool.sessionsByHop()) {
      const total = sessions.get(name) ?? others;
      total.open += open;
      total.busy += busy;
    }
    return sessions.set(OTHER_HOP, others);
  }
}

function fill(registry: Registry, definition: MetricDefinition, figures: MetricFigures): void {
  const { help, labels } = definition;
  const name = PREFIX + definition.name;
  const options = { name, help, labelNames: [...labels], registers: [registry] };
  switch (definition.type) {
    case 'counter': {
      const counter = new Counter(options);
      // One without labels begins with 0, also where there is nothing to be counted.
      if (labels.length === 0) counter.remove();
      for (const [values, value] of definition.read(figures)) {
        counter.inc(labelled(labels, values), value ?? 0);
      }
      break;
    }
    case 'gauge': {
      const gauge = new Gauge(options);
      // As above: nobody has measured that 0.
      if (labels.length === 0) gauge.remove();
      for (const [values, value] of definition.read(figures)) {
        if (value !== null) gauge.set(labelled(labels, values), value);
      }
      break;
    }
    case 'histogram': {
      const values = [...definition.read(figures)].flatMap(([label, counts]) =>
        bucketValues(name, labelled(labels, label), counts),
      );
      const metric = { name, get: () => ({ name, help, type: 'histogram', values }) };
      // The registry only reads what it is given; a histogram of the library would count by itself.
      registry.registerMetric(metric as unknown as Histogram);
      break;
    }
  }
}

type Labels = Record<string, string | number>;

function labelled(names: readonly string[], values: readonly (string | number)[]): Labels {
  return Object.fromEntries(names.map((name, index) => [name, values[index] as string | number]));
}

/** The series of one histogram: what lies at or below each bound, the sum, and the number. */
function bucketValues(name: string, labels: Labels, { bounds, counts, sum }: BucketCounts) {
  let below = 0;
  const buckets = [...bounds, '+Inf'].map((le, index) => {
    below += counts[index] as number;
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: below },
  ];
}

/** Figures of this process alone, in the same format: for one that is no node itself. */
export function processMetrics(): Promise<string> {
  return processRegistry().metrics();
}

/** One for all nodes of the process; what it watches, it watches until the process ends. */
let ofProcess: Registry | null = null;

/** Figures of the process and of Node.js; those of the event loop are over the time since the last scrape. */
function processRegistry(): Registry {
  if (ofProcess === null) {
    ofProcess = new Registry();
    collectDefaultMetrics({ register: ofProcess, prefix: PREFIX });
  }
  return ofProcess;
}
