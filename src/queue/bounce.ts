import MimeNode from 'nodemailer/lib/mime-node';
import { decodeXtext } from '../format/xtext.js';
import { formatDate } from '../format/received.js';
import type { Item, ItemRecipient } from './item.js';

/** What a bounce tells, beside the message itself. */
export interface BounceContext {
  /** Our name (RFC 3464 §2.2.2). */
  hostname: string;
  /** Name of the hop that refused, or null when none was asked (expiry). */
  remote: string | null;
  nowMs: number;
  /** Header section of the message, or the whole of it with RET=FULL. */
  original: Buffer;
  /** `original` is the whole message. */
  full: boolean;
}

/**
 * RFC 5321 §6.1 and RFC 3461 §4.1: a failure is reported unless the sender is the null path (no
 * bounces of bounces) or asked not to hear of it.
 */
export function wantsFailureReport(item: Item, recipient: ItemRecipient): boolean {
  if (item.sender === '') {
    return false;
  }
  return recipient.notify === null || recipient.notify.split(',').includes('FAILURE');
}

/** The report as a whole message in RFC 3464 form, CRLF line ends. */
export async function buildBounce(
  item: Item,
  failed: readonly ItemRecipient[],
  context: BounceContext,
): Promise<Buffer> {
  const root = new MimeNode('multipart/report; report-type=delivery-status', {
    hostname: context.hostname,
  });
  root.setHeader({
    from: `Mail Delivery System <MAILER-DAEMON@${context.hostname}>`,
    to: item.sender,
    subject: 'Undelivered Mail Returned to Sender',
    'auto-submitted': 'auto-replied',
    date: formatDate(context.nowMs),
    ...(item.messageId === null ? {} : { references: item.messageId }),
  });
  root.createChild('text/plain; charset=utf-8').setContent(explanation(failed, context));
  root
    .createChild('message/delivery-status')
    .setHeader('content-transfer-encoding', '7bit')
    .setContent(deliveryStatus(item, failed, context));
  const original = context.full
    ? root.createChild('message/rfc822')
    : root.createChild('text/rfc822-headers');
  original.setHeader('content-transfer-encoding', item.eightBit ? '8bit' : '7bit');
  original.setContent(context.original);
  return root.build();
}

function explanation(failed: readonly ItemRecipient[], context: BounceContext): string {
  const lines = [
    `This is the mail relay at ${context.hostname}.`,
    '',
    'Your message could not be delivered to the recipients below. It will not be tried again.',
    '',
  ];
  for (const recipient of failed) {
    // Without a code they are our own words: an expiry, or what the hop does not offer.
    const quoted = context.remote !== null && recipient.lastReply?.code != null;
    const said = quoted ? `${context.remote} said: ` : '';
    lines.push(`<${recipient.address}>: ${said}${replyLine(recipient)}`, '');
  }
  return lines.join('\r\n');
}

/** RFC 3464 §2: the fields about the message, then a group for each recipient. */
function deliveryStatus(
  item: Item,
  failed: readonly ItemRecipient[],
  context: BounceContext,
): string {
  const message = [`Reporting-MTA: dns; ${context.hostname}`, `X-Relaymesh-Queue-ID: ${item.id}`];
  const envid = item.envid === null ? null : decodeXtext(item.envid);
  if (envid !== null) {
    message.push(`Original-Envelope-Id: ${oneLine(envid)}`);
  }
  message.push(`Arrival-Date: ${formatDate(item.receivedAtMs)}`);
  const groups = failed.map((recipient) => recipientGroup(recipient, context));
  return [message, ...groups].map((group) => `${group.join('\r\n')}\r\n`).join('\r\n');
}

function recipientGroup(recipient: ItemRecipient, context: BounceContext): string[] {
  const group: string[] = [];
  const [type, original] = splitOrcpt(recipient.orcpt);
  if (type !== null) {
    group.push(`Original-Recipient: ${type}; ${oneLine(original)}`);
  }
  group.push(
    `Final-Recipient: rfc822; ${oneLine(recipient.address)}`,
    'Action: failed',
    `Status: ${statusOf(recipient)}`,
  );
  if (context.remote !== null) {
    group.push(`Remote-MTA: dns; ${oneLine(context.remote)}`);
  }
  if (recipient.lastReply?.code != null) {
    group.push(`Diagnostic-Code: smtp; ${replyLine(recipient)}`);
  }
  group.push(`Last-Attempt-Date: ${formatDate(context.nowMs)}`);
  return group;
}

function splitOrcpt(orcpt: string | null): [string | null, string] {
  const separator = orcpt?.indexOf(';') ?? -1;
  if (orcpt === null || separator === -1) {
    return [null, ''];
  }
  const address = decodeXtext(orcpt.slice(separator + 1));
  return address === null ? [null, ''] : [orcpt.slice(0, separator), address];
}

/** RFC 3463: of class 5, since the failure is final; the remote's own code where it gave one. */
function statusOf(recipient: ItemRecipient): string {
  const enhanced = recipient.lastReply?.enhanced ?? null;
  return enhanced !== null && enhanced.startsWith('5.') ? enhanced : '5.0.0';
}

function replyLine(recipient: ItemRecipient): string {
  const reply = recipient.lastReply;
  if (reply === null) {
    return 'no reply';
  }
  const parts = [reply.code, reply.enhanced, oneLine(reply.text)];
  return parts.filter((part) => part !== null && part !== '').join(' ');
}

/** Remote text never starts a line of its own; other than ASCII is shown as `?` (RFC 3464 §2.1). */
function oneLine(text: string): string {
  return text
    .replaceAll(/[^\x20-\x7e]+/g, (run) => (/^[\r\n\t]+$/.test(run) ? ' ' : '?'))
    .slice(0, 900);
}
