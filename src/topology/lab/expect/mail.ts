import type { ChainTrace } from '../../../trace/record.js';
import type { ArrivedMessage, Evidence, SentMessage } from '../evidence.js';

/** The evidence by message: what was sent, what of it arrived, and its trace. */
export interface Mail {
  sent: SentMessage;
  /** In the order of arrival, at any sink. */
  copies: ArrivedMessage[];
  trace: KnownTrace;
}

/** `missing`: it was asked for and nobody has one. `unasked`: left out of the sample. */
export type KnownTrace = ChainTrace | 'missing' | 'unasked';

/** Every sent message, in the order in which they were sent. */
export function mailOf(evidence: Evidence): Mail[] {
  const copies = new Map<string, ArrivedMessage[]>();
  for (const message of evidence.arrived) {
    if (message.messageId === null) continue;
    const known = copies.get(message.messageId);
    if (known === undefined) copies.set(message.messageId, [message]);
    else known.push(message);
  }
  for (const list of copies.values()) list.sort((a, b) => a.receivedAtMs - b.receivedAtMs);
  return evidence.sent.map((sent) => ({
    sent,
    copies: copies.get(sent.messageId) ?? [],
    trace: traceOf(evidence, sent.messageId),
  }));
}

function traceOf({ traces, tracesSampled }: Evidence, messageId: string): KnownTrace {
  const trace = traces.get(messageId);
  if (trace === undefined) return tracesSampled ? 'unasked' : 'missing';
  return trace.hops.length === 0 ? 'missing' : trace;
}

/** The same text for the same mailbox: domains without case (RFC 5321 §2.4). */
export function mailboxKey(address: string): string {
  const at = address.lastIndexOf('@');
  return at === -1 ? address : address.slice(0, at) + address.slice(at).toLowerCase();
}

/** Recipients that a copy is for, each once. */
export function recipientsOf(copy: { recipients: readonly string[] }): string[] {
  return [...new Set(copy.recipients.map(mailboxKey))];
}

/** Recipients of a message that no sink has it for. */
export function notArrived({ sent, copies }: Pick<Mail, 'sent' | 'copies'>): string[] {
  const arrived = new Set(copies.flatMap(recipientsOf));
  return sent.recipients.filter((recipient) => !arrived.has(mailboxKey(recipient)));
}
