import type { HopRecord } from './record.js';

/**
 * What a record is found by, each as a hash of 32 bits: its trace id, its Message-ID, and the
 * addresses and domains of its sender and of each of its recipients.
 */

/** One value of each kind, so that an address is not found as a trace id. */
const SEEDS = { trace: 1, messageId: 2, sender: 3, senderDomain: 4, recipient: 5, domain: 6 };

export function traceTerm(traceId: string): number {
  return hash(SEEDS.trace, traceId);
}

/** @param messageId without angle brackets */
export function messageIdTerm(messageId: string): number {
  return hash(SEEDS.messageId, messageId);
}

export function senderTerm(address: string): number {
  return hash(SEEDS.sender, addressKey(address));
}

export function recipientTerm(address: string): number {
  return hash(SEEDS.recipient, addressKey(address));
}

/** @param domain in lower case */
export function senderDomainTerm(domain: string): number {
  return hash(SEEDS.senderDomain, domain);
}

/** @param domain in lower case */
export function recipientDomainTerm(domain: string): number {
  return hash(SEEDS.domain, domain);
}

/** They never change. */
export function termsOf({
  trace_id: traceId,
  message_id: messageId,
  envelope,
}: HopRecord): number[] {
  const { sender, recipients } = envelope;
  const terms = [traceTerm(traceId), senderTerm(sender), senderDomainTerm(domainKey(sender))];
  if (messageId !== null) {
    terms.push(messageIdTerm(withoutBrackets(messageId)));
  }
  const [first, ...others] = recipients;
  if (first !== undefined) {
    terms.push(recipientTerm(first), recipientDomainTerm(domainKey(first)));
  }
  if (others.length > 0) {
    const further = others.flatMap((address) => [
      recipientTerm(address),
      recipientDomainTerm(domainKey(address)),
    ]);
    return [...new Set([...terms, ...further])];
  }
  return terms;
}

export function withoutBrackets(id: string): string {
  return id.startsWith('<') && id.endsWith('>') ? id.slice(1, -1) : id;
}

function domainKey(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase();
}

/** Without case: whoever looks for an address has it from somewhere. */
function addressKey(address: string): string {
  return address.toLowerCase();
}

/** FNV-1a over UTF-16 units, mixed once more so that its low bits are as good as the others. */
function hash(seed: number, text: string): number {
  let value = 0x811c9dc5 ^ seed;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  return (value ^ (value >>> 13)) >>> 0;
}
