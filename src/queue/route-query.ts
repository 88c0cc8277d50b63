import type { MessageSettings } from '../format/message-settings.js';
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
    ...(recipient.unfitQueues === undefined ? {} : { unfitQueues: recipient.unfitQueues }),
  };
}

/**
 * The least protection that the message asks for of a hop. A report that came of REQUIRETLS goes as
 * the hop is (RFC 8689 §5).
 */
export function leastSecurity({ requireTls, sender, settings }: Item): MessageSettings['security'] {
  return requireTls === true && sender !== '' ? 'verified' : settings?.security;
}
