import { SmtpClient } from '../sink/client.js';

/** A message and who hands it in. */
export interface Letter {
  recipient: string | string[];
  sender?: string;
  /** Content as it travels, lines ending with CRLF. */
  content?: string;
  login?: { username: string; password: string };
}

const SENDER = 'sender@smarthost.test';

/**
 * Hands in one message over SMTP, byte for byte.
 *
 * @returns the reply to the final dot, or the one that ended it before
 */
export async function handIn(port: number, letter: Letter): Promise<string> {
  const { recipient, sender = SENDER, login, content = contentFor(recipient) } = letter;
  const client = await SmtpClient.greeted(port);
  try {
    if (login !== undefined) {
      const { username, password } = login;
      const words = Buffer.from(`\0${username}\0${password}`).toString('base64');
      const reply = await client.ask(`AUTH PLAIN ${words}`);
      if (!reply.startsWith('235')) return reply;
    }
    const replies = await client.send(sender, [recipient].flat(), dotted(content));
    return replies.find((reply) => !/^[23]/.test(reply)) ?? replies.at(-1) ?? '';
  } finally {
    client.destroy();
  }
}

/** A short message; `fields` are lines of its header without CRLF. */
export function contentFor(recipient: string | string[], fields: readonly string[] = []): string {
  const lines = [
    `From: <${SENDER}>`,
    `To: <${[recipient].flat().join('>, <')}>`,
    ...fields,
    'Subject: a row of the page',
    'Date: Thu, 1 Jan 2026 12:00:00 +0000',
    '',
    'Body of the message.',
  ];
  return lines.map((line) => `${line}\r\n`).join('');
}

/** RFC 5321 §4.5.2, and without the last CRLF, which the client adds. */
function dotted(content: string): string {
  return content.replaceAll(/^\./gm, '..').replace(/\r\n$/, '');
}

/** UTC, `YYYY-MM-DD HH:MM:SS`, as messages name times. */
export function utc(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}
