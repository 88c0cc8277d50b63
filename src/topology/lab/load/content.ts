import { createHash } from 'node:crypto';
import { findHeaderEnd } from '../../../format/header.js';
import type { Range } from '../units.js';
import { SeededRandom } from './random.js';

/*
 * Generated mail. The bytes follow from what is given here and nothing else. It looks like mail
 * where that matters to what carries it: lines of many lengths up to the limit of RFC 5322 §2.1.1,
 * lines that begin with dots (RFC 5321 §4.5.2), and in every third message text beyond ASCII.
 */

export interface LetterSpec {
  seed: number;
  /** Over all messages of the test, from 1. */
  number: number;
  /** Of the whole message. One that is less than the header is that of the header. */
  sizeBytes: Range;
  testName: string;
  /** Without brackets. */
  messageId: string;
  /** '' is the null sender. */
  sender: string;
  recipients: readonly string[];
  dateMs: number;
}

/** RFC 5322 §2.1.1: characters of a line, CRLF aside; with UTF-8 the octets count. */
const MAX_LINE_BYTES = 998;
/** More would make a header of which the body is the smaller part. */
const MAX_NAMED_RECIPIENTS = 20;
const WORDS = ['lorem', 'ipsum', 'relay', 'mesh', 'queue', 'a', 'of', 'hop', 'edge'] as const;
const FAR_WORDS = ['größe', 'données', 'почта', '郵便', '✉', 'ñandú'] as const;

/** The message, with CRLF at the end of each line. */
export function generateLetter(spec: LetterSpec): Buffer {
  const random = new SeededRandom(spec.seed, spec.number);
  const sizeBytes = random.between(spec.sizeBytes.min, spec.sizeBytes.max);
  const isEightBit = random.between(1, 3) === 1;
  const header = Buffer.from(headerOf(spec, isEightBit));
  const body = bodyOf(random, Math.max(0, sizeBytes - header.length), isEightBit);
  return Buffer.concat([header, body]);
}

/** Lower-case hex over the bytes after the first empty line, as the sink counts it. */
export function bodySha256(message: Buffer): string {
  const start = findHeaderEnd(message);
  const body = start === -1 ? Buffer.alloc(0) : message.subarray(start);
  return createHash('sha256').update(body).digest('hex');
}

function headerOf(spec: LetterSpec, isEightBit: boolean): string {
  const { sender, recipients, testName, number, messageId, dateMs } = spec;
  const date = new Date(dateMs).toUTCString().replace('GMT', '+0000');
  const named = recipients.slice(0, MAX_NAMED_RECIPIENTS).map((address) => `<${address}>`);
  return [
    `From: Topology Lab <${sender === '' ? 'lab@relaymesh.test' : sender}>`,
    `To: ${named.join(',\r\n ')}`,
    `Date: ${date}`,
    `Subject: ${encodeWords(`${testName} #${number}`)}`,
    `Message-ID: <${messageId}>`,
    'MIME-Version: 1.0',
    `Content-Type: text/plain; charset=${isEightBit ? 'utf-8' : 'us-ascii'}`,
    `Content-Transfer-Encoding: ${isEightBit ? '8bit' : '7bit'}`,
    '\r\n',
  ].join('\r\n');
}

/** Text for a header field: as it is, or in encoded words (RFC 2047 §2) of 45 octets each. */
function encodeWords(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text) && !text.includes('=?')) return text.trim();
  const parts: string[] = [''];
  for (const character of text) {
    const part = parts.at(-1) ?? '';
    if (Buffer.byteLength(part + character) > 45) parts.push(character);
    else parts[parts.length - 1] = part + character;
  }
  return parts.map((part) => `=?UTF-8?B?${Buffer.from(part).toString('base64')}?=`).join('\r\n ');
}

/** Lines of exactly `sizeBytes` bytes together; a rest that is too small for a line is left out. */
function bodyOf(random: SeededRandom, sizeBytes: number, isEightBit: boolean): Buffer {
  const lines: Buffer[] = [];
  let left = sizeBytes;
  while (left >= 2) {
    // One byte cannot be a line of its own, so the line before takes it.
    const room = Math.min(MAX_LINE_BYTES, left - 2);
    let length = Math.min(lineLength(random), room);
    if (left - length - 2 === 1) length += length < room ? 1 : -1;
    if (length < 0) length = 0;
    const line = lineOf(random, length, isEightBit);
    lines.push(line);
    left -= line.length;
  }
  return Buffer.concat(lines);
}

/** Mostly lines as people write them, some empty ones and some that are as long as may be. */
function lineLength(random: SeededRandom): number {
  const kind = random.between(1, 20);
  if (kind <= 2) return 0;
  if (kind === 3) return random.between(900, MAX_LINE_BYTES);
  return random.between(1, 78);
}

function lineOf(random: SeededRandom, length: number, isEightBit: boolean): Buffer {
  const dots = random.between(1, 8) === 1 ? '.'.repeat(random.between(1, 3)) : '';
  let text = dots;
  while (text.length < length) {
    const isFar = isEightBit && random.between(1, 4) === 1;
    text += `${isFar ? random.pick(FAR_WORDS) : random.pick(WORDS)} `;
  }
  const line = Buffer.alloc(length + 2, 'x');
  // `write` puts no part of a character, so that a line ends in `x` rather than in broken UTF-8.
  line.write(text, 0, length, 'utf8');
  // White space at the end of a line is what mail systems change first.
  if (line[length - 1] === 0x20) line[length - 1] = 0x78;
  line.write('\r\n', length);
  return line;
}
