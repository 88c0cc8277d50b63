import type { HopRecord } from './record.js';

/**
 * The keys of the record store. `r!QUEUE-ID` is the record as JSON; queue ids sort by time, and so do
 * the records. Everything else is an index: a key without a value that ends with the queue id, so that
 * the entries for one thing lie together in the order of time: `t!TRACE-ID!`, `m!MESSAGE-ID!`, and for
 * the sender and each of the recipients `s>DOMAIN>LOCAL-PART>` and `d>DOMAIN>LOCAL-PART>`, since no
 * address has a `>`. A record is indexed by all of its recipients: `max-recipients` bounds them.
 */
export const RECORD = 'r!';
/** Behind every queue id. */
export const LAST = '~';
/** What is known of the store as a whole: `StoreTotals`. */
export const TOTALS = 'meta!totals';

const BY_TRACE = 't!';
const BY_MESSAGE_ID = 'm!';
const BY_SENDER = 's>';
const BY_RECIPIENT = 'd>';

/** The beginning of the keys that lead from a trace id or a Message-ID to queue ids. */
export function idPrefixes(bareId: string): string[] {
  return [`${BY_TRACE}${bareId}!`, `${BY_MESSAGE_ID}${encodeURIComponent(bareId)}!`];
}

export function senderPrefix(address: string): string {
  return BY_SENDER + addressKey(address);
}

export function recipientPrefix(address: string): string {
  return BY_RECIPIENT + addressKey(address);
}

/** @param domain in lower case */
export function senderDomainPrefix(domain: string): string {
  return `${BY_SENDER}${domain}>`;
}

/** @param domain in lower case */
export function recipientDomainPrefix(domain: string): string {
  return `${BY_RECIPIENT}${domain}>`;
}

/** Behind all keys of addresses that begin with it. */
export function endOf(addressPrefix: string): string {
  return `${addressPrefix.slice(0, -1)}?`;
}

/** Of a key of an address. */
export function queueIdOf(addressKey: string): string {
  return addressKey.slice(addressKey.lastIndexOf('>') + 1);
}

/** All keys that lead to a record, without its own. They never change. */
export function indexKeysOf(record: HopRecord): string[] {
  const { queue_id: queueId, trace_id: traceId, envelope } = record;
  const keys = [`${BY_TRACE}${traceId}!${queueId}`, senderPrefix(envelope.sender) + queueId];
  const messageId = bareMessageId(record);
  if (messageId !== null) {
    keys.push(`${BY_MESSAGE_ID}${encodeURIComponent(messageId)}!${queueId}`);
  }
  const [first, ...others] = envelope.recipients;
  if (first !== undefined) {
    keys.push(recipientPrefix(first) + queueId);
  }
  if (others.length > 0) {
    const all = new Set(envelope.recipients.map((address) => recipientPrefix(address) + queueId));
    all.delete(keys.at(-1) as string);
    keys.push(...all);
  }
  return keys;
}

/** What the keys of a record take, its own among them. */
export function keyBytesOf(queueId: string, indexKeys: readonly string[]): number {
  let bytes = RECORD.length + queueId.length;
  for (const key of indexKeys) {
    bytes += Buffer.byteLength(key);
  }
  return bytes;
}

export function bareMessageId(record: HopRecord): string | null {
  return record.message_id === null ? null : withoutBrackets(record.message_id);
}

export function withoutBrackets(id: string): string {
  return id.startsWith('<') && id.endsWith('>') ? id.slice(1, -1) : id;
}

/** Undefined for a damaged record: it must not hide the others. */
export function parseRecord(text: string): HopRecord | undefined {
  try {
    return JSON.parse(text) as HopRecord;
  } catch {
    return undefined;
  }
}

/** Domains without case, local parts exactly (RFC 5321 §2.4). */
function addressKey(address: string): string {
  const at = address.lastIndexOf('@');
  return at === -1
    ? // `postmaster`, which has no case (RFC 5321 §4.5.1), or the null sender
      `>${address.toLowerCase()}>`
    : `${address.slice(at + 1).toLowerCase()}>${address.slice(0, at)}>`;
}
