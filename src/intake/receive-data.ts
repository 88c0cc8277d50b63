import type { Clock } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { findHeaderEnd } from '../format/header.js';
import type { MessageSettings } from '../format/message-settings.js';
import { formatReceived } from '../format/received.js';
import { ownAddresses } from '../policy/own-addresses.js';
import type { SteerTarget } from '../policy/settings.js';
import { SpoolRefusal } from '../queue/group-commit.js';
import type { Item } from '../queue/item.js';
import type { MailQueue } from '../queue/mail-queue.js';
import { bodyPlace, type BodyWriter, type FinishedBody, type Note } from '../queue/spool.js';
import type { MeshContext, ParentSpan } from '../trace/propagate.js';
import type { Arrival } from '../trace/recorder.js';
import { allowSettings, type SettingsContext } from './allowed-settings.js';
import { MAX_RECEIVED, readControlHeaders, type ControlHeaders } from './control-headers.js';
import { ignoredNames, readHeaderSettings } from './header-settings.js';
import type { IntakeCounts } from './intake-counts.js';
import type { StatedSettings } from './message-settings.js';
import { newItem } from './new-item.js';
import { refuse, type Refusal } from './refusal.js';
import type { IntakeSettings } from './settings.js';
import type { ContentViolation, DataReceiver } from './smtp-parser.js';
import type { Transaction } from './transaction.js';

/** Who sends, as far as the message shows it. */
export interface SenderSession {
  clientAddress: string;
  helo: string;
  protocol: string;
  tls: { protocol: string; cipher: string } | null;
  /** The name that it logged in with. */
  user: string | null;
  /** What it says in `X-Mesh-Trace` is believed. */
  believed: boolean;
  /** A `traceparent` of its messages is their parent; of anybody else's it is a link. */
  mayBeParent: boolean;
  /** The span of the request that a message came with; one in the message itself goes first. */
  requestSpan?: ParentSpan;
  /** Smarthosts that its messages may name; null: nothing that they say of their delivery counts. */
  steerTo: readonly SteerTarget[] | null;
}

/** What came with a message beside its content; it wins over the header. */
export interface StatedBeside {
  settings: StatedSettings;
  unknownKeys: Record<string, unknown> | undefined;
}

/** Where messages go that were received. */
export type MessageStore = Pick<MailQueue, 'newId' | 'writeBody' | 'accept'>;

export interface ReceiveOptions extends SettingsContext {
  queue: MessageStore;
  clock: Clock;
  log: Logger;
  node: string;
  hostname: string;
  maxMessageBytes: number;
  maxHeaderBytes: number;
  expireAfterMs: number;
  counts: IntakeCounts;
}

/** What listeners and the API have in common: where their messages go, and by which rules. */
export interface IntakeServices extends Omit<SettingsContext, 'ownAddresses'> {
  node: string;
  queue: MailQueue;
  log: Logger;
  expireAfterMs: () => number;
  /** Takes messages in place of the queue; absent: nothing does. */
  inbox?: MessageStore;
}

/** The options of a message that begins now. */
export function receiveOptions(
  services: IntakeServices,
  { hostname, listeners, maxMessageBytes, maxHeaderBytes }: IntakeSettings,
  counts: IntakeCounts,
): ReceiveOptions {
  const { node, queue, inbox, clock, log, resolve, sealer } = services;
  return {
    queue: inbox ?? queue,
    clock,
    log,
    node,
    hostname,
    maxMessageBytes,
    maxHeaderBytes,
    expireAfterMs: services.expireAfterMs(),
    counts,
    resolve,
    ownAddresses: () => ownAddresses(listeners),
    sealer,
  };
}

/** Codes of errors that end when there is room again. */
const WANTS_ROOM: ReadonlySet<string> = new Set(['QUEUE_FULL', 'SPOOL_FULL', 'ENOSPC', 'EDQUOT']);

export interface MessageIds {
  queueId: string;
  traceId: string;
}

