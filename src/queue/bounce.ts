import { isAscii as isAsciiBytes, isUtf8 } from 'node:buffer';
import MimeNode from 'nodemailer/lib/mime-node';
import { isAscii } from '../format/address.js';
import { formatDeliveryStatus, wordsLine, type ReportAction } from '../format/dsn.js';
import { findHeaderEnd } from '../format/header.js';
import { formatDate } from '../format/received.js';
import { printableReply } from '../format/reply.js';
import type { Item, ItemRecipient, LastReply } from './item.js';
import type { Original } from './original.js';

/** A recipient that a report is about. */
export interface ReportedRecipient {
  recipient: ItemRecipient;
  action: ReportAction;
  /** Name of the hop that was asked, or null when none was (expiry). */
  remote: string | null;
  /** What the hop said, or with a null code we. */
  words: LastReply | null;
  /** Wall time of the attempt that the report comes of, or null where it comes of none. */
  attemptedAtMs: number | null;
}

/** What a report tells, beside what became of the message. */
export interface ReportContext {
  /** Our name (RFC 3464 §2.2.2). */
  hostname: string;
  nowMs: number;
  /** Wall time to which a delayed message is tried. */
  giveUpAtMs: number;
  original: Original;
}

/** In the order in which people have to hear of them. */
const ACTIONS: readonly ReportAction[] = ['failed', 'delayed', 'relayed'];

const SUBJECTS: Readonly<Record<ReportAction, string>> = {
  failed: 'Undelivered Mail Returned to Sender',
  delayed: 'Delayed Mail (still being retried)',
  relayed: 'Mail Relayed Without Confirmation of Delivery',
};

/**
 * Whether the sender hears of what became of a recipient: never the null path (RFC 5321 §6.1: no
 * bounces of bounces), of a failure unless it asked not to, of all else only if it asked to (RFC
 * 3461 §5.2).
 */
export function wantsReport(
  { sender }: Item,
  { notify }: ItemRecipient,
  action: ReportAction,
): boolean {
  if (sender === '') {
    return false;
  }
  if (notify === null) {
    return action === 'failed';
  }
  const wanted = { failed: 'FAILURE', delayed: 'DELAY', relayed: 'SUCCESS' }[action];
  return notify.split(',').includes(wanted);
}

/** Only UTF-8 can tell its sender where it goes: such a report needs SMTPUTF8 (RFC 6531 §3.2). */
export function needsSmtpUtf8({ sender }: Item): boolean {
  return !isAscii(sender);
}

/**
 * True when the original goes into the report in a form that is ASCII on the way, whatever it
 * holds. A whole message that is not internationalized cannot be encoded (RFC 2046 §5.2.1).
 */
export function isEncodable(item: Item, original: Original): boolean {
  return !original.full || isAsciiBytes(original.bytes) || isInternational(item, original);
}

/** The report as a whole message in the form of RFC 3464 and RFC 6533, CRLF line ends. */
export async function buildReport(
  item: Item,
  reported: readonly ReportedRecipient[],
  context: ReportContext,
): Promise<Buffer> {
  const { hostname, nowMs, original } = context;
  const present = ACTIONS.filter((action) => reported.some((one) => one.action === action));
  const utf8 = needsSmtpUtf8(item);
  const root = new ReportNode('multipart/report; report-type=delivery-status', { hostname });
  const { messageId } = item;
  root.setHeader({
    from: `Mail Delivery System <MAILER-DAEMON@${hostname}>`,
    to: item.sender,
    subject: SUBJECTS[present[0] ?? 'failed'],
    'auto-submitted': 'auto-replied',
    date: formatDate(nowMs),
    ...(messageId === null || !(utf8 || isAscii(messageId)) ? {} : { references: messageId }),
  });
  root
    .createChild('text/plain; charset=utf-8')
    .setContent(
      [
        `This is the mail relay at ${hostname}.`,
        '',
        ...present.flatMap((action) => explanation(reported, action, context)),
      ].join('\r\n'),
    );
  const status = deliveryStatus(item, reported, context);
  root
    .createChild(status.type)
    .setHeader('content-transfer-encoding', encodingOf(Buffer.from(status.content), utf8))
    .setContent(status.content);
  const type = originalType(item, original);
  root
    .createChild(type)
    .setHeader(
      'content-transfer-encoding',
      // A message/rfc822 part cannot be encoded; it is as the message came.
      encodingOf(original.bytes, utf8 || type === 'message/rfc822'),
    )
    .setContent(isAsciiBytes(original.bytes) ? original.bytes.toString('latin1') : original.bytes);
  return root.build();
}

