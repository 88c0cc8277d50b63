import { isAscii } from './address.js';
import { clientName, formatDate } from './received.js';
import { decodeUnitext } from './unitext.js';
import { decodeXtext } from './xtext.js';

/**
 * The part of a delivery status notification that machines read (RFC 3464 §2, RFC 6533 §4.1), as
 * text with CRLF line ends. Whatever the strings hold, each becomes one line and no other field.
 */

/** RFC 3464 §2.3.3; a relay neither delivers nor expands. */
export type ReportAction = 'failed' | 'delayed' | 'relayed';

/** A reply, or with a null code our own words. */
export interface StatusWords {
  code: number | null;
  enhanced: string | null;
  text: string;
}

/** RFC 3464 §2.2. */
export interface MessageStatus {
  /** As it stood on the envelope (xtext), or null. */
  envid: string | null;
  reportingMta: string;
  /** The SMTP client that the message came from, or null when it came otherwise. */
  receivedFrom: { helo: string; address: string } | null;
  arrivalMs: number;
}

/** RFC 3464 §2.3. */
export interface RecipientStatus {
  /** As it stood on the envelope, or null. */
  orcpt: string | null;
  /** As it stood on the envelope. */
  address: string;
  action: ReportAction;
  /** The hop that was asked, or null when none was. */
  remoteMta: string | null;
  words: StatusWords | null;
  /** Wall time, or null when it is not known. */
  lastAttemptMs: number | null;
  /** Our queue id. */
  logId: string;
  /** Wall time at which the message is given up; of a delay only. */
  retryUntilMs: number | null;
}

export interface DeliveryStatus {
  type: 'message/delivery-status' | 'message/global-delivery-status';
  content: string;
}

/** In octets: a line of mail has 998, and a name stands in front. */
const MAX_VALUE_OCTETS = 900;

/** The fields about the message, then a group for each recipient. UTF-8 where an address needs it. */
export function formatDeliveryStatus(
  message: MessageStatus,
  recipients: readonly RecipientStatus[],
): DeliveryStatus {
  const global = recipients.some(isInternational);
  const groups = recipients.map((recipient) => recipientGroup(recipient, global));
  return {
    type: global ? 'message/global-delivery-status' : 'message/delivery-status',
    content: [messageGroup(message), ...groups]
      .map((group) => `${group.join('\r\n')}\r\n`)
      .join('\r\n'),
  };
}

/**
 * The status code (RFC 3463) of an action: of its class, with the subject that the remote gave. A
 * delay is never permanent, also where the hop refused for good what has nothing to do with the
 * message (its login, say).
 */
export function statusCode(action: ReportAction, words: StatusWords | null): string {
  const enhanced = words?.enhanced ?? null;
  switch (action) {
    case 'relayed':
      return enhanced?.startsWith('2.') === true ? enhanced : '2.0.0';
    case 'failed':
      return enhanced?.startsWith('5.') === true ? enhanced : '5.0.0';
    case 'delayed':
      if (enhanced !== null && /^[45]\./.test(enhanced)) {
        return `4${enhanced.slice(1)}`;
      }
      // 4.4.1: no answer from host.
      return words !== null && words.code === null ? '4.4.1' : '4.0.0';
  }
}

/** Code, enhanced code and text, as far as they are there. */
export function wordsLine({ code, enhanced, text }: StatusWords): string {
  return [code, enhanced, text].filter((part) => part !== null && part !== '').join(' ');
}

function messageGroup(message: MessageStatus): string[] {
  const { receivedFrom } = message;
  const group: string[] = [];
  const envid = message.envid === null ? null : decodeXtext(message.envid);
  if (envid !== null) {
    group.push(`Original-Envelope-Id: ${asciiLine(envid)}`);
  }
  group.push(`Reporting-MTA: dns; ${asciiLine(message.reportingMta)}`);
  if (receivedFrom !== null) {
    const { name, literal } = clientName(receivedFrom.helo, receivedFrom.address);
    group.push(`Received-From-MTA: dns; ${name} (${literal})`);
  }
  group.push(`Arrival-Date: ${formatDate(message.arrivalMs)}`);
  return group;
}

