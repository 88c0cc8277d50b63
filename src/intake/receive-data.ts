import type { Clock } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import { newSpanId, newTraceId } from '../base/identifiers.js';
import type { Logger } from '../base/log.js';
import { findHeaderEnd } from '../format/header.js';
import { formatReceived } from '../format/received.js';
import type { Identity } from '../policy/credentials.js';
import { NEW_RECIPIENT, type Item } from '../queue/item.js';
import type { MailQueue } from '../queue/mail-queue.js';
import { bodyPlace, type BodyWriter } from '../queue/spool.js';
import type { MeshContext } from '../trace/propagate.js';
import { MAX_RECEIVED, readControlHeaders } from './control-headers.js';
import { refuse, type Refusal } from './refusal.js';
import type { ContentViolation, DataReceiver } from './smtp-parser.js';
import type { Transaction } from './transaction.js';

/** Who sends, as far as the message shows it. */
export interface SenderSession {
  clientAddress: string;
  helo: string;
  protocol: string;
  tls: { protocol: string; cipher: string } | null;
  identity: Identity | null;
  /** The listener believes `X-Mesh-Trace` from everybody. */
  acceptTraceHeader: boolean;
}

export interface ReceiveOptions {
  queue: MailQueue;
  clock: Clock;
  log: Logger;
  node: string;
  hostname: string;
  maxMessageBytes: number;
  maxHeaderBytes: number;
  expireAfterMs: number;
}

/** How DATA ended: the queue id, or why not. */
export type DataResult = { queueId: string } | Refusal;

/**
 * The content of one message on its way to the spool. The header section is held back until it is
 * whole (it is bounded), our own lines go on top, and the rest streams through.
 */
export class ReceivedMessage implements DataReceiver {
  readonly #transaction: Transaction;
  readonly #session: SenderSession;
  readonly #options: ReceiveOptions;
  readonly #id: string;
  readonly #receivedAtMs: number;
  readonly #body: BodyWriter;
  /** The header section while it is not whole, with room to grow; null afterwards. */
  #header: Buffer | null = Buffer.alloc(0);
  #headerBytes = 0;
  #refusal: Refusal | null = null;
  /** Set for content that must also end the session: a lone CR, LF or NUL. */
  violated = false;
  #ended = false;
  #contentBytes = 0;
  #ownHeaderBytes = 0;
  #messageId: string | null = null;
  #mesh: MeshContext | null;
  #eightBit = false;
  readonly #done: (result: DataResult) => Promise<void>;

  constructor(
    transaction: Transaction,
    session: SenderSession,
    options: ReceiveOptions,
    done: (result: DataResult) => Promise<void>,
  ) {
    this.#transaction = transaction;
    this.#session = session;
    this.#options = options;
    this.#done = done;
    this.#id = options.queue.newId();
    this.#receivedAtMs = options.clock.nowMs();
    this.#body = options.queue.writeBody(this.#id);
    this.#mesh = transaction.mesh;
  }

  /** The final dot has come. */
  get complete(): boolean {
    return this.#ended;
  }