/**
 * The library would write the domain of an address in another form than the envelope has it, which
 * is where the report is to go (RFC 3464 §2).
 */
class ReportNode extends MimeNode {
  override encodeHeaderValue(...[key, value]: Parameters<MimeNode['encodeHeaderValue']>): string {
    if (key === 'To' && typeof value === 'string') {
      return /^[^\s"(),:;<>@[\\\]]+@[^\s"(),:;<>@[\\\]]+$/.test(value) ? value : `<${value}>`;
    }
    return super.encodeHeaderValue(key, value);
  }
}

function explanation(
  reported: readonly ReportedRecipient[],
  action: ReportAction,
  context: ReportContext,
): string[] {
  const lines = [...introduction(action, context), ''];
  for (const { recipient, remote, words } of reported.filter((one) => one.action === action)) {
    // Without a code they are our own words: an expiry, or what the hop does not offer.
    const said = remote !== null && words?.code != null ? `${remote} said: ` : '';
    const text = words === null ? 'no reply' : printableReply(wordsLine(words), 900);
    lines.push(`<${printableReply(recipient.address)}>: ${said}${text}`, '');
  }
  return lines;
}

function introduction(action: ReportAction, { giveUpAtMs }: ReportContext): string[] {
  switch (action) {
    case 'failed':
      return [
        'Your message could not be delivered to the recipients below. It will not',
        'be tried again.',
      ];
    case 'delayed':
      return [
        'Your message has not reached the recipients below yet. You need not send',
        `it again: it is tried until ${formatDate(giveUpAtMs)}.`,
      ];
    case 'relayed':
      return [
        'Your message to the recipients below was taken by a system that does not',
        'confirm deliveries. It has left this relay, and no further report comes',
        'from here.',
      ];
  }
}

function deliveryStatus(
  item: Item,
  reported: readonly ReportedRecipient[],
  { hostname, giveUpAtMs }: ReportContext,
): ReturnType<typeof formatDeliveryStatus> {
  const { protocol, client } = item.arrival;
  return formatDeliveryStatus(
    {
      envid: item.envid,
      reportingMta: hostname,
      receivedFrom: protocol.includes('SMTP') ? client : null,
      arrivalMs: item.receivedAtMs,
    },
    reported.map(({ recipient, action, remote, words, attemptedAtMs }) => ({
      orcpt: recipient.orcpt,
      address: recipient.address,
      action,
      remoteMta: remote,
      words,
      lastAttemptMs: attemptedAtMs,
      logId: item.id,
      retryUntilMs: giveUpAtMs,
    })),
  );
}

/** RFC 6533 §4.4: the older types where they can hold it. */
function originalType(item: Item, original: Original): string {
  const international = isInternational(item, original);
  return original.full
    ? international
      ? 'message/global'
      : 'message/rfc822'
    : international
      ? 'message/global-headers'
      : 'text/rfc822-headers';
}

/** Its header needs UTF-8, and is that. */
function isInternational(item: Item, { bytes, full }: Original): boolean {
  const header = full ? bytes.subarray(0, Math.max(0, findHeaderEnd(bytes))) : bytes;
  return item.smtpUtf8 && !isAsciiBytes(header) && isUtf8(header);
}

/** RFC 6533 §4.5: encoded unless the way back has to take 8 bits anyway. */
function encodingOf(bytes: Buffer, eightBit: boolean): string {
  return isAsciiBytes(bytes) ? '7bit' : eightBit ? '8bit' : 'quoted-printable';
}
