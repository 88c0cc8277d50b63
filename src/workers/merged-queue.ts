import type { CapacityChange } from '../api/contract.js';
import type { Queue } from '../api/shape/queues.js';

/** From what needs nobody to what needs somebody. */
const STATES: readonly Queue['state'][] = ['active', 'probing', 'backoff', 'paused'];

type State = Queue['state'];
type Fault = Queue['last_fault'];

/** Of several states the one that somebody has to know of: paused, backoff, probing, active. */
export function worstState(states: readonly State[]): State {
  return states.reduce((worst, state) => (rank(state) > rank(worst) ? state : worst), 'active');
}

export function latestFault(faults: readonly Fault[]): Fault {
  return faults.reduce<Fault>(
    (latest, fault) =>
      fault !== null && (latest === null || fault.at > latest.at) ? fault : latest,
    null,
  );
}

/**
 * One queue of several workers as that of one node: counts are summed, the state is the worst one,
 * the fault the latest, the oldest age the greatest, and the next attempt the earliest. Each worker
 * has its share of the limits, also one in which nothing waits now: its share is reckoned to be that
 * of the others. What waits for the whole tier is the same to all of them.
 *
 * @param rows of the workers that have the queue, one at least
 * @param workers how many there are
 */
export function mergeQueue(rows: readonly Queue[], workers: number): Queue {
  const [first] = rows as [Queue, ...Queue[]];
  const share = rows.length === 0 ? 1 : Math.max(workers, rows.length) / rows.length;
  const sum = (of: (row: Queue) => number): number => rows.reduce((all, row) => all + of(row), 0);
  const limit = (of: (row: Queue) => number): number => Math.round(sum(of) * share);
  const rate = (of: (row: Queue['capacity']) => number | null): number | null =>
    rows.some(({ capacity }) => of(capacity) === null)
      ? null
      : limit(({ capacity }) => of(capacity) ?? 0);
  const ages = rows.flatMap(({ oldest_age_seconds: age }) => (age === null ? [] : [age]));
  const tiers = rows.flatMap(({ tier }) => tier ?? []);
  const tier = tiers.find(({ waiting }) => waiting !== null) ?? tiers[0];
  const nexts = rows.flatMap(({ next_attempt_at: at }) => (at === null ? [] : [at])).sort();
  return {
    name: first.name,
    next_hop: first.next_hop,
    ready: sum(({ ready }) => ready),
    sending: sum(({ sending }) => sending),
    deferred: sum(({ deferred }) => deferred),
    held: sum(({ held }) => held),
    oldest_age_seconds: ages.length === 0 ? null : Math.max(...ages),
    state: worstState(rows.map(({ state }) => state)),
    last_fault: latestFault(rows.map(({ last_fault: fault }) => fault)),
    next_attempt_at: nexts[0] ?? null,
    capacity: {
      max_connections: limit(({ capacity }) => capacity.max_connections),
      max_messages_per_connection: Math.max(
        ...rows.map(({ capacity }) => capacity.max_messages_per_connection),
      ),
      max_messages_per_minute: rate((capacity) => capacity.max_messages_per_minute),
      max_connects_per_minute: rate((capacity) => capacity.max_connects_per_minute),
      idle_timeout_seconds: Math.max(...rows.map(({ capacity }) => capacity.idle_timeout_seconds)),
      allowed_connections: limit(({ capacity }) => capacity.allowed_connections),
    },
    ...(tier === undefined ? {} : { tier }),
  };
}

/** By name, in the order in which they are met. */
export function mergeQueues(lists: readonly (readonly Queue[])[], workers: number): Queue[] {
  const rows = new Map<string, Queue[]>();
  for (const queue of lists.flat()) {
    const same = rows.get(queue.name);
    if (same === undefined) rows.set(queue.name, [queue]);
    else same.push(queue);
  }
  return [...rows.values()].map((same) => mergeQueue(same, workers));
}

/**
 * The part of a change that is for one of the workers: connections and rates are divided, the first
 * workers taking what is over, and each has 1 at least; what holds for one connection is for all.
 *
 * @param place among the workers, from 0
 */
export function shareOfChange(
  change: CapacityChange,
  place: number,
  workers: number,
): CapacityChange {
  const share = (whole: number): number =>
    Math.max(1, Math.floor(whole / workers) + (place < whole % workers ? 1 : 0));
  const {
    max_connections: connections,
    max_messages_per_minute: messages,
    max_connects_per_minute: connects,
    ...others
  } = change;
  return {
    ...others,
    ...(connections === undefined ? {} : { max_connections: share(connections) }),
    ...(messages === undefined ? {} : { max_messages_per_minute: messages && share(messages) }),
    ...(connects === undefined ? {} : { max_connects_per_minute: connects && share(connects) }),
  };
}

function rank(state: State): number {
  return STATES.indexOf(state);
}
