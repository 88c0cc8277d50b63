import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import { ContentProgress } from './content-progress.js';
import { PlainBytes } from './plain-bytes.js';

/**
 * The bytes of a client, cut into command lines and message content.
 *
 * Guarantees, where the library's parser differs (each is shown by a contract test):
 * - A command ends with CRLF. One that ends with a bare LF is not executed (RFC 5321 §2.3.8); the
 *   session is told and ends.
 * - Content ends with CRLF "." CRLF and nothing else (§4.1.1.4). A CR or LF on its own and a NUL
 *   are reported to the receiver, never taken for a line end, so no second message can be smuggled.
 * - One pass over the content, whatever its dots; the receiver gets slices of the read buffer.
 * - While a receiver or a command is busy nothing further is read.
 * - What needs no wait is done within the call that brought it: a chunk costs neither a promise nor a
 *   turn of the event loop.
 */

export interface DataReceiver {
  /** Content with the dots unstuffed. Returns a promise when the reader has to wait. */
  write(chunk: Buffer): Promise<void> | undefined;
  /** A byte that mail may not hold stood in the content: a lone CR, a lone LF or NUL. */
  violation(kind: ContentViolation): void;
  /** A byte above 127 stood in the content. */
  eightBit(): void;
  /** The end of the content; resolves when the reply was sent. */
  end(): Promise<void>;
}

export type ContentViolation = 'bare CR' | 'bare LF' | 'NUL';

type Callback = (error?: Error | null) => void;

/** Where in a line the content stands. */
const enum State {
  LineStart,
  InLine,
  Cr,
  Dot,
  DotCr,
}

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const CR_BYTES = Buffer.from('\r');
const NOTHING = Buffer.alloc(0);
const MAX_COMMANDS_IN_A_ROW = 100;

export class SmtpParser extends SMTPStream {
  /** Called for a command line that ended with a bare LF; it must end the session. */
  onBareLineFeed: () => void = () => undefined;
  /** Called whenever it stops to read: what it was given is used up, or has to wait. */
  onRest: () => void = () => undefined;
  readonly #maxCommandBytes: number;
  #partialLine: Buffer = NOTHING;
  #receiver: DataReceiver | null = null;
  #progress = new ContentProgress();
  #state: State = State.LineStart;
  #commandsInARow = 0;
  /** Settles, never rejects, when the chunk that had to wait is used up; null while none waits. */
  #waiting: Promise<void> | null = null;

  constructor(maxCommandBytes: number) {
    super({ maxCommandLength: maxCommandBytes });
    this.#maxCommandBytes = maxCommandBytes;
  }

  /**
   * From the next byte on, hands content to `receiver` until the end of data.
   *
   * @param progress is kept up to date while it comes
   */
  receive(receiver: DataReceiver, progress = new ContentProgress()): void {
    this.#receiver = receiver;
    this.#progress = progress;
    this.#state = State.LineStart;
    this._dataMode = true;
  }

  /** All that it was given is used up. */
  get isDone(): boolean {
    return this.#waiting === null && this.writableLength === 0;
  }

  /**
   * What a socket that is piped here brings is read at once; the bookkeeping of a stream is left to
   * chunks that come while one waits, and to writers that want to hear of the end of their write.
   */
  override write(chunk: unknown, ...rest: unknown[]): boolean {
    const atOnce = rest.length === 0 && Buffer.isBuffer(chunk) && this.isDone && this.writable;
    return atOnce
      ? this.#writeAtOnce(chunk)
      : (super.write as (...args: unknown[]) => boolean).call(this, chunk, ...rest);
  }

