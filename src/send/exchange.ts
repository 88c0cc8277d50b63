import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { messageOf } from '../base/errors.js';
import { isAscii } from '../format/address.js';
import { DotStuffing } from './dot-stuffing.js';
import type { SessionProgress } from './session-progress.js';
import type { SendSettings } from './settings.js';
import {
  toReply,
  type Reply,
  type TransactionReplies,
  type TransactionRequest,
} from './transaction.js';

/** What one transaction needs of its session. */
export interface ExchangeSession {
  readonly progress: SessionProgress;
  readonly settings: SendSettings;
  supports(keyword: string): boolean;
  /** Ends the session, in which the hop did what nothing sensible follows from. */
  giveUp(message: string): void;
  /** Ends the session, since our own content cannot be read on. */
  lose(message: string): void;
  /** Ends the session without a reason of its own. */
  close(): void;
  /** Hears once of the end of the transaction, unless the session ends before it. */
  settled(): void;
}

/** Content that leaves more slowly than this is given up. */
const MIN_BYTES_PER_SECOND = 4096;

/** Content up to here leaves in one write, its final dot with it. */
const MAX_AT_ONCE_BYTES = 64 * 1024;

type Awaited = 'mail' | 'rcpt' | 'data' | 'dot' | 'empty' | 'nothing';

/**
 * The dialogue of one transaction, from MAIL to the reply to the final dot.
 *
 * Where the hop offers PIPELINING the commands leave in one write, DATA last (RFC 2920 §3.1), else
 * one after the other. The content leaves after 354 and never before. Each reply is kept for the
 * command that it answers, in the order in which they came.
 */
export class Exchange {
  readonly replies: TransactionReplies;
  readonly #session: ExchangeSession;
  readonly #socket: Socket;
  readonly #request: TransactionRequest;
  readonly #pipelined: boolean;
  #awaited: Awaited = 'nothing';
  /** Commands, and contents, that were sent and not answered yet. */
  #unanswered = 0;
  #answeredRecipients = 0;
  #anyRecipient = false;
  #stopContent: (() => void) | null = null;

  constructor(session: ExchangeSession, socket: Socket, request: TransactionRequest) {
    this.#session = session;
    this.#socket = socket;
    this.#request = request;
    this.#pipelined = session.supports('PIPELINING');
    const rcpt = request.recipients.map(() => null);
    this.replies = { mail: null, rcpt, data: null, dot: null, fault: null, sentWhole: false };
  }

  /** How many replies may come now. */
  get unanswered(): number {
    return this.#unanswered;
  }

  begin(): void {
    const { recipients } = this.#request;
    const { progress, settings } = this.#session;
    if (!isSafe(this.#request)) {
      this.#session.lose('an address or parameter that would be a command of its own');
      return;
    }
    let commands = this.#mailCommand();
    this.#unanswered = 1;
    if (this.#pipelined) {
      for (const recipient of recipients) {
        commands += rcptCommand(recipient);
      }
      commands += 'DATA\r\n';
      this.#unanswered += recipients.length + 1;
    }
    this.#awaited = 'mail';
    progress.startPhase();
    progress.enter('mail', settings.envelopeTimeoutMs);
    this.#write(commands);
  }

  /**
   * The reply to what was sent first and is not answered.
   *
   * @param isFarewell the hop ends the session with it (RFC 5321 §3.8)
   */
  hear(text: string, isFarewell: boolean): void {
    this.#unanswered--;
    const reply = toReply(text);
    const awaited = this.#awaited;
    const digit = text.charCodeAt(0) - 48;
    if (awaited !== 'dot' && awaited !== 'empty' && isMisleading(digit, reply)) {
      this.#session.giveUp(`the hop answered with text that is no reply: ${text}`);
      return;
    }
    if (awaited === 'dot' && digit === 2 && !this.replies.sentWhole) {
      this.#session.giveUp('the hop took the message before its end');
      return;
    }
    this.#keep(reply);
    if (awaited === 'data' && digit === 2) {
      // As 354 it would have the message sent into a session of commands.
      this.#session.giveUp('the hop answered DATA with success');
    } else if (isFarewell) {
      // What was sent along is not answered any more.
      this.#session.close();
    } else {
      this.#goOn(awaited, digit);
    }
  }

  /** Nothing of the transaction goes on: the source of the content is let go. */
  end(): void {
    this.#awaited = 'nothing';
    this.#stopContent?.();
    const { content } = this.#request;
    if (!Buffer.isBuffer(content)) {
      content.on('error', ignore).destroy();
    }
  }

  #keep(reply: Reply): void {
    const { progress, settings } = this.#session;
    const { replies } = this;
    switch (this.#awaited) {
      case 'mail':
        replies.mail = reply;
        progress.pass('mail', 'rcpt', settings.envelopeTimeoutMs);
        this.#awaited = 'rcpt';
        break;
      case 'rcpt':
        replies.rcpt[this.#answeredRecipients++] = reply;
        this.#anyRecipient ||= isGood(reply);
        progress.pass('rcpt', 'rcpt', settings.envelopeTimeoutMs);
        if (this.#answeredRecipients === replies.rcpt.length) {
          this.#awaited = 'data';
        }
        break;
      case 'data': {
        replies.data = reply;
        const slowestMs = (this.#request.sizeBytes / MIN_BYTES_PER_SECOND) * 1000;
        progress.pass('data', 'data', settings.envelopeTimeoutMs + slowestMs);
        this.#awaited = 'dot';
        break;
      }
      case 'dot':
        replies.dot = reply;
        break;
    }
  }

  /** What follows a reply that was kept. */
  #goOn(answered: Awaited, digit: number): void {
    const { mail } = this.replies;
    switch (answered) {
      case 'mail':
      case 'rcpt':
        if (!this.#pipelined) {
          this.#sendNext(mail !== null && isGood(mail));
        }
        break;
      case 'data':
        if (digit !== 3) {
          this.#settle();
        } else if (mail === null || !isGood(mail)) {
          // There is no transaction to end, and what it would make of a dot is anybody's guess.
          this.#session.close();
        } else if (!this.#anyRecipient) {
          // RFC 2920 §3.1: the way out is an empty message, which goes to nobody.
          this.#awaited = 'empty';
          this.#unanswered = 1;
          this.#write('.\r\n');
        } else {
          this.#unanswered = 1;
          this.#sendContent();
        }
        break;
      default:
        this.#settle();
    }
  }

  /** The next command where they go one by one; none where nothing good can follow. */
  #sendNext(mailTaken: boolean): void {
    const recipient = this.#request.recipients[this.#answeredRecipients];
    if (!mailTaken || (recipient === undefined && !this.#anyRecipient)) {
      this.#settle();
      return;
    }
    this.#unanswered = 1;
    this.#write(recipient === undefined ? 'DATA\r\n' : rcptCommand(recipient));
  }

  #mailCommand(): string {
    const { sender, recipients, mailParameters, eightBit, sizeBytes } = this.#request;
    const session = this.#session;
    let command = `MAIL FROM:<${sender}>`;
    const ascii = isAscii(sender) && recipients.every(({ address }) => isAscii(address));
    if (!ascii && session.supports('SMTPUTF8')) {
      command += ' SMTPUTF8';
    }
    if (eightBit && session.supports('8BITMIME')) {
      command += ' BODY=8BITMIME';
    }
    if (sizeBytes > 0 && session.supports('SIZE')) {
      command += ` SIZE=${sizeBytes}`;
    }
    return `${command}${mailParameters}\r\n`;
  }

