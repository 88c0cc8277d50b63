import { setImmediate as nextTurn } from 'node:timers/promises';
import type { QuarantinePage, RetriedQuarantine, ShownQuarantined } from './views.js';

/** So many are tried again before others have their turn: there may be a hundred thousand. */
const RETRIED_AT_ONCE = 100;

/** By id, so that a page ends at a place that stays, whatever is deleted or comes in between. */
export function pageOfQuarantine(
  all: readonly ShownQuarantined[],
  limit: number,
  after: string,
): QuarantinePage {
  const rest = all
    .filter(({ queue_id: id }) => id > after)
    .sort((a, b) => (a.queue_id < b.queue_id ? -1 : 1));
  const messages = rest.slice(0, limit);
  const last = rest.length > limit ? messages.at(-1) : undefined;
  return { messages, nextCursor: last?.queue_id ?? null };
}

/** Tries every message again that is there now and can be read. */
export async function retryQuarantined(
  all: readonly ShownQuarantined[],
  retry: (queueId: string) => unknown,
): Promise<RetriedQuarantine> {
  const readable = all.filter(({ kind }) => kind !== 'corrupt');
  for (const [index, { queue_id: id }] of readable.entries()) {
    if (index % RETRIED_AT_ONCE === RETRIED_AT_ONCE - 1) {
      await nextTurn();
    }
    retry(id);
  }
  return { all: all.length, readable: readable.length };
}
