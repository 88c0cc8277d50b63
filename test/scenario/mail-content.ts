import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';

/** Numbers from 0 to 1 that a seed decides (mulberry32): a failure can be run again. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A message with one recipient, who is the only one to get it. */
export interface Mail {
  sender: string;
  recipient: string;
  header: string;
  body: Buffer;
  bodySha256: string;
}

const SENDER = 'sender@scenario.test';

function headerOf(recipient: string): string {
  return [
    `From: <${SENDER}>`,
    `To: <${recipient}>`,
    'Subject: a message of a scenario',
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${recipient.replace('@', '.')}@scenario.test>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    '',
    '',
  ].join('\r\n');
}

const TEXT_BYTES = 1024 * 1024;
const LINE_BREAK = Buffer.from('\r\n');

/** Bodies of any size, cut from one random text whose lines also begin with dots and are empty. */
export class BodySource {
  readonly #text: Buffer;
  readonly #chance: () => number;

  constructor(chance: () => number) {
    this.#chance = chance;
    let content = '';
    while (content.length < TEXT_BYTES) {
      const line = Buffer.from(Array.from({ length: Math.floor(chance() * 90) }, this.#character));
      const dots = '.'.repeat(Math.max(0, Math.floor(chance() * 6) - 3));
      content += `${dots}${line.toString('latin1')}\r\n`;
    }
    this.#text = Buffer.from(content, 'latin1');
  }

  readonly #character = (): number => 0x20 + Math.floor(this.#chance() * 95);

  /** A body of about `sizeBytes` that ends with a line break. */
  body(sizeBytes: number): Buffer {
    // Bytes from the middle of a line break would be a bare CR or LF, which no node takes.
    const start = this.#lineStart(Math.floor(this.#chance() * (TEXT_BYTES / 2)));
    const text = this.#text.subarray(start, this.#lineStart(start + sizeBytes));
    return Buffer.concat([text]);
  }

  /** @returns A piece of whole lines of about 64 KiB. */
  piece(): Buffer {
    return this.body(65_536);
  }

  #lineStart(offset: number): number {
    const found = this.#text.indexOf(LINE_BREAK, Math.min(offset, TEXT_BYTES - 1000));
    return found + 2;
  }
}

/** A message of about `sizeBytes`, at most half a megabyte. */
export function makeMail(recipient: string, sizeBytes: number, source: BodySource): Mail {
  const body = source.body(sizeBytes);
  const bodySha256 = createHash('sha256').update(body).digest('hex');
  return { sender: SENDER, recipient, header: headerOf(recipient), body, bodySha256 };
}

/** What a client hands in for a message. */
export function submissionOf({ sender, recipient, header, body }: Mail): {
  sender: string;
  recipients: string[];
  raw: Buffer;
} {
  return { sender, recipients: [recipient], raw: Buffer.concat([Buffer.from(header), body]) };
}

/** A message that is made while it is sent, so that ten large ones do not fill the memory here. */
export function streamMail(
  recipient: string,
  sizeBytes: number,
  source: BodySource,
): { submission: { sender: string; recipients: string[]; raw: Readable }; sha256: () => string } {
  const hash = createHash('sha256');
  const pieces = Array.from({ length: 16 }, () => source.piece());
  function* content(): Generator<Buffer> {
    yield Buffer.from(headerOf(recipient));
    for (let sent = 0, index = 0; sent < sizeBytes; index++) {
      const piece = pieces[index % pieces.length] as Buffer;
      hash.update(piece);
      sent += piece.length;
      yield piece;
    }
  }
  const raw = Readable.from(content(), { objectMode: false, highWaterMark: 131_072 });
  return {
    submission: { sender: SENDER, recipients: [recipient], raw },
    sha256: () => hash.digest('hex'),
  };
}
