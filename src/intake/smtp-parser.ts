import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';

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

/** How the content of one message comes in. */
export interface ContentProgress {
  bytes: number;
  /** How often the client had to wait until the receiver had taken what it sent. */
  waits: number;
  /** It waits now. */
  waiting: boolean;
  /** The final dot has come. */
  complete: boolean;
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
  readonly #maxCommandBytes: number;
  #partialLine: Buffer = Buffer.alloc(0);
  #receiver: DataReceiver | null = null;
  #progress: ContentProgress = noProgress();
  #state: State = State.LineStart;

  constructor(maxCommandBytes: number) {
    super({ maxCommandLength: maxCommandBytes });
    this.#maxCommandBytes = maxCommandBytes;
  }

  /**
   * From the next byte on, hands content to `receiver` until the end of data.
   *
   * @returns what is kept up to date while it comes
   */
  receive(receiver: DataReceiver): Readonly<ContentProgress> {
    this.#receiver = receiver;
    this.#progress = noProgress();
    this.#state = State.LineStart;
    this._dataMode = true;
    return this.#progress;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', done: Callback): void {
    this.#consume(chunk, 0).then(
      () => done(),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** A line without its end, when the client closed: not a command. */
  override _flushData(): void {
    this.#partialLine = Buffer.alloc(0);
  }

  async #consume(chunk: Buffer, from: number): Promise<void> {
    let offset = from;
    let inARow = 0;
    while (offset < chunk.length && !this.isClosed) {
      if (this.#receiver !== null) {
        offset = await this.#consumeContent(chunk, offset, this.#receiver);
        continue;
      }
      const lineEnd = chunk.indexOf(LF, offset);
      if (lineEnd === -1) {
        this.#keepPartialLine(chunk.subarray(offset));
        return;
      }
      const line = this.#takeLine(chunk.subarray(offset, lineEnd + 1));
      offset = lineEnd + 1;
      if (line.length < 2 || line[line.length - 2] !== CR) {
        this.onBareLineFeed();
        return;
      }
      await this.#execute(line.subarray(0, -2));
      if (++inARow >= MAX_COMMANDS_IN_A_ROW) {
        inARow = 0;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
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
    const line = this.#partialLine.length === 0 ? part : Buffer.concat([this.#partialLine, part]);
    this.#partialLine = Buffer.alloc(0);
    return line;
  }

  #execute(line: Buffer): Promise<void> {
    return new Promise((resolve) => this.oncommand(line, resolve));
  }

  /** Returns the offset of the first byte that is not content any more. */
  async #consumeContent(chunk: Buffer, from: number, receiver: DataReceiver): Promise<number> {
    const ending = this.#scan(chunk, from, receiver);
    const progress = this.#progress;
    progress.bytes += (ending.end === -1 ? chunk.length : ending.end) - from;
    progress.complete = ending.end !== -1;
    for (const slice of ending.slices) {
      const wait = receiver.write(slice);
      if (wait !== undefined) {
        progress.waits++;
        progress.waiting = true;
        await wait;
        progress.waiting = false;
      }
    }
    if (ending.end === -1) {
      return chunk.length;
    }
    await receiver.end();
    this.#receiver = null;
    this._dataMode = false;
    return ending.end;
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
    for (let i = from; i < chunk.length && end === -1; i++) {
      const byte = chunk[i] as number;
      if (state === State.InLine && byte > CR) {
        eightBit ||= byte > 0x7f;
        continue;
      }
      if (state === State.LineStart && byte === DOT) {
        slices.push(chunk.subarray(start, i));
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
          slices.push(state === State.DotCr ? CR_BYTES : NOTHING);
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
    if (eightBit) {
      receiver.eightBit();
    }
    return { slices: slices.filter((slice) => slice.length > 0), end };
  }
}

function noProgress(): ContentProgress {
  return { bytes: 0, waits: 0, waiting: false, complete: false };
}
