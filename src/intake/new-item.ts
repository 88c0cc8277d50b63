import { newSpanId, newTraceId } from '../base/identifiers.js';
import { isAscii } from '../format/address.js';
import type { MessageSettings } from '../format/message-settings.js';
import { NEW_RECIPIENT, type Item, type ItemRecipient, type ItemTrace } from '../queue/item.js';
import type { MeshContext, ParentSpan } from '../trace/propagate.js';
import type { Arrival } from '../trace/recorder.js';
import type { StatedSettings } from './message-settings.js';
import type { Transaction } from './transaction.js';

/** What is known of a message once its content is whole. */
export interface ArrivedContent {
  id: string;
  receivedAtMs: number;
  /** By the rules of the node. */
  expiresAtMs: number;
  transaction: Transaction;
  arrival: Arrival;
  messageId: string | null;
  mesh: MeshContext | null;
  /** What the client says about a trace of its own. */
  clientSpan: ParentSpan | null;
  mayBeParent: boolean;
  eightBit: boolean;
  stated: StatedSettings;
  settings: MessageSettings | undefined;
  unknownKeys: Record<string, unknown> | undefined;
  body: Item['body'];
}

/**
 * The item that goes into the queue. Of values that stand on the envelope and in the message too,
 * those of the envelope hold. A message never waits longer than the node lets it.
 */
export function newItem(content: ArrivedContent): Item {
  const { id, transaction, stated, settings, unknownKeys, receivedAtMs } = content;
  return {
    id,
    sender: transaction.sender,
    recipients: transaction.recipients.map((recipient) => ({
      ...newRecipient(stated, receivedAtMs),
      address: recipient.address,
      notify: recipient.notify ?? stated.notify ?? null,
      orcpt: recipient.orcpt ?? stated.orcpt ?? null,
    })),
    ret: transaction.ret ?? stated.ret ?? null,
    envid: transaction.envid ?? stated.envid ?? null,
    smtpUtf8: transaction.smtpUtf8 || !hasAsciiEnvelope(transaction),
    eightBit: content.eightBit,
    ...(transaction.requireTls || stated.requireTls === true ? { requireTls: true } : {}),
    receivedAtMs,
    expiresAtMs: Math.min(content.expiresAtMs, stated.notAfterMs ?? Infinity),
    messageId: content.messageId,
    trace: traceOf(content),
    arrival: content.arrival,
    body: content.body,
    bounceOf: null,
    doubt: false,
    lostSessions: 0,
    ...(settings === undefined ? {} : { settings }),
    ...(unknownKeys === undefined ? {} : { unknownKeys }),
  };
}

/**
 * Where the message stands in a trace: what a mesh peer says; at the first node what a client that
 * is trusted says, or a trace of its own.
 */
function traceOf({ mesh, clientSpan, mayBeParent }: ArrivedContent): ItemTrace {
  const spanId = newSpanId();
  if (mesh !== null) {
    // What its `traceparent` means was decided where it came into the mesh.
    return { traceId: mesh.traceId, spanId, parentSpanId: mesh.spanId, path: mesh.path };
  }
  const parent = mayBeParent ? clientSpan : null;
  return {
    traceId: parent?.traceId ?? newTraceId(),
    spanId,
    parentSpanId: parent?.spanId ?? null,
    path: [],
    ...(clientSpan === null || mayBeParent ? {} : { link: clientSpan }),
  };
}

function newRecipient(
  { notBeforeMs }: StatedSettings,
  nowMs: number,
): Omit<ItemRecipient, 'address'> {
  return notBeforeMs === undefined || notBeforeMs <= nowMs
    ? NEW_RECIPIENT
    : { ...NEW_RECIPIENT, state: 'deferred', nextAttemptAtMs: notBeforeMs };
}

function hasAsciiEnvelope({ sender, recipients }: Transaction): boolean {
  return isAscii(sender) && recipients.every(({ address }) => isAscii(address));
}
