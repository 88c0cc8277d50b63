import type { SinkContext } from './context.js';
import { describeMessage, type MessageOrigin } from './message.js';
import type { Complete } from './receive.js';

/**
 * Takes a message into the capture, the journal and the store, in that order: what is counted is on
 * the disk. Resolves when a 250 is due.
 * @throws what the disk says; nothing of the message is left then
 */
export async function keepMessage(
  origin: MessageOrigin,
  { digest, file }: Complete,
  { capture, journal, store, log }: SinkContext,
): Promise<void> {
  const message = describeMessage(origin, digest);
  await file?.keep();
  try {
    await journal?.append({ ...message, received_id: digest.receivedId });
  } catch (error) {
    log.error({ err: error, id: origin.id }, 'the journal could not be written');
    await capture?.remove(origin.id);
    throw error;
  }
  store.add(message);
  log.debug(message, 'message accepted');
}
