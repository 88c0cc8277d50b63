import { LIMIT_DEFAULTS } from './schema-limits.js';
import type { NodeEntry, Topology } from './schema.js';
import { bytesOf } from './size.js';

/**
 * What holds when neither the node nor `defaults` of the topology says otherwise; for the limits of
 * queues see DEFAULT_CAPACITY.
 */
const NODE_DEFAULTS = {
  'retry-interval': [60, 300, 900, 1800, 3600],
  'expire-after': 432_000,
  'doubt-timeout': 3600,
  'drain-timeout': 30,
  workers: 1,
  ...LIMIT_DEFAULTS,
};

export type Tunables = typeof NODE_DEFAULTS;

/**
 * The values of the tunable keys for a node: its own, else the topology's, else the built-in. Sizes
 * are in bytes.
 */
export function tunablesOf(topology: Topology, node: NodeEntry): Tunables {
  const tunables: Record<string, unknown> = { ...NODE_DEFAULTS };
  for (const source of [topology.defaults, node] as Record<string, unknown>[]) {
    for (const key of Object.keys(NODE_DEFAULTS)) {
      const value = source[key];
      // of these keys only sizes can be text
      if (value !== undefined) tunables[key] = typeof value === 'string' ? bytesOf(value) : value;
    }
  }
  return tunables as Tunables;
}
