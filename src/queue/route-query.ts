import type { RouteQuery } from '../route/route.js';
import type { Item, ItemRecipient } from './item.js';

/** What routing may know of a recipient of a message that waits. */
export function routeQuery(item: Item, recipient: ItemRecipient): RouteQuery {
  return {
    queueId: item.id,
    sender: item.sender,
    recipient: recipient.address,
    user: item.arrival.client.user,
    sizeBytes: item.body.sizeBytes,
    tags: item.settings?.tags ?? [],
    attempts: recipient.attempts,
    own: item.settings?.smarthost ?? null,
    doubtQueue: recipient.doubtAt?.queue ?? null,
  };
}