/** How DATA ended: the ids of the message, or why it was not taken. */
export type DataResult = MessageIds | Refusal;

/**
 * The content of one message on its way to the spool. The header section is held back until it is
 * whole (it is bounded), what is meant for us is taken out of it, our own lines go on top, and the
 * rest streams through.
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
  #clientSpan: ParentSpan | null;
  #eightBit = false;
  #stated: StatedSettings;
  readonly #unknownKeys: Record<string, unknown> | undefined;
  #removedHeaders: string[] = [];
  #settings: MessageSettings | undefined;
  #finished: FinishedBody | null = null;
  readonly #done: (result: DataResult) => void;

  /** @param done hears how it went once the reply is due; only `end` calls it */
  constructor(
    transaction: Transaction,
    session: SenderSession,
    options: ReceiveOptions,
    done: (result: DataResult) => void = () => undefined,
    beside?: StatedBeside,
  ) {
    this.#transaction = transaction;
    this.#session = session;
    this.#options = options;
    this.#done = done;
    this.#stated = beside?.settings ?? {};
    this.#unknownKeys = beside?.unknownKeys;
    this.#id = options.queue.newId();
    this.#receivedAtMs = options.clock.nowMs();
    this.#body = options.queue.writeBody(this.#id);
    this.#mesh = transaction.mesh;
    this.#clientSpan = session.requestSpan ?? null;
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

  /** Why it will not be taken, whatever still comes; null while nothing is known against it. */
  get refusal(): Refusal | null {
    return this.#refusal;
  }

  async end(): Promise<void> {
    this.#ended = true;
    const refusal = await this.prepare();
    this.#done(refusal ?? (await this.commit()));
  }

  /** The client went away before the end of the content: nothing of the message stays. */
  abort(): void {
    if (this.#ended) {
      return;
    }
    this.#refuse(451, '4.4.2', 'The session ended');
    void this.#body.discard();
  }

  /**
   * The content is whole: decides whether the message is taken. If it is not, nothing of it stays;
   * else `commit` or `discard` has to follow. Never rejects.
   */
  async prepare(): Promise<Refusal | null> {
    try {
      if (this.#header !== null && this.#refusal === null) {
        // No empty line came: the message is all header.
        await this.#closeHeader(this.#header.subarray(0, this.#headerBytes), this.#headerBytes);
      }
      if (this.#refusal === null) {
        await this.#checkSettings();
      }
      if (this.#refusal === null) {
        this.#finished = await this.#body.finish();
        return null;
      }
    } catch (error) {
      this.#notStored(error);
    }
    await this.#body.discard();
    return this.#refusal;
  }

  /** Makes the message durable, and with it what `noteFor` wants noted. Never rejects. */
  async commit(
    noteFor: (ids: MessageIds) => Note | undefined = () => undefined,
  ): Promise<DataResult> {
    try {
      const body = this.#finished as FinishedBody;
      const item = this.#item(body);
      const ids = { queueId: item.id, traceId: item.trace.traceId };
      const { queueId, repeated } = await this.#options.queue.accept(item, body, {
        note: noteFor(ids),
        handedOver: this.#transaction.handedOver ?? undefined,
      });
      const { counts } = this.#options;
      if (repeated) {
        counts.repeats++;
        await this.#body.discard();
      } else {
        const { protocol } = this.#session;
        counts.accepted(protocol, item.body.sizeBytes, item.recipients.length);
      }
      return { ...ids, queueId };
    } catch (error) {
      if (!(error instanceof SpoolRefusal)) {
        await this.#body.discard();
      }
      return this.#notStored(error);
    }
  }

  /** Drops a message that was prepared. */
  discard(): Promise<void> {
    return this.#body.discard();
  }

  async #checkSettings(): Promise<void> {
    const { steerTo } = this.#session;
    const { notBeforeMs, notBeforeField = 'x-mq-delayed', notAfterMs } = this.#stated;
    const lastMs = Math.min(this.#expiresAtMs, notAfterMs ?? Infinity);
    if (notBeforeMs !== undefined && notBeforeMs >= lastMs) {
      const last = new Date(lastMs).toISOString();
      const text = `${notBeforeField} lies behind the last time at which it may be delivered, ${last}`;
      this.#refusal ??= { ...refuse(550, '5.6.0', text), about: notBeforeField };
    } else if (steerTo !== null) {
      const allowed = await allowSettings(this.#stated, steerTo, this.#options);
      if ('code' in allowed) {
        this.#refusal ??= allowed;
      } else {
        this.#settings = allowed.settings;
      }
    }
  }

  get #expiresAtMs(): number {
    return this.#receivedAtMs + this.#options.expireAfterMs;
  }

  #item(body: FinishedBody): Item {
    const { protocol, clientAddress, helo, user } = this.#session;
    const client = { address: clientAddress, helo, user };
    const arrival: Arrival = { protocol, client };
    if (this.#removedHeaders.length > 0) {
      arrival.removedHeaders = this.#removedHeaders;
    }
    return newItem({
      id: this.#id,
      receivedAtMs: this.#receivedAtMs,
      expiresAtMs: this.#expiresAtMs,
      transaction: this.#transaction,
      arrival,
      messageId: this.#messageId,
      mesh: this.#mesh,
      clientSpan: this.#clientSpan,
      mayBeParent: this.#session.mayBeParent,
      eightBit: this.#eightBit,
      stated: this.#stated,
      settings: this.#settings,
      unknownKeys: this.#unknownKeys,
      body: bodyPlace(body, this.#ownHeaderBytes),
    });
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
    if (this.#session.believed) {
      this.#mesh ??= control.mesh;
    }
    this.#clientSpan = control.parent ?? this.#clientSpan;
    this.#refusal ??=
      this.#loop(control.received) ?? this.#readSettings(bytes.subarray(0, end), control);
    if (this.#refusal !== null) {
      return undefined;
    }
    const received = Buffer.from(this.#receivedLine(), 'utf8');
    this.#ownHeaderBytes = received.length;
    return this.#storeAll([received, ...control.kept, bytes.subarray(end)]);
  }

  /** What the header says of the delivery: obeyed only from those who may, gone in any case. */
  #readSettings(section: Buffer, { steering, ambiguous }: ControlHeaders): Refusal | null {
    const obeyed = this.#session.steerTo !== null;
    this.#removedHeaders = ignoredNames(steering, obeyed);
    if (ambiguous) {
      return refuse(550, '5.6.0', 'An x-mq- line stands behind a line that is no header field');
    }
    if (!obeyed) {
      return null;
    }
    const { settings, fault } = readHeaderSettings(section, steering);
    this.#stated = { ...settings, ...this.#stated };
    return fault === null ? null : refuse(550, '5.6.0', `Header field ${fault}`);
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
      this.#notStored(error);
    });
  }

  #notStored(error: unknown): Refusal {
    const code = codeOf(error);
    this.#options.log.error({ code, queue_id: this.#id }, messageOf(error));
    const words = code === 'QUEUE_FULL' ? messageOf(error) : 'There is no room for the message now';
    // RFC 3463 §3.4: X.3.1, mail system full.
    this.#refusal ??= WANTS_ROOM.has(code)
      ? refuse(452, '4.3.1', `${words}; try again later`)
      : refuse(451, '4.3.0', 'The message could not be stored; try again later');
    const undetermined =
      (error instanceof SpoolRefusal && error.undetermined) || code === 'SIBLING_UNASKED';
    if (this.#transaction.handedOver !== null && undetermined) {
      // A node that hears nothing comes back here, where a repeat is recognised; with a refusal it
      // could go elsewhere with a message that may be here all the same.
      this.#refusal = { ...this.#refusal, unsaid: true };
    }
    return this.#refusal;
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
