import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import type { Pacer } from './pace.js';

const DOT = 0x2e;
const CR = 0x0d;
const LF = 0x0a;
const DOT_AT_LINE_START = Buffer.from('\r\n.');

type Callback = (error?: Error | null) => void;

/**
 * The library's parser with two parts replaced, and slowed down on order. Content is what RFC 5321 §4.5.2 says whatever its
 * dots and however it was cut into chunks: it ends with CRLF "." CRLF and nothing else, and a dot
 * is taken off only after CRLF. The library also takes it off after a bare LF, looks at each byte
 * in turn, and waits for the event loop at each dot.
 */
export class SinkParser extends SMTPStream {
  readonly #pacer: () => Pacer;
  /** True while bytes that have been waited for go through, which the library may hand in again. */
  #passing = false;

  constructor(pacer: () => Pacer) {
    super();
    this.#pacer = pacer;
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: Callback): void {
    const pacer = this.#pacer();
    if (this.#passing || !pacer.isHolding) return super._write(chunk, encoding, done);
    const part = chunk.subarray(0, pacer.grainBytes);
    pacer.charge(part.length, () => {
      this.#passing = true;
      super._write(part, encoding, (error) => {
        this.#passing = false;
        if (error || part.length === chunk.length) done(error);
        else this._write(chunk.subarray(part.length), encoding, done);
      });
    });
  }

  /**
   * The library clears the continuation after it ran. When the rest of the input held a whole
   * further message, that clears the continuation of that one, and the session hangs.
   */
  override continue(): void {
    const proceed = this._continueCallback;
    if (typeof proceed === 'function') {
      this._continueCallback = false;
      proceed();
    } else {
      this._continueCallback = true;
    }
  }

  override _feedDataStream(chunk: Buffer, done: Callback): void {
    const input = this._lastBytes === false ? chunk : Buffer.concat([this._lastBytes, chunk]);
    this._lastBytes = false;
    const parts: Buffer[] = [];
    // What stands before `from` is dealt with, and no dot begins a line between `from` and `search`.
    let from = 0;
    let search = 0;
    for (;;) {
      const dot = this.#nextDot(input, search);
      if (dot === -1) break;
      const next = input[dot + 1];
      if (next === CR && input[dot + 2] === LF) {
        const content = joined(parts, input.subarray(from, dot));
        this._countDataBytes(content.length);
        this._endDataMode(content, input.subarray(dot + 3), done);
        return;
      }
      if (next === undefined || (next === CR && input[dot + 2] === undefined)) {
        // What the dot means is in the next chunk; that it begins a line must still be seen then.
        const kept = Math.max(dot - 2, from);
        this._lastBytes = input.subarray(kept);
        this.#pass(joined(parts, input.subarray(from, kept)), done);
        return;
      }
      parts.push(input.subarray(from, dot));
      from = dot + 1;
      search = from;
      this._atDataStart = false;
    }
    const end = input.length - lineEndLength(input, from);
    this._lastBytes = end < input.length && input.subarray(end);
    this.#pass(joined(parts, input.subarray(from, end)), done);
  }

  #nextDot(input: Buffer, search: number): number {
    if (this._atDataStart && search === 0 && input[0] === DOT) return 0;
    const found = input.indexOf(DOT_AT_LINE_START, search);
    return found === -1 ? -1 : found + 2;
  }

  /** Hands content on, and asks for more once there is room for it. */
  #pass(content: Buffer, done: Callback): void {
    const stream = this._dataStream;
    this._countDataBytes(content.length);
    if (content.length === 0 || stream === null || !stream.writable || stream.write(content)) {
      done();
      return;
    }
    const proceed = (): void => {
      stream.off('drain', proceed);
      stream.off('close', proceed);
      done();
    };
    stream.once('drain', proceed);
    stream.once('close', proceed);
  }
}

/** How many bytes at the end, from `from` on, may be the beginning of CRLF ".". */
function lineEndLength(input: Buffer, from: number): number {
  const { length } = input;
  if (length - from >= 2 && input[length - 2] === CR && input[length - 1] === LF) return 2;
  return length > from && input[length - 1] === CR ? 1 : 0;
}

function joined(parts: Buffer[], last: Buffer): Buffer {
  return parts.length === 0 ? last : Buffer.concat([...parts, last]);
}
