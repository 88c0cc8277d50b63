import { DEFAULT_CAPACITY, type Capacity } from '../send/capacity.js';
import { PRESETS } from '../send/presets.js';
import type { Capacities } from '../route/table.js';
import type { CompiledHop } from './compile-hops.js';
import type { QueueEntry } from './schema-routes.js';
import type { CapacityEntry } from './schema-values.js';
import type { NodeEntry, Topology } from './schema.js';

type ByQueue = Capacities['byQueue'][number];
type Preset = NonNullable<QueueEntry['preset']>;

/**
 * What each queue of a node may send. The later wins: built-in, `defaults`, node; then for the
 * queue of a hop its preset, its link, its own keys; then the node's `queues` as they stand.
 */
export function compileCapacities(
  topology: Topology,
  node: NodeEntry,
  hops: readonly CompiledHop[],
): Capacities {
  const ofHops = hops.flatMap(({ route: { queue }, preset, link, keys }): ByQueue[] => [
    ...presetOf(queue, preset),
    ...limitsOf(queue, link),
    ...keys.flatMap((one) => limitsOf(queue, one)),
  ]);
  const ofQueues = node.queues.flatMap((entry): ByQueue[] => [
    ...presetOf(entry.queue, entry.preset),
    ...limitsOf(entry.queue, entry),
  ]);
  return {
    base: { ...DEFAULT_CAPACITY, ...capacityOf(topology.defaults), ...capacityOf(node) },
    byQueue: [...ofHops, ...ofQueues],
  };
}

function presetOf(queue: string, preset: Preset | undefined): ByQueue[] {
  if (preset === undefined) return [];
  const { capacity, replyRules } = PRESETS[preset];
  return [{ queue, capacity, ...(replyRules.length === 0 ? {} : { replyRules }) }];
}

function limitsOf(queue: string, keys: CapacityEntry | undefined): ByQueue[] {
  const capacity = keys === undefined ? {} : capacityOf(keys);
  return Object.keys(capacity).length === 0 ? [] : [{ queue, capacity }];
}

function capacityOf(keys: CapacityEntry): Partial<Capacity> {
  const capacity: Partial<Capacity> = {};
  const set = <K extends keyof Capacity>(name: K, value: Capacity[K] | undefined): void => {
    if (value !== undefined) capacity[name] = value;
  };
  set('maxConnections', keys['max-connections']);
  set('maxMessagesPerConnection', keys['max-messages-per-connection']);
  set('maxMessagesPerMinute', keys['max-messages-per-minute']);
  set('maxConnectsPerMinute', keys['max-connects-per-minute']);
  const idleSeconds = keys['idle-timeout'];
  set('idleTimeoutMs', idleSeconds === undefined ? undefined : idleSeconds * 1000);
  return capacity;
}
