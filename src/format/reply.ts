import { isAscii } from './address.js';

/** Replies of SMTP servers (RFC 5321 §4.2, RFC 2034), as they came from a host we do not control. */

export interface SmtpReply {
  code: number;
  /** Enhanced status code (RFC 3463), or null when there is none of the reply's class. */
  enhanced: string | null;
  /** All lines as one, without codes. */
  text: string;
  /** The text of each line, without codes. */
  lines: string[];
}

/** A queue id longer than this is noise. */
const MAX_QUEUE_ID_LENGTH = 100;

/** Ids are looked for in this much of a reply. */
const MAX_SEARCHED_LENGTH = 1000;

/**
 * Parses a reply of one or more lines, separated by `\n` or `\r\n`. Null when a line has no code
 * of 2yz to 5yz. Where lines carry different codes, against RFC 5321 §4.2.1, the last one decides.
 * An enhanced code is taken off each line if its class is the first digit of the code (RFC 2034
 * §4); the reply's is the first one that was taken.
 */
export function parseReply(text: string): SmtpReply | null {
  if (!text.includes('\n')) {
    return parseLines([text.endsWith('\r') ? text.slice(0, -1) : text]);
  }
  const raw = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  if (raw.at(-1) === '') raw.pop();
  return parseLines(raw);
}

function parseLines(raw: readonly string[]): SmtpReply | null {
  const last = raw.at(-1) ?? '';
  if (!raw.every(hasReplyCode)) return null;
  const reply: SmtpReply = { code: Number(last.slice(0, 3)), enhanced: null, text: '', lines: [] };
  for (const line of raw) {
    const words = line.slice(4);
    const found = startsEnhanced(line, last) ? ENHANCED.exec(words)?.[0] : undefined;
    if (found === undefined) {
      reply.lines.push(words.trim());
    } else {
      reply.enhanced ??= found;
      reply.lines.push(words.slice(found.length + 1).trim());
    }
  }
  reply.text =
    raw.length === 1 ? (reply.lines[0] ?? '') : reply.lines.filter((line) => line !== '').join(' ');
  return reply;
}

const ENHANCED = /^[245]\.\d{1,3}\.\d{1,3}(?= |$)/;

/** Of the class of the last line's code. */
function startsEnhanced(line: string, last: string): boolean {
  return line[4] === last[0] && line[5] === '.';
}

function hasReplyCode(line: string): boolean {
  return (
    isDigit(line, 0, 2, 5) &&
    isDigit(line, 1, 0, 9) &&
    isDigit(line, 2, 0, 9) &&
    (line.length === 3 || line[3] === ' ' || line[3] === '-')
  );
}

function isDigit(line: string, at: number, least: number, most: number): boolean {
  const digit = line.charCodeAt(at) - 48;
  return digit >= least && digit <= most;
}

/**
 * What a server said, of which each character is one byte so far. It is read as UTF-8 (RFC 6531
 * §3.7.4.2); where it is none, the bytes stay what they are.
 */
export function decodeReply(bytes: string): string {
  if (isAscii(bytes)) return bytes;
  const text = Buffer.from(bytes, 'latin1').toString();
  return text.includes('\ufffd') ? bytes : text;
}

/**
 * `text` as one line that is safe in a log, a terminal and a page's text: line breaks and tabs
 * become spaces, and every other character that controls rather than shows (escape sequences,
 * direction marks, zero-width characters, lone surrogates) a visible `\x1b` or `\u{202e}`. At most
 * `maxLength` UTF-16 units, the last one `…` when something was cut off.
 */
export function printableReply(text: string, maxLength = 500): string {
  if (text.length <= maxLength && PLAIN_WORDS.test(text)) return text;
  let shown = '';
  for (const character of text) {
    const piece = visible(character);
    if (piece === ' ' && (shown === '' || shown.endsWith(' '))) continue;
    if (shown.length + piece.length > maxLength) {
      return maxLength < 1 ? '' : `${withoutHalfPair(shown.slice(0, maxLength - 1))}…`;
    }
    shown += piece;
  }
  return shown.trimEnd();
}

/** The rule: nothing to be made visible, and single spaces between the words. */
const PLAIN_WORDS = /^[!-~]+(?: [!-~]+)*$/;

function visible(character: string): string {
  if (/[\r\n\t\u2028\u2029]/.test(character)) return ' ';
  if (!/[\p{Cc}\p{Cf}\p{Cs}]/u.test(character)) return character;
  const code = character.codePointAt(0) as number;
  const hex = code.toString(16);
  return code <= 0xff ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`;
}

/** Cutting in the middle of a surrogate pair would leave half of it at the end. */
function withoutHalfPair(text: string): string {
  const code = text.charCodeAt(text.length - 1);
  return code >= 0xd800 && code <= 0xdbff ? text.slice(0, -1) : text;
}

/** How servers name the id under which they took a message; the first form that fits counts. */
const QUEUE_ID_FORMS: readonly RegExp[] = [
  // Postfix, relaymesh, and through a content filter: "2.0.0 Ok: queued as 4ABC"
  /\bqueued as:? *<?([A-Za-z0-9][\w.-]*)/i,
  // Exim: "OK id=1abcde-000000001Xy-0a1B"; KumoMTA: "OK ids=…"
  /\bids?=([A-Za-z0-9][\w.-]*)/,
  // Haraka: "Message Queued (7EBD9A0B-….1)"
  /\bqueued \(([A-Za-z0-9][\w.-]*)\)/i,
  // Sendmail: "2.0.0 14QKab12345 Message accepted for delivery"
  /(?:^| )([A-Za-z0-9]{10,30}) Message accepted for delivery/,
  // Gmail: "2.0.0 OK  1600000000 a1b2c3si456.78 - gsmtp"
  /(?:^| )([A-Za-z0-9][\w.-]*) - gsmtp\b/,
];

/**
 * The queue id that a reply to the final dot names, or null. Without it the operator of the next
 * host cannot be told which message is meant, so the common servers' forms are known here.
 */
export function queueIdIn(text: string): string | null {
  const searched = text.slice(0, MAX_SEARCHED_LENGTH);
  for (const form of QUEUE_ID_FORMS) {
    const id = form.exec(searched)?.[1]?.replace(/\.+$/, '');
    if (id !== undefined && id.length <= MAX_QUEUE_ID_LENGTH) return id;
  }
  return null;
}
