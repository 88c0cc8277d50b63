import type { Capacity } from '../send/capacity.js';
import type { NextHop } from '../send/next-hop.js';
import type { QueueEntry } from './destination.js';
import type { Item, ItemRecipient } from './item.js';

/** Where a recipient goes: the name of its queue, the hop that it leads to, and its limits. */
export interface Route {
  queue: string;
  nextHop: NextHop;
  capacity: Capacity;
  /** There are other hops for it when this one is at fault. */
  movable: boolean;
}

/**
 * Pure but for `isWell`; asked whenever an entry becomes ready or is about to be attempted.
 *
 * @param isWell false for a queue whose hop is at fault
 */
export type ChooseRoute = (
  item: Item,
  recipient: ItemRecipient,
  isWell: (queue: string) => boolean,
) => Route;

/** Recipients that travel together: one queue, one hop, one host that may already have them. */
export interface RouteGroup {
  route: Route;
  recipients: ItemRecipient[];
}

/** Routes each recipient of an entry by itself and joins those that go the same way. */
export function groupByRoute(
  { item, recipients }: QueueEntry,
  choose: (item: Item, recipient: ItemRecipient) => Route,
): RouteGroup[] {
  const [only] = recipients;
  if (only !== undefined && recipients.length === 1) {
    return [{ route: choose(item, only), recipients }];
  }
  const groups: RouteGroup[] = [];
  const byQueue = new Map<string, RouteGroup[]>();
  for (const recipient of recipients) {
    const route = choose(item, recipient);
    const same = byQueue.get(route.queue) ?? [];
    const group = same.find(
      (candidate) =>
        candidate.route.nextHop === route.nextHop &&
        (candidate.recipients[0]?.doubtAt?.host ?? null) === (recipient.doubtAt?.host ?? null),
    );
    if (group === undefined) {
      const made = { route, recipients: [recipient] };
      groups.push(made);
      byQueue.set(route.queue, [...same, made]);
    } else {
      group.recipients.push(recipient);
    }
  }
  return groups;
}
