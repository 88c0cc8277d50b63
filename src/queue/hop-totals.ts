import type { Destination, DestinationState } from './destination.js';

/** What waits for one next hop, over all queues that lead there. */
export interface HopTotals {
  /** Recipients of a message that travel together count once. */
  depth: { ready: number; sending: number; deferred: number; held: number };
  /** Of what is ready; null when nothing is. */
  oldestAgeSeconds: number | null;
  /** Queues by their state. */
  queues: Record<DestinationState, number>;
  /** Queues that wait after a fault of the hop or find out whether it is over, by where it was. */
  faults: Map<string, number>;
  /** Connections that the topology and operators allow; null where there is no queue. */
  maxConnections: number | null;
  /** What the hop's own words leave of them. */
  allowedConnections: number | null;
}

/**
 * @param names the hops to be told apart, each of which is in the result
 * @param other the name for all other hops, of which there may be any number
 */
export function totalsByHop(
  destinations: Iterable<Destination>,
  names: Iterable<string>,
  other: string,
  nowMonotonicMs: number,
): Map<string, HopTotals> {
  const all = new Map([...names].map((name) => [name, newTotals()]));
  const others = newTotals();
  for (const destination of destinations) {
    addDestination(all.get(destination.nextHop.name) ?? others, destination, nowMonotonicMs);
  }
  return all.set(other, others);
}

function newTotals(): HopTotals {
  return {
    depth: { ready: 0, sending: 0, deferred: 0, held: 0 },
    oldestAgeSeconds: null,
    queues: { active: 0, backoff: 0, probing: 0, paused: 0 },
    faults: new Map(),
    maxConnections: null,
    allowedConnections: null,
  };
}

function addDestination(totals: HopTotals, destination: Destination, nowMs: number): void {
  const { state, lastFault, oldestBornMs, capacity, allowedConnections } = destination;
  totals.depth.ready += destination.ready;
  totals.depth.sending += destination.sending;
  totals.depth.deferred += destination.deferred;
  totals.depth.held += destination.held;
  totals.queues[state]++;
  if (lastFault !== null && (state === 'backoff' || state === 'probing')) {
    totals.faults.set(lastFault.stage, (totals.faults.get(lastFault.stage) ?? 0) + 1);
  }
  if (oldestBornMs !== null) {
    const ageSeconds = Math.max(0, nowMs - oldestBornMs) / 1000;
    totals.oldestAgeSeconds = Math.max(totals.oldestAgeSeconds ?? 0, ageSeconds);
  }
  totals.maxConnections = (totals.maxConnections ?? 0) + capacity.maxConnections;
  totals.allowedConnections = (totals.allowedConnections ?? 0) + allowedConnections;
}
