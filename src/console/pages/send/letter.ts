/** The message that the console sends: one that is made of a subject and a text, or one that is pasted. */

export interface Letter {
  /** Of the envelope and of the header; '': the null sender. */
  sender: string;
  recipients: readonly string[];
  subject: string;
  text: string;
  /** 128 bits in hex, for the Message-ID. */
  id: string;
  atMs: number;
}

const CRLF = '\r\n';
/** RFC 2045 §6.8: characters in a line of base64. */
const BASE64_LINE = 76;
/** RFC 5322 §2.1.1: characters in a line. */
const MAX_LINE = 998;
/** UTF-8 bytes in an encoded-word, so that it has at most 75 characters (RFC 2047 §2). */
const WORD_BYTES = 42;
/** What a line of a heredoc may be without being its end. */
const HEREDOC = 'END_OF_MESSAGE';

/** The message, RFC 5322 with MIME, all ASCII, lines end with CRLF. */
export function composeMessage(letter: Letter): string {
  const { sender, recipients, subject, id, atMs } = letter;
  const domain = /@([a-z0-9.-]+)$/i.exec(sender)?.[1] ?? 'relaymesh.invalid';
  const body = withCrlf(letter.text.endsWith('\n') ? letter.text : `${letter.text}\n`);
  const plain = isAscii(body) && body.split(CRLF).every((line) => line.length <= MAX_LINE);
  const fields = [
    // A group without members says that there is no author (RFC 6854); no address is made up.
    `From: ${sender === '' ? 'no sender:;' : `<${sender}>`}`,
    `To: ${recipients.map((one) => `<${one}>`).join(`,${CRLF} `)}`,
    `Subject: ${encodeWords(subject)}`,
    `Date: ${dateText(atMs)}`,
    `Message-ID: <${id}@${domain}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Transfer-Encoding: ${plain ? '7bit' : 'base64'}`,
  ];
  return `${fields.join(CRLF)}${CRLF}${CRLF}${plain ? body : base64Lines(body)}`;
}

/** Each line with CRLF at its end, whatever stood there (RFC 5322 §2.3). */
export function withCrlf(text: string): string {
  return text.replaceAll(/\r\n|\r|\n/g, CRLF);
}

/** What is wrong with a pasted message, or null. */
export function faultOfMessage(message: string): string | null {
  if (message.trim() === '') return 'The message is empty.';
  if (/^[ \t]/.test(message))
    return 'The message begins with white space instead of a header field.';
  if (!/^[!-9;-~]+[ \t]*:/.test(message)) {
    return 'The message does not begin with a header field such as “Subject: …”.';
  }
  return null;
}

/** The addresses in a field: separated by commas, semicolons, white space or line ends, each once. */
export function addressesOf(text: string): string[] {
  const words = text.split(/[\s,;]+/).map((word) => word.replace(/^<(.*)>$/, '$1'));
  return [...new Set(words.filter((word) => word !== ''))];
}

/** Text for a shell, with a heredoc: as the standard input of a command. */
export function heredoc(command: string, message: string): string {
  const lines = message.replaceAll(CRLF, '\n').replace(/\n$/, '').split('\n');
  let end = HEREDOC;
  while (lines.includes(end)) end += '_';
  return `${command} <<'${end}'\n${lines.join('\n')}\n${end}`;
}

/** RFC 5322 §3.3, in UTC. */
function dateText(atMs: number): string {
  return new Date(atMs).toUTCString().replace('GMT', '+0000');
}

function isAscii(text: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return /^[\t\r\n\x20-\x7e]*$/.test(text);
}

/** RFC 2047, where the text is more than ASCII; a line end would begin another field. */
function encodeWords(text: string): string {
  const line = text.replaceAll(/[\r\n]+/g, ' ').trim();
  if (isAscii(line) && line.length <= MAX_LINE - 20) return line;
  const words: string[] = [];
  let word = '';
  for (const character of line) {
    if (utf8(word + character).length > WORD_BYTES) {
      words.push(word);
      word = '';
    }
    word += character;
  }
  return [...words, word].map((one) => `=?utf-8?B?${base64(utf8(one))}?=`).join(`${CRLF} `);
}

function base64Lines(text: string): string {
  const encoded = base64(utf8(text));
  const lines: string[] = [];
  for (let at = 0; at < encoded.length; at += BASE64_LINE) {
    lines.push(encoded.slice(at, at + BASE64_LINE));
  }
  return `${lines.join(CRLF)}${CRLF}`;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function base64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCodePoint(byte);
  return btoa(binary);
}

const LF = 0x0a;
const CR = 0x0d;

/** The same for bytes in any character set that has ASCII in it. */
export function withCrlfBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const isLone = (at: number): boolean =>
    bytes[at] === LF ? bytes[at - 1] !== CR : bytes[at] === CR && bytes[at + 1] !== LF;
  let lone = 0;
  for (let at = 0; at < bytes.length; at++) if (isLone(at)) lone++;
  const whole = new Uint8Array(bytes.length + lone);
  let to = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (!isLone(at)) {
      whole[to++] = bytes[at] ?? 0;
    } else {
      whole[to++] = CR;
      whole[to++] = LF;
    }
  }
  return whole;
}
