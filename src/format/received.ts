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
  const { name, literal } = clientName(fields.helo, fields.clientAddress);
  const lines = [`Received: from ${name} (${literal})`];
  if (fields.tls !== null) {
    lines.push(` (using ${fields.tls.protocol} with cipher ${fields.tls.cipher})`);
  }
  lines.push(` by ${fields.by} (relaymesh) with ${fields.protocol} id ${fields.queueId}`);
  if (fields.recipient !== null) {
    lines.push(` for <${fields.recipient}>`);
  }
  return `${lines.join('\r\n')};\r\n ${formatDate(fields.dateMs)}\r\n`;
}

/**
 * The name that a client gave, and its address as a literal (RFC 5321 §4.1.3). A HELO name that is
 * no atom would break the syntax of a field; the address stands for it.
 */
export function clientName(helo: string, address: string): { name: string; literal: string } {
  const literal = address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;
  return { name: /^[\w.:[\]-]{1,255}$/.test(helo) ? helo : literal, literal };
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** The second that was written last, and its text: most dates that are written are of now. */
let lastSecond = Number.NaN;
let lastDate = '';

/** RFC 5322 §3.3 date-time in UTC. */
export function formatDate(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== lastSecond) {
    lastDate = writeDate(second * 1000);
    lastSecond = second;
  }
  return lastDate;
}

function writeDate(ms: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${DAYS[date.getUTCDay()]}, ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${day} ${date.getUTCFullYear()} ${time} +0000`;
}
