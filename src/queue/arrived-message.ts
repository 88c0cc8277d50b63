import type { MessageSettings } from '../format/message-settings.js';
import { OWN_SMARTHOST_PREFIX } from '../route/route.js';
import type { RecordedSettings } from '../trace/record.js';
import type { ArrivedMessage } from '../trace/recorder.js';
import type { Item } from './item.js';

/** What the trace records of an item. @param queue the name of the one that it waits in first */
export function arrivedMessage(item: Item, queue: string): ArrivedMessage {
  return {
    queueId: item.id,
    sender: item.sender,
    recipients: item.recipients.map(({ address }) => address),
    receivedAtMs: item.receivedAtMs,
    sizeBytes: item.body.sizeBytes,
    messageId: item.messageId,
    bounceOf: item.bounceOf,
    arrival: item.arrival,
    expiresAtMs: item.expiresAtMs,
    ...item.trace,
    ...optionalParts(item, queue),
  };
}

function optionalParts(
  { settings, unknownKeys, recipients, envid, requireTls }: Item,
  queue: string,
): Partial<ArrivedMessage> {
  const firstAttemptAtMs = recipients[0]?.nextAttemptAtMs ?? null;
  const orcpts = recipients.map(({ orcpt }) => orcpt);
  return {
    ...(envid === null ? {} : { envid }),
    ...(orcpts.some((orcpt) => orcpt !== null) ? { orcpts } : {}),
    ...(requireTls === true ? { requireTls } : {}),
    ...(settings?.smarthost === undefined
      ? {}
      : { ownSmarthost: queue.slice(OWN_SMARTHOST_PREFIX.length) }),
    ...(settings === undefined ? {} : { settings: recordedSettings(settings) }),
    ...(unknownKeys === undefined ? {} : { unknownKeys }),
    ...(firstAttemptAtMs === null ? {} : { firstAttemptAtMs }),
  };
}

/** Without the smarthost, which is recorded without its login. */
function recordedSettings(settings: MessageSettings): RecordedSettings {
  const { tags, maxAttempts, retryIntervalsSeconds, security } = settings;
  return {
    ...(tags === undefined ? {} : { tags }),
    ...(maxAttempts === undefined ? {} : { maxattempts: maxAttempts }),
    ...(retryIntervalsSeconds === undefined ? {} : { retries: retryIntervalsSeconds }),
    ...(security === undefined ? {} : { security }),
  };
}
