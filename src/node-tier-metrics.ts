import type { MetricDefinition, MetricFigures } from './node-metric.js';
import type { TierFigures } from './queue/tier-mail.js';

/** A value of a node whose mail a tier shares; others do not have it. */
function ofTier(name: string, help: string, read: (tier: TierFigures) => number): MetricDefinition {
  return {
    name,
    type: name.endsWith('_total') ? 'counter' : 'gauge',
    help,
    labels: [],
    read: ({ tier }: MetricFigures) => (tier === null ? [] : [[[], read(tier)]]),
  };
}

/** What a node tells about the broker that its tier shares mail at, and about what may have doubled. */
export const TIER: readonly MetricDefinition[] = [
  ofTier('tier_broker_up', '1 while the broker of the tier takes and gives mail.', ({ away }) =>
    away ? 0 : 1,
  ),
  ofTier(
    'tier_held_messages',
    'Messages that the broker has given to this node.',
    ({ held }) => held,
  ),
  {
    name: 'tier_waiting_messages',
    type: 'gauge',
    help: 'Messages at the broker that no node has taken up, by queue; the same at every node of the tier.',
    labels: ['queue'],
    read: ({ tier }) => [...(tier?.waiting ?? [])].map(([queue, waiting]) => [[queue], waiting]),
  },
  ofTier(
    'tier_redelivered_total',
    'Messages that another node, or this one, had before without coming to an end with them: each may have been delivered twice where the next hop recognises no repeats.',
    ({ redelivered }) => redelivered,
  ),
  ofTier(
    'tier_copies_dropped_total',
    'Copies of one message that were recognised and dropped.',
    ({ copiesDropped }) => copiesDropped,
  ),
  ofTier(
    'tier_undetermined_total',
    'Messages handed to the broker of which nobody knows whether it has them: each may come twice.',
    ({ undetermined }) => undetermined,
  ),
];
