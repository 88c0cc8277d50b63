import type { z } from 'zod';
import type {
  quarantinedMessage,
  quarantinePage,
  queue,
  queuedMessage,
  queuedPage,
} from '../../../api/shape/queues.js';

export type Queue = z.output<typeof queue>;
export type QueuedMessage = z.output<typeof queuedMessage>;
export type QueuedPage = z.output<typeof queuedPage>;
export type QuarantinedMessage = z.output<typeof quarantinedMessage>;
export type QuarantinePage = z.output<typeof quarantinePage>;

/** The name under which messages that wait for an operator stand among the queues. */
export const QUARANTINE = '(quarantine)';

/** @param node the node's name, also of the one that serves the console */
export function queueHref(node: string, name: string): string {
  return `/queues/${encodeURIComponent(node)}/${encodeURIComponent(name)}`;
}

export function messageHref(node: string, queueId: string): string {
  return `/messages/${encodeURIComponent(node)}/${encodeURIComponent(queueId)}`;
}
