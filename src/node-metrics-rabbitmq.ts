import type { MetricDefinition, MetricFigures } from './node-metric.js';
import type { RabbitmqFigures } from './node-rabbitmq.js';

/** A value of a node that has queues there; others do not have it. */
function one(
  name: string,
  help: string,
  read: (figures: RabbitmqFigures) => number,
): MetricDefinition {
  return {
    name: `rabbitmq_${name}`,
    type: name.endsWith('_total') ? 'counter' : 'gauge',
    help,
    labels: [],
    read: ({ rabbitmq }: MetricFigures) => (rabbitmq === null ? [] : [[[], read(rabbitmq)]]),
  };
}

/** What passes between a node and its queues at RabbitMQ. */
export const RABBITMQ_METRICS: readonly MetricDefinition[] = [
  one('connected', '1 while the link to the broker is up.', ({ connected }) => {
    return connected ? 1 : 0;
  }),
  one('consumed_total', 'Messages of the outbox that are in the queue of the node.', (figures) => {
    return figures.consumed;
  }),
  one(
    'repeats_total',
    'Messages that the broker gave again, recognised and not taken again.',
    ({ repeats }) => repeats,
  ),
  one('dead_lettered_total', 'Messages of the outbox that were refused for good.', (figures) => {
    return figures.deadLettered;
  }),
  one('inbox_published_total', 'Messages of clients that the broker has.', (figures) => {
    return figures.inboxPublished;
  }),
  one('results_published_total', 'Results and reports at the broker, one a queue.', (figures) => {
    return figures.resultsPublished;
  }),
  one('results_dropped_total', 'Results that there was no room for.', ({ resultsDropped }) => {
    return resultsDropped;
  }),
  one(
    'results_waiting',
    'Results that the broker has not got, of those since the start.',
    ({ resultsWaiting }) => resultsWaiting,
  ),
  one('results_waiting_bytes', 'What results that wait take on disk.', (figures) => {
    return figures.resultsWaitingBytes;
  }),
];
