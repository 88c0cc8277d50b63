import { fitsPattern } from '../format/pattern.js';
import { DEFAULT_CAPACITY, type Capacity } from '../send/capacity.js';
import { PRESETS } from '../send/presets.js';
import { QueueNames } from './compile-hops.js';
import type { Path } from './fault.js';
import { entryOf, identityOf, type HopPlan } from './hop-plan.js';
import type { NodeHop } from './node-hops.js';
import type { CapacityEntry } from './schema-values.js';
import type { NodeEntry, Topology } from './schema.js';

/**
 * What the queues of a node may send, from the topology alone and with the place of each limit.
 * The order is that of `compileCapacities`: a test keeps the two equal.
 */

/** The limits that say how much mail passes, and what they are called in a running node. */
const FIELDS = {
  'max-connections': 'maxConnections',
  'max-messages-per-connection': 'maxMessagesPerConnection',
  'max-messages-per-minute': 'maxMessagesPerMinute',
  'max-connects-per-minute': 'maxConnectsPerMinute',
} as const satisfies Partial<Record<keyof CapacityEntry, keyof Capacity>>;

type LimitKey = keyof typeof FIELDS;
const KEYS = Object.keys(FIELDS) as LimitKey[];

interface Limit {
  value: number;
  /** Where it is said; a preset says it for all that name it. */
  path: Path;
}

/** One queue that leads to a fixed next hop. */
export interface PlannedQueue {
  name: string;
  plan: HopPlan;
  /** Every place that leads to it; at least one. */
  hops: NodeHop[];
  /** Connections at once. */
  maxConnections: number;
  /**
   * What bounds its messages a minute over a longer time; undefined when nothing does. It is the
   * lesser of `max-messages-per-minute` and what the allowed connections can carry.
   */
  rate: Limit | undefined;
}

/** The queues of a node's hops; those of recipients' domains, and hops with a fault, are left out. */
export function queuesOf(
  topology: Topology,
  nodeName: string,
  hops: readonly NodeHop[],
): PlannedQueue[] {
  const node = entryOf(topology.nodes, nodeName);
  if (node === undefined) return [];
  const names = new QueueNames();
  const byIdentity = new Map<string, { name: string; plan: HopPlan; hops: NodeHop[] }>();
  for (const hop of hops) {
    if (hop.role === 'smtp-sink' || !('plan' in hop.planned)) continue;
    const { plan } = hop.planned;
    const known = byIdentity.get(identityOf(plan));
    if (known !== undefined) {
      known.hops.push(hop);
      continue;
    }
    const name = names.nameFor(hop.role, plan.name, plan.username);
    byIdentity.set(identityOf(plan), { name, plan, hops: [hop] });
  }
  return [...byIdentity.values()].map((queue) => {
    const limits = limitsOf(topology, nodeName, node, queue);
    const { value: maxConnections = DEFAULT_CAPACITY.maxConnections } =
      limits['max-connections'] ?? {};
    return { ...queue, maxConnections, rate: rateOf(limits) };
  });
}

type Limits = Partial<Record<LimitKey, Limit>>;

function rateOf(limits: Limits): Limit | undefined {
  const messages = limits['max-messages-per-minute'];
  const connects = limits['max-connects-per-minute'];
  if (connects === undefined) return messages;
  const each =
    limits['max-messages-per-connection']?.value ?? DEFAULT_CAPACITY.maxMessagesPerConnection;
  const carried = { value: connects.value * each, path: connects.path };
  return messages !== undefined && messages.value <= carried.value ? messages : carried;
}

/** The later wins: see `compileCapacities`. */
function limitsOf(
  topology: Topology,
  nodeName: string,
  node: NodeEntry,
  { name, plan, hops }: { name: string; plan: HopPlan; hops: readonly NodeHop[] },
): Limits {
  const limits: Limits = {};
  const say = (keys: CapacityEntry | undefined, pathOf: (key: LimitKey) => Path): void => {
    for (const key of KEYS) {
      const value = keys?.[key];
      if (value !== undefined) limits[key] = { value, path: pathOf(key) };
    }
  };
  const preset = (preset: HopPlan['preset'], path: Path): void => {
    if (preset === undefined) return;
    const { capacity } = PRESETS[preset];
    for (const key of KEYS) {
      const value = capacity[FIELDS[key]];
      if (typeof value === 'number') limits[key] = { value, path };
    }
  };
  say(topology.defaults, (key) => ['defaults', key]);
  say(node, (key) => ['nodes', nodeName, key]);
  const [first] = hops;
  if (first !== undefined) preset(plan.preset, first.keyPath('preset'));
  const link = plan.link?.used === true ? plan.link.index : undefined;
  if (link !== undefined) say(topology.links[link], (key) => ['links', link, key]);
  for (const { keys, keyPath } of hops) say(keys, keyPath);
  node.queues.forEach((entry, index) => {
    if (!fitsPattern(entry.queue, name)) return;
    const path = ['nodes', nodeName, 'queues', index];
    preset(entry.preset, [...path, 'preset']);
    say(entry, (key) => [...path, key]);
  });
  return limits;
}
