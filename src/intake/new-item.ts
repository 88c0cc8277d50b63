import { newSpanId, newTraceId } from '../base/identifiers.js';
import { isAscii } from '../format/address.js';
import type { EnvelopeRecipient } from '../format/envelope.js';
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
  const item: Item = {
    id,
    sender: transaction.sender,
    recipients: transaction.recipients.map((recipient) =>
      newRecipient(recipient, stated, receivedAtMs),
    ),
    ret: transaction.ret ?? stated.ret ?? null,
    envid: transaction.envid ?? stated.envid ?? null,
    smtpUtf8: transaction.smtpUtf8 || !hasAsciiEnvelope(transaction),
    eightBit: content.eightBit,
    receivedAtMs,
    expiresAtMs: Math.min(content.expiresAtMs, stated.notAfterMs ?? Infinity),
    messageId: content.messageId,
    trace: traceOf(content),
    arrival: content.arrival,
    body: content.body,
    bounceOf: null,
    doubt: false,
    lostSessions: 0,
  };
  // Assigned, since to spread what is nearly always empty costs more than all the rest.
  if (transaction.requireTls || stated.requireTls === true) {
    item.requireTls = true;
  }
  if (settings !== undefined) {
    item.settings = settings;
  }
  if (unknownKeys !== undefined) {
    item.unknownKeys = unknownKeys;
  }
  return item;
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
  const trace: ItemTrace = {
    traceId: parent?.traceId ?? newTraceId(),
    spanId,
    parentSpanId: parent?.spanId ?? null,
    path: [],
  };
  if (clientSpan !== null && !mayBeParent) {
    trace.link = clientSpan;
  }
  return trace;
}

function newRecipient(
  { address, notify, orcpt }: EnvelopeRecipient,
  stated: StatedSettings,
  nowMs: number,
): ItemRecipient {
  const { notBeforeMs } = stated;
  const waits = notBeforeMs !== undefined && notBeforeMs > nowMs;
  return {
    notify: notify ?? stated.notify ?? null,
    orcpt: orcpt ?? stated.orcpt ?? null,
    state: waits ? 'deferred' : NEW_RECIPIENT.state,
    attempts: NEW_RECIPIENT.attempts,
    nextAttemptAtMs: waits ? notBeforeMs : NEW_RECIPIENT.nextAttemptAtMs,
    lastReply: NEW_RECIPIENT.lastReply,
    address,
  };
}

function hasAsciiEnvelope({ sender, recipients }: Transaction): boolean {
  return isAscii(sender) && recipients.every(({ address }) => isAscii(address));
}