  #write(commands: string): void {
    this.#socket.write(commands, isAscii(commands) ? 'latin1' : 'utf8');
  }

  #sendContent(): void {
    const { content } = this.#request;
    const stuffing = new DotStuffing();
    if (!Buffer.isBuffer(content)) {
      this.#pump(content, stuffing);
      return;
    }
    const stuffed = stuffing.stuff(content);
    if (stuffed.length <= MAX_AT_ONCE_BYTES) {
      this.#sendLast(Buffer.concat([stuffed, stuffing.ending]));
    } else {
      // Its dot waits until the rest has left: a reply before that is none to the whole.
      this.#socket.write(stuffed, (error) => {
        if (error == null && this.#awaited === 'dot') this.#sendLast(stuffing.ending);
      });
    }
  }

  /** A stream is read no faster than the hop takes it. */
  #pump(content: Readable, stuffing: DotStuffing): void {
    const goOn = (): void => {
      if (this.#awaited === 'dot') content.resume();
    };
    const onData = (chunk: Buffer): void => {
      if (!this.#socket.write(stuffing.stuff(chunk))) {
        content.pause();
        this.#socket.once('drain', goOn);
      }
    };
    const onEnd = (): void => this.#sendLast(stuffing.ending);
    const onError = (error: unknown): void => this.#session.lose(messageOf(error));
    const onClose = (): void => this.#session.lose('the content broke off');
    content.on('data', onData).once('end', onEnd).on('error', onError).once('close', onClose);
    this.#stopContent = () => {
      content.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    };
  }

  /**
   * With these bytes, which end in the final dot, the hop may have it all; unless it closed its side
   * in the middle, and our side went with it.
   */
  #sendLast(bytes: Buffer): void {
    const { progress, settings } = this.#session;
    this.#stopContent?.();
    if (!this.#socket.writable) {
      this.#session.close();
      return;
    }
    this.#socket.write(bytes);
    this.replies.sentWhole = true;
    progress.pass('data', 'dot', settings.finalReplyTimeoutMs);
  }

  #settle(): void {
    this.#awaited = 'nothing';
    this.#session.settled();
  }
}

function rcptCommand({ address, parameters }: { address: string; parameters: string }): string {
  return `RCPT TO:<${address}>${parameters}\r\n`;
}

function isGood({ code }: Reply): boolean {
  return code >= 200 && code <= 299;
}

/**
 * It begins as a good reply and is none. By its first digit the message would be handed over; by its
 * whole, the reply refuses it or is no reply, and the message would be sent a second time or given
 * back.
 */
function isMisleading(digit: number, { code }: Reply): boolean {
  return (digit === 2 || digit === 3) && Math.floor(code / 100) !== digit;
}

/** Addresses are checked long before; this holds whoever made the request. */
function isSafe({ sender, mailParameters, recipients }: TransactionRequest): boolean {
  return (
    recipients.length > 0 &&
    !/[\r\n<>]/.test(sender) &&
    !/[\r\n]/.test(mailParameters) &&
    recipients.every(
      ({ address, parameters }) =>
        address !== '' && !/[\r\n<>]/.test(address) && !/[\r\n]/.test(parameters),
    )
  );
}

function ignore(): void {}
