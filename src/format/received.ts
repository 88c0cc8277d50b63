/** RFC 5321 §4.4: the trace line that every hop adds on top and nobody removes. */
export interface ReceivedFields {
  /** The client's HELO/EHLO argument. */
  helo: string;
  clientAddress: string;
  /** Our name. */
  by: string;
  /** `ESMTPSA` and the like (RFC 3848, RFC 6531 §4.3). */
  protocol: string;
  queueId: string;
  tls: { protocol: string; cipher: string } | null;
  /** Given only when there is exactly one recipient, so that none learns of another (§7.2). */
  recipient: string | null;
  dateMs: number;
}

/** The header line with CRLF, folded at 78 columns where words allow. */
export function formatReceived(fields: ReceivedFields): string {
  const literal = fields.clientAddress.includes(':')
    ? `[IPv6:${fields.clientAddress}]`
    : `[${fields.clientAddress}]`;
  const lines = [`Received: from ${heloToken(fields.helo, literal)} (${literal})`];
  if (fields.tls !== null) {
    lines.push(` (using ${fields.tls.protocol} with cipher ${fields.tls.cipher})`);
  }
  lines.push(` by ${fields.by} (relaymesh) with ${fields.protocol} id ${fields.queueId}`);
  if (fields.recipient !== null) {
    lines.push(` for <${fields.recipient}>`);
  }
  return `${lines.join('\r\n')};\r\n ${formatDate(fields.dateMs)}\r\n`;
}

/** A HELO name that is no atom would break the syntax of the line; the address stands for it. */
function heloToken(helo: string, literal: string): string {
  return /^[\w.:[\]-]{1,255}$/.test(helo) ? helo : literal;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** RFC 5322 §3.3 date-time in UTC. */
export function formatDate(ms: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${DAYS[date.getUTCDay()]}, ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${day} ${date.getUTCFullYear()} ${time} +0000`;
}
