import type { Clock } from '../base/clock.js';
import type { Item } from './item.js';

/** From here on its age is measured by the clock that does not jump. */
export function startLife(item: Item, clock: Clock): void {
  // A message that seems to come from the future has its whole life before it, and no more.
  const ageMs = Math.max(0, clock.nowMs() - item.receivedAtMs);
  const lifeMs = item.expiresAtMs - item.receivedAtMs;
  item.bornMs = clock.monotonicMs() - ageMs;
  item.deadlineMs = clock.monotonicMs() + Math.max(0, lifeMs - ageMs);
}
