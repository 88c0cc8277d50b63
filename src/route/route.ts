import type { NextHop } from '../send/next-hop.js';
import type { RouteTable } from './table.js';

/** Name of the queue of all mail that goes to the smarthost (SMARTHOST: queues). */
export const SMARTHOST_QUEUE = '(smarthost)';

/**
 * Where a message goes next. Pure, and asked whenever a message becomes due, never at acceptance:
 * a changed topology also moves mail that is already waiting.
 */
export function chooseRoute(table: RouteTable): { queue: string; nextHop: NextHop } {
  return { queue: SMARTHOST_QUEUE, nextHop: table.smarthost };
}