function recipientGroup(recipient: RecipientStatus, global: boolean): string[] {
  const { address, action, remoteMta, words, lastAttemptMs, logId, retryUntilMs } = recipient;
  const type = isAscii(address) ? 'rfc822' : 'utf-8';
  const group = [
    ...originalRecipient(recipient.orcpt, global),
    `Final-Recipient: ${type}; ${oneLine(address, global)}`,
    `Action: ${action}`,
    `Status: ${statusCode(action, words)}`,
  ];
  if (remoteMta !== null) {
    group.push(`Remote-MTA: dns; ${asciiLine(remoteMta)}`);
  }
  if (words !== null) {
    // The type says whose words they are: the reply of a server, or our own.
    const whose = words.code === null ? 'X-Relaymesh' : 'smtp';
    group.push(`Diagnostic-Code: ${whose}; ${oneLine(wordsLine(words), global)}`);
  }
  if (lastAttemptMs !== null) {
    group.push(`Last-Attempt-Date: ${formatDate(lastAttemptMs)}`);
  }
  group.push(`Final-Log-ID: ${asciiLine(logId)}`);
  if (action === 'delayed' && retryUntilMs !== null) {
    group.push(`Will-Retry-Until: ${formatDate(retryUntilMs)}`);
  }
  return group;
}

/**
 * ORCPT without the encoding of its parameter. An address of the type `utf-8` keeps it where only
 * ASCII may stand, and where it is not of its form (RFC 6533 §3).
 */
export function originalRecipient(orcpt: string | null, global: boolean): string[] {
  const [type, value] = splitOrcpt(orcpt);
  if (isUtf8Type(type)) {
    const address = (global ? decodeUnitext(value) : null) ?? value;
    return [`Original-Recipient: ${type}; ${oneLine(address, global)}`];
  }
  const decoded = decodeXtext(value);
  if (type === '' || decoded === null) {
    return [];
  }
  // Above ASCII it would be no address of its type: what came is at least what was sent.
  return [`Original-Recipient: ${type}; ${asciiLine(isAscii(decoded) ? decoded : value)}`];
}

/** Without UTF-8 one of its addresses could not be told. */
function isInternational({ address, orcpt }: RecipientStatus): boolean {
  const [type, value] = splitOrcpt(orcpt);
  const original = isUtf8Type(type) ? (decodeUnitext(value) ?? value) : '';
  return !isAscii(address) || !isAscii(original);
}

/** Type and encoded address, both empty when there is none. */
function splitOrcpt(orcpt: string | null): [string, string] {
  const separator = orcpt?.indexOf(';') ?? -1;
  return orcpt === null || separator === -1
    ? ['', '']
    : [orcpt.slice(0, separator), orcpt.slice(separator + 1)];
}

function isUtf8Type(type: string): boolean {
  return type.toLowerCase() === 'utf-8';
}

function oneLine(text: string, global: boolean): string {
  return global ? utf8Line(text) : asciiLine(text);
}

/** Text starts no line of its own; other than ASCII is shown as `?` (RFC 3464 §2.1). */
export function asciiLine(text: string): string {
  return text
    .replaceAll(/[^\x20-\x7e]+/g, (run) => (/^[\r\n\t]+$/.test(run) ? ' ' : '?'))
    .slice(0, MAX_VALUE_OCTETS);
}

/** The same with what is above ASCII, but for characters that control rather than show. */
function utf8Line(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cs}\u2028\u2029]+/gu, (run) =>
    /^[\r\n\t]+$/.test(run) ? ' ' : '?',
  );
  const octets = Buffer.from(line);
  if (octets.length <= MAX_VALUE_OCTETS) {
    return line;
  }
  let end = MAX_VALUE_OCTETS;
  // Not in the middle of a character.
  while (((octets[end] as number) & 0xc0) === 0x80) {
    end--;
  }
  return octets.toString('utf8', 0, end);
}
