import type { Login } from './next-hop.js';

/** Shorter pieces of what was sent are in any text by chance. */
const MIN_HIDDEN_LENGTH = 4;
const SHOWN = '(hidden)';

/**
 * What of a login no reply may show: some servers quote what they refuse, and a hostile one may
 * repeat it at any later command, while their words go to logs, traces, and the senders of bounces.
 * The password in the forms that a server would have it in, and all that the login sent.
 *
 * @param sent the lines of the login so far
 */
export function hiddenWords(login: Login, sent: readonly string[]): string[] {
  const pieces = sent.flatMap((line) => {
    const blob = line.startsWith('AUTH ') ? (line.split(' ')[2] ?? '') : line;
    // RFC 4616 separates its parts by NUL, XOAUTH2 by U+0001.
    const parts = Buffer.from(blob, 'base64').toString().replaceAll('\x01', '\0').split('\0');
    return [blob, ...parts.map((part) => part.replace(/^auth=Bearer /, ''))];
  });
  const password = 'password' in login ? (login.password?.reveal() ?? '') : '';
  const words = new Set([...(password === '' ? [] : formsOf(password)), ...pieces]);
  return [...words]
    .filter((piece) => piece.length >= MIN_HIDDEN_LENGTH && piece !== login.username)
    .sort((a, b) => b.length - a.length);
}

/** A reply without these words. Its codes stay, whatever the words are: the way on depends on them. */
export function withoutWords(reply: string, words: readonly string[]): string {
  if (!words.some((word) => reply.includes(word))) return reply;
  return reply
    .split('\n')
    .map((line) => {
      const [code = ''] = /^\d{3}[ -]/.exec(line) ?? [];
      const text = line.slice(code.length);
      return code + words.reduce((shown, word) => shown.replaceAll(word, SHOWN), text);
    })
    .join('\n');
}

function formsOf(password: string): string[] {
  const bytes = Buffer.from(password);
  const hex = bytes.toString('hex');
  return [
    password,
    encodeURIComponent(password),
    hex,
    hex.toUpperCase(),
    ...[0, 1, 2].map((offset) => base64Within(bytes, offset)),
  ];
}

/** The characters of base64 that are the same whatever stands before and behind. */
function base64Within(bytes: Buffer, offset: number): string {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  const begin = Math.ceil((offset * 8) / 6);
  const end = Math.floor(((offset + bytes.length) * 8) / 6);
  return encoded.slice(begin, end);
}
