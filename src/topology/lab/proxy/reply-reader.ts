const LF = 0x0a;
const CR = 0x0d;
const HYPHEN = 0x2d;
const SPACE = 0x20;
/** What is longer is no reply; below what a session lets wait here. */
const MAX_REPLY_BYTES = 32 * 1024;

/** A whole reply with all of its lines, as it stands on the wire. */
export interface WireReply {
  code: number;
  bytes: Buffer;
}

/** Cuts what a server says into replies (RFC 5321 §4.2). */
export class ReplyReader {
  #bytes: Buffer = Buffer.alloc(0);
  /** Where the first line that has not been looked at begins. */
  #lineStart = 0;

  get length(): number {
    return this.#bytes.length;
  }

  add(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  /** The next whole reply; null while there is none; 'odd' when what comes is none. */
  next(): WireReply | 'odd' | null {
    for (;;) {
      const end = this.#bytes.indexOf(LF, this.#lineStart);
      if (end === -1) {
        if (this.#bytes.length > MAX_REPLY_BYTES || !this.#mayBeReply()) return 'odd';
        return null;
      }
      const mark = this.#bytes[this.#lineStart + 3] ?? 0;
      const code = this.#codeAt(this.#lineStart);
      if (code === null || !isMark(mark)) return 'odd';
      this.#lineStart = end + 1;
      if (mark === HYPHEN) continue;
      return { code, bytes: this.#take(this.#lineStart) };
    }
  }

  /** All that is there, whole or not. */
  rest(): Buffer {
    return this.#take(this.#bytes.length);
  }

  #take(end: number): Buffer {
    const taken = this.#bytes.subarray(0, end);
    this.#bytes = this.#bytes.subarray(end);
    this.#lineStart = 0;
    return taken;
  }

  #codeAt(start: number): number | null {
    let code = 0;
    for (let index = start; index < start + 3; index++) {
      const digit = (this.#bytes[index] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) return null;
      code = code * 10 + digit;
    }
    return code;
  }

  /** False as soon as a line that has begun cannot become one of a reply. */
  #mayBeReply(): boolean {
    const begun = this.#bytes.subarray(this.#lineStart, this.#lineStart + 4);
    return begun.every((byte, index) => (index < 3 ? byte >= 0x30 && byte <= 0x39 : isMark(byte)));
  }
}

function isMark(byte: number): boolean {
  return byte === SPACE || byte === HYPHEN || byte === CR || byte === LF;
}