  /** As `Writable.write`: false asks the source to wait for `drain`. */
  #writeAtOnce(chunk: Buffer): boolean {
    const full = chunk.length >= this.writableHighWaterMark;
    try {
      const left = this.#read(chunk);
      if (left === undefined) {
        return true;
      }
      this.#waiting = left.then(
        () => {
          this.#waiting = null;
          if (full) {
            this.emit('drain');
          }
        },
        (error: unknown) => {
          this.#waiting = null;
          this.destroy(errorOf(error));
        },
      );
    } catch (error) {
      this.destroy(errorOf(error));
      return false;
    }
    return !full;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', done: Callback): void {
    Promise.resolve(this.#waiting)
      .then(() => this.#read(chunk))
      .then(
        () => done(),
        (error: unknown) => done(errorOf(error)),
      );
  }

  /** A line without its end, when the client closed: not a command. */
  override _flushData(): void {
    this.#partialLine = NOTHING;
  }

  #read(chunk: Buffer): Promise<void> | undefined {
    this.#commandsInARow = 0;
    return this.#consume(chunk, 0);
  }

  /** A promise when something has to be waited for; it settles when the rest is used up as well. */
  #consume(chunk: Buffer, from: number): Promise<void> | undefined {
    let offset = from;
    try {
      while (offset < chunk.length && !this.isClosed) {
        const next =
          this.#receiver === null
            ? this.#consumeCommand(chunk, offset)
            : this.#consumeContent(chunk, offset, this.#receiver);
        if (typeof next !== 'number') {
          return next.then((at) => this.#consume(chunk, at));
        }
        offset = next;
      }
    } finally {
      this.onRest();
    }
    return undefined;
  }

  /** Returns the offset behind the command line, at once if it was executed at once. */
  #consumeCommand(chunk: Buffer, from: number): number | Promise<number> {
    const lineEnd = chunk.indexOf(LF, from);
    if (lineEnd === -1) {
      this.#keepPartialLine(chunk.subarray(from));
      return chunk.length;
    }
    const line = this.#takeLine(chunk.subarray(from, lineEnd + 1));
    if (line.length < 2 || line[line.length - 2] !== CR) {
      this.onBareLineFeed();
      return chunk.length;
    }
    const executed = this.#execute(line.subarray(0, -2));
    if (executed !== undefined) {
      return executed.then(() => lineEnd + 1);
    }
    if (++this.#commandsInARow < MAX_COMMANDS_IN_A_ROW) {
      return lineEnd + 1;
    }
    this.#commandsInARow = 0;
    return new Promise((resolve) => setImmediate(resolve, lineEnd + 1));
  }

  #keepPartialLine(part: Buffer): void {
    if (this.#partialLine.length + part.length > this.#maxCommandBytes) {
      throw new Error('Command line too long');
    }
    this.#partialLine =
      this.#partialLine.length === 0 ? Buffer.from(part) : Buffer.concat([this.#partialLine, part]);
  }

  #takeLine(part: Buffer): Buffer {
    if (this.#partialLine.length + part.length > this.#maxCommandBytes + 2) {
      throw new Error('Command line too long');
    }
    if (this.#partialLine.length === 0) {
      return part;
    }
    const line = Buffer.concat([this.#partialLine, part]);
    this.#partialLine = NOTHING;
    return line;
  }

  #execute(line: Buffer): Promise<void> | undefined {
    let executed = false;
    let goOn: () => void = () => undefined;
    this.oncommand(line, () => {
      executed = true;
      goOn();
    });
    return executed
      ? undefined
      : new Promise((resolve) => {
          goOn = resolve;
        });
  }

  /** Returns the offset of the first byte that is not content any more. */
  #consumeContent(chunk: Buffer, from: number, receiver: DataReceiver): number | Promise<number> {
    const { slices, end } = this.#scan(chunk, from, receiver);
    const progress = this.#progress;
    progress.add((end === -1 ? chunk.length : end) - from);
    progress.complete = end !== -1;
    const written = this.#writeAll(slices, 0, receiver);
    if (end === -1) {
      return written === undefined ? chunk.length : written.then(() => chunk.length);
    }
    const ended = written === undefined ? receiver.end() : written.then(() => receiver.end());
    return ended.then(() => {
      this.#receiver = null;
      this._dataMode = false;
      return end;
    });
  }

  /** In order, and without a turn of the event loop while the receiver need not be waited for. */
  #writeAll(slices: Buffer[], from: number, receiver: DataReceiver): Promise<void> | undefined {
    for (let index = from; index < slices.length; index++) {
      const wait = receiver.write(slices[index] as Buffer);
      if (wait !== undefined) {
        const progress = this.#progress;
        progress.beginWait();
        return wait
          .finally(() => progress.endWait())
          .then(() => this.#writeAll(slices, index + 1, receiver));
      }
    }
    return undefined;
  }

  /**
   * Walks over the content once. Slices are the content without the stuffed dots; a dot and the CR
   * behind it that ended the previous chunk undecided were held back and are put in front when they
   * turn out to be content.
   */
  #scan(chunk: Buffer, from: number, receiver: DataReceiver): { slices: Buffer[]; end: number } {
    const slices: Buffer[] = [];
    let state = this.#state;
    /** Start of the content that is not yet in `slices`. */
    let start = from;
    let eightBit = false;
    let end = -1;
    const plain = new PlainBytes(chunk);
    for (let i = from; i < chunk.length && end === -1; i++) {
      if (state === State.InLine) {
        i = plain.end(i);
        if (i === chunk.length) {
          break;
        }
      }
      const byte = chunk[i] as number;
      if (state === State.LineStart && byte === DOT) {
        if (i > start) {
          slices.push(chunk.subarray(start, i));
        }
        start = i + 1;
        state = State.Dot;
      } else if (state === State.Dot && byte === CR) {
        state = State.DotCr;
      } else if (state === State.DotCr && byte === LF) {
        state = State.LineStart;
        start = i + 1;
        end = i + 1;
      } else if (state === State.Cr && byte === LF) {
        state = State.LineStart;
      } else {
        if (state === State.Dot || state === State.DotCr) {
          // RFC 5321 §4.5.2: the first dot of a longer line is dropped, the rest is content.
          start = i;
          if (state === State.DotCr) {
            slices.push(CR_BYTES);
          }
        }
        if (state === State.Cr || state === State.DotCr) {
          receiver.violation('bare CR');
        }
        eightBit ||= byte > 0x7f;
        state = byte === CR ? State.Cr : State.InLine;
        if (byte === LF || byte === 0) {
          receiver.violation(byte === LF ? 'bare LF' : 'NUL');
        }
      }
    }
    if (state !== State.Dot && state !== State.DotCr && start < chunk.length && end === -1) {
      slices.push(chunk.subarray(start));
    }
    this.#state = state;
    if (eightBit || plain.eightBit) {
      receiver.eightBit();
    }
    return { slices, end };
  }
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
