import type { ContentViolation } from './smtp-parser.js';

const CR = 0x0d;
const LF = 0x0a;
const CRLF = Buffer.from('\r\n');

/**
 * What the data phase of SMTP would have shown of content that comes another way: bytes that mail
 * may not hold (RFC 5322 §2.3: CR and LF only together), bytes above 127, a last line without its
 * end. Chunks may be cut anywhere.
 */
export class ContentCheck {
  /** The first byte that mail may not hold, or null. */
  violation: ContentViolation | null = null;
  eightBit = false;
  /** Of the content so far; nothing at all is a whole line. */
  #last = LF;

  add(chunk: Buffer): void {
    let last = this.#last;
    // By index: the iterator of a buffer is several times slower.
    for (let index = 0; index < chunk.length; index++) {
      const byte = chunk[index] as number;
      if (last === CR && byte !== LF) {
        this.violation ??= 'bare CR';
      } else if (byte === LF && last !== CR) {
        this.violation ??= 'bare LF';
      } else if (byte === 0) {
        this.violation ??= 'NUL';
      }
      this.eightBit ||= byte > 0x7f;
      last = byte;
    }
    this.#last = last;
  }

  /** The content ends here: what has to be added so that its last line ends as well, or null. */
  end(): Buffer | null {
    if (this.#last === CR) {
      this.violation ??= 'bare CR';
    }
    return this.#last === LF ? null : CRLF;
  }
}
