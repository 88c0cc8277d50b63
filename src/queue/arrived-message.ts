import type { MessageSettings } from '../format/message-settings.js';
import { OWN_SMARTHOST_PREFIX } from '../route/route.js';
import type { RecordedSettings } from '../trace/record.js';
import type { ArrivedMessage } from '../trace/recorder.js';
import type { Item } from './item.js';

/** What the trace records of an item. @param queue the name of the one that it waits in first */
export function arrivedMessage(item: Item, queue: string): ArrivedMessage {
  const { recipients, trace } = item;
  const message: ArrivedMessage = {
    queueId: item.id,
    sender: item.sender,
    recipients: recipients.map(({ address }) => address),
    receivedAtMs: item.receivedAtMs,
    sizeBytes: item.body.sizeBytes,
    messageId: item.messageId,
    bounceOf: item.bounceOf,
    arrival: item.arrival,
    expiresAtMs: item.expiresAtMs,
    traceId: trace.traceId,
    spanId: trace.spanId,
    parentSpanId: trace.parentSpanId,
    path: trace.path,
  };
  addOptionalParts(message, item, queue);
  return message;
}

/** Conditions rather than spreads: nearly all mail has none of them. */
function addOptionalParts(
  message: ArrivedMessage,
  { trace, settings, unknownKeys, recipients, envid, requireTls, acceptedBy }: Item,
  queue: string,
): void {
  const firstAttemptAtMs = recipients[0]?.nextAttemptAtMs ?? null;
  if (trace.link !== undefined) message.link = trace.link;
  if (envid !== null) message.envid = envid;
  if (recipients.some(({ orcpt }) => orcpt !== null)) {
    message.orcpts = recipients.map(({ orcpt }) => orcpt);
  }
  if (requireTls === true) message.requireTls = requireTls;
  if (settings !== undefined) {
    message.settings = recordedSettings(settings);
    if (settings.smarthost !== undefined) {
      message.ownSmarthost = queue.slice(OWN_SMARTHOST_PREFIX.length);
    }
  }
  if (acceptedBy !== undefined) message.acceptedBy = acceptedBy;
  if (unknownKeys !== undefined) message.unknownKeys = unknownKeys;
  if (firstAttemptAtMs !== null) message.firstAttemptAtMs = firstAttemptAtMs;
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