  write(chunk: Buffer): Promise<void> | undefined {
    this.#contentBytes += chunk.length;
    if (this.#contentBytes > this.#options.maxMessageBytes) {
      this.#refuse(
        552,
        '5.3.4',
        `Message is larger than the ${this.#options.maxMessageBytes} bytes taken here`,
      );
    }
    if (this.#refusal !== null) {
      return undefined;
    }
    return this.#header === null ? this.#store(chunk) : this.#addHeader(this.#header, chunk);
  }

  violation(kind: ContentViolation): void {
    this.violated = true;
    this.#refuse(550, '5.6.11', `Mail must not contain a ${kind}; lines end with CR LF`);
  }

  eightBit(): void {
    this.#eightBit = true;
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#done(await this.#finish());
  }

  /** The client went away before the end of the content: nothing of the message stays. */
  abort(): void {
    if (this.#ended) {
      return;
    }
    this.#refuse(451, '4.4.2', 'The session ended');
    void this.#body.discard();
  }

  async #finish(): Promise<DataResult> {
    try {
      if (this.#header !== null && this.#refusal === null) {
        // No empty line came: the message is all header.
        await this.#closeHeader(this.#header.subarray(0, this.#headerBytes), this.#headerBytes);
      }
      if (this.#refusal !== null) {
        await this.#body.discard();
        return this.#refusal;
      }
      await this.#accept();
      return { queueId: this.#id };
    } catch (error) {
      await this.#body.discard();
      this.#options.log.error({ code: codeOf(error), queue_id: this.#id }, messageOf(error));
      return refuse(451, '4.3.0', 'The message could not be stored; try again later');
    }
  }

  async #accept(): Promise<void> {
    const { queue, expireAfterMs } = this.#options;
    const transaction = this.#transaction;
    const body = await this.#body.finish();
    const { protocol, clientAddress, helo, identity } = this.#session;
    const client = { address: clientAddress, helo, user: identity?.username ?? null };
    const item: Item = {
      id: this.#id,
      sender: transaction.sender,
      recipients: transaction.recipients.map((recipient) => ({ ...NEW_RECIPIENT, ...recipient })),
      ret: transaction.ret,
      envid: transaction.envid,
      smtpUtf8: transaction.smtpUtf8,
      eightBit: this.#eightBit,
      receivedAtMs: this.#receivedAtMs,
      expiresAtMs: this.#receivedAtMs + expireAfterMs,
      messageId: this.#messageId,
      trace: {
        traceId: this.#mesh?.traceId ?? newTraceId(),
        spanId: newSpanId(),
        parentSpanId: this.#mesh?.spanId ?? null,
        path: this.#mesh?.path ?? [],
      },
      arrival: { protocol, client },
      body: bodyPlace(body, this.#ownHeaderBytes),
      bounceOf: null,
      doubt: false,
      lostSessions: 0,
    };
    await queue.accept(item, body);
  }

  #addHeader(header: Buffer, chunk: Buffer): Promise<void> | undefined {
    const before = this.#headerBytes;
    const whole = this.#growHeader(header, chunk);
    const end = findHeaderEnd(whole, before);
    if (end === -1 && whole.length <= this.#options.maxHeaderBytes) {
      return undefined;
    }
    if (end === -1 || end > this.#options.maxHeaderBytes) {
      this.#refuse(
        552,
        '5.3.4',
        `The header is larger than the ${this.#options.maxHeaderBytes} bytes taken here`,
      );
      return undefined;
    }
    return this.#closeHeader(whole, end);
  }

  /** By doubling: a header of dot-stuffed lines comes in slices of a line each. */
  #growHeader(header: Buffer, chunk: Buffer): Buffer {
    const before = this.#headerBytes;
    this.#headerBytes += chunk.length;
    if (before === 0) {
      this.#header = chunk;
      return chunk;
    }
    let room = header;
    if (this.#headerBytes > room.length) {
      room = Buffer.allocUnsafe(Math.max(this.#headerBytes, 2 * room.length));
      header.copy(room, 0, 0, before);
    }
    chunk.copy(room, before);
    this.#header = room;
    return room.subarray(0, this.#headerBytes);
  }

  /** The header is whole: it is read, our own lines go on top, what is kept follows. */
  #closeHeader(bytes: Buffer, end: number): Promise<void> | undefined {
    this.#header = null;
    const control = readControlHeaders(bytes.subarray(0, end));
    this.#messageId = control.messageId;
    if (this.#session.identity?.peer != null || this.#session.acceptTraceHeader) {
      this.#mesh ??= control.mesh;
    }
    const loop = this.#loop(control.received);
    if (loop !== null) {
      this.#refusal ??= loop;
      return undefined;
    }
    const received = Buffer.from(this.#receivedLine(), 'utf8');
    this.#ownHeaderBytes = received.length;
    return this.#storeAll([received, ...control.kept, bytes.subarray(end)]);
  }

  /** In order, and without a turn of the event loop while the disk need not be waited for. */
  #storeAll(slices: Buffer[]): Promise<void> | undefined {
    for (const [index, slice] of slices.entries()) {
      const wait = slice.length > 0 ? this.#store(slice) : undefined;
      if (wait !== undefined) {
        return wait.then(() => this.#storeAll(slices.slice(index + 1)));
      }
    }
    return undefined;
  }

  /** A disk that refuses is answered at the end of the data, where the reply is due. */
  #store(slice: Buffer): Promise<void> | undefined {
    return this.#body.write(slice)?.catch((error: unknown) => {
      this.#options.log.error({ code: codeOf(error), queue_id: this.#id }, messageOf(error));
      this.#refuse(451, '4.3.0', 'The message could not be stored; try again later');
    });
  }

  #loop(received: number): Refusal | null {
    const path = this.#mesh?.path ?? [];
    const before = path.indexOf(this.#options.node);
    if (before !== -1) {
      const cycle = [...path.slice(before), this.#options.node].join(' -> ');
      return refuse(554, '5.4.6', `Mail loop: ${cycle}`);
    }
    return received >= MAX_RECEIVED
      ? refuse(554, '5.4.6', `Mail loop: ${received} Received lines`)
      : null;
  }

  #receivedLine(): string {
    const { clientAddress, helo, protocol, tls } = this.#session;
    const { recipients } = this.#transaction;
    return formatReceived({
      helo,
      clientAddress,
      by: this.#options.hostname,
      protocol,
      queueId: this.#id,
      tls,
      recipient: recipients.length === 1 ? (recipients[0]?.address ?? null) : null,
      dateMs: this.#receivedAtMs,
    });
  }

  #refuse(code: number, enhanced: string, text: string): void {
    this.#refusal ??= refuse(code, enhanced, text);
  }
}
