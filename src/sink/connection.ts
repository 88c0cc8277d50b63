import type net from 'node:net';
import type { SMTPServer } from 'smtp-server';
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import type { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import { newQueueId } from '../base/identifiers.js';
import { isAscii } from '../format/address.js';
import { barrierTo, mayLogIn } from './admission.js';
import { authSubject } from './auth-command.js';
import type { SinkContext } from './context.js';
import type { FaultReply } from './faults.js';
import { keepMessage } from './keep.js';
import { tlsOf, type SinkMessage } from './message.js';
import { SinkParser } from './parser.js';
import { NEEDS_SMTPUTF8, NEEDS_TLS, parseHelo, parseMail, parseRcpt } from './command.js';
import { receiveMessage, type ContentStream, type Received } from './receive.js';
import { SessionFaults, type FaultySession, type Passed } from './session-faults.js';

interface Transaction {
  sender: string;
  smtpUtf8: boolean;
  requireTls: boolean;
  recipients: string[];
}

/**
 * One session. What it answers 250 after the final dot stands in the store, with the addresses as
 * the client wrote them. Each reply is decided before the next command is read, and every wait has
 * a deadline: the idle timeout, the data timeout, or the delay of a fault rule. A session that a rule
 * stalls ends without a word after the idle timeout.
 *
 * Of the library's session it keeps the socket, TLS, SASL and the loop over commands, and replaces
 * the transaction: its recipient list folds case, its addresses are converted from punycode and
 * cannot be quoted, and a refused MAIL leaves parameters behind.
 */
export class SinkConnection extends SMTPConnection {
  readonly #context: SinkContext;
  #transaction: Transaction | null = null;
  #greeting: FaultReply | null = null;
  /** The socket above all others: the TLS socket as soon as a handshake has begun. */
  #topSocket: net.Socket;
  /** The TCP socket, which a reset needs also under TLS. */
  readonly #bottomSocket: net.Socket;
  #corked = false;
  #receiving = false;
  readonly #faults: SessionFaults;
  readonly #onEnded: (connection: SinkConnection) => void;

  /** `sockets.top` is what is talked over; `onEnded` is called once it is closed. */
  constructor(
    server: SMTPServer,
    sockets: { top: net.Socket; bottom: net.Socket },
    options: SMTPConnectionOptions | null | undefined,
    context: SinkContext,
    onEnded: (connection: SinkConnection) => void,
  ) {
    super(server, sockets.top, options);
    this.#context = context;
    this.#topSocket = sockets.top;
    this.#bottomSocket = sockets.bottom;
    this.#onEnded = onEnded;
    const { faults, clock, limits } = context;
    this.#faults = new SessionFaults(faults, clock, limits.idleTimeoutMs, this.#underFaults());
  }

  /** Sends 421 unless a message is on its way; that one is answered first. Cuts off a stalled one. */
  dismiss(): void {
    if (this.#faults.isStalled) return this.abort();
    if (this.#receiving || this._closed || this._closing) return;
    this.send(421, '4.3.2 Sink is shutting down', false);
  }

  /** Ends the session without a word. */
  abort(): void {
    this.#topSocket.destroy();
  }

  /**
   * As in the library, but never from below: closing a socket underneath a handshake in progress
   * can take the whole process down with it (Node 20).
   */
  override close(): void {
    if (this._upgrading) {
      this._server.connections.delete(this);
      return this.abort();
    }
    const { outbound } = this.#faults;
    if (!outbound.isHolding) return super.close();
    this.#retireParser();
    outbound.charge(0, () => super.close());
  }

  /** As in the library, but a session that is stalled gets no reply in the end either. */
  override _onTimeout(): void {
    if (this.#faults.isStalled) this.abort();
    else super._onTimeout();
  }

  /** As in the library, without the 100 ms that it waits for clients that talk too soon. */
  override init(): void {
    this._setListeners(() => {
      this.#context.store.countConnection();
      if (this._server.connections.size > this.#context.limits.maxSessions) {
        this.#refuse(421, `${this.name} Too many sessions, try again later`);
        return;
      }
      this.connectionReady();
    });
  }

  override connectionReady(next?: () => void): void {
    this.#faults.meet(
      'connect',
      [this.remoteAddress],
      ({ reply }) => {
        this.#greeting = reply;
        super.connectionReady(next);
      },
      () => this.close(),
    );
  }

  override _sendGreeting(): void {
    if (this.#greeting === null) this.send(220, `${this.name} ESMTP`, false);
    else this.send(this.#greeting.code, this.#greeting.text, false);
  }

  /** Replies to commands that came in one packet leave in one packet. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const { outbound } = this.#faults;
    if (outbound.isHolding) {
      outbound.charge(replyBytes(data), () => this.#say(code, data, context));
    } else {
      this.#say(code, data, context);
    }
  }

  #say(code: number, data?: string | string[] | null, context?: string | false): void {
    const socket = this._socket;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    super.send(code, data, context);
  }

  override _createParser(): SMTPStream {
    const parser = new SinkParser(() => this.#faults.inbound);
    parser.oncommand = (command, callback) => this._onCommand(command, callback);
    parser.on('error', (error) => this.send(421, `4.5.0 ${error.message}`, false));
    return parser;
  }

  override _armTimeout(socket: net.Socket = this._socket): void {
    // The one place where the library shows the TLS socket of a handshake that has just begun.
    this.#topSocket = socket;
    super._armTimeout(socket);
  }

  override _resetSession(): void {
    super._resetSession();
    this.#transaction = null;
  }

  override _onClose(): void {
    super._onClose();
    this.#faults.end();
    this.#onEnded(this);
  }

  /** As in the library, once what was answered before has left. */
  override upgrade(callback: () => void, secureCallback?: () => void): void {
    this.#faults.outbound.charge(0, () => {
      // A socket that is closed by now gets no TLS: to wrap it would end the process (Node 20).
      if (this._closed || this._closing || this._socket.destroyed) callback();
      else super.upgrade(callback, secureCallback);
    });
  }

  override handler_STARTTLS(command: Buffer, callback: () => void): void {
    if (this.secure || command.toString('latin1').trim().length !== 'STARTTLS'.length) {
      return super.handler_STARTTLS(command, callback);
    }
    this.#faults.meet(
      'starttls',
      [this.hostNameAppearsAs || ''],
      ({ reply }) => {
        if (reply === null) return super.handler_STARTTLS(command, callback);
        this.send(reply.code, reply.text, false);
        // A rule may play a broken peer that answers 250 here; no handshake follows then.
        if (reply.code === 220) this.upgrade(callback);
        else callback();
      },
      callback,
    );
  }

  override handler_EHLO(command: Buffer, callback: () => void): void {
    const features = ['PIPELINING', `SIZE ${this.#context.limits.maxMessageBytes}`];
    features.push('8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'DSN');
    if (!this.secure && this._isSupported('STARTTLS')) features.push('STARTTLS');
    if (this.secure) features.push('REQUIRETLS');
    if (mayLogIn(this, this.#context) && !this.session.user) features.push('AUTH PLAIN LOGIN');
    this.#greet(command, [this.name, ...features], callback);
  }

  override handler_HELO(command: Buffer, callback: () => void): void {
    this.#greet(command, [this.name], callback);
  }

  override handler_AUTH(command: Buffer, callback: () => void): void {
    if (this.#context.users.isEmpty) {
      this.send(502, '5.5.1 Nobody can log in here', false);
      callback();
    } else if (this.#context.tls === 'required' && !this.secure) {
      this.#refuse(530, '5.7.0 Must issue a STARTTLS command first', callback);
    } else if (!mayLogIn(this, this.#context)) {
      this.#refuse(538, '5.7.11 Encryption required for a login', callback);
    } else if (this.session.user) {
      super.handler_AUTH(command, callback);
    } else {
      this.#faults.meet(
        'auth',
        [authSubject(command.toString('utf8'))],
        ({ reply }) => {
          if (reply === null) return super.handler_AUTH(command, callback);
          // A broken peer: it says so, and yet nobody is logged in.
          this.send(reply.code, reply.text, false);
          callback();
        },
        callback,
      );
    }
  }

  override handler_MAIL(command: Buffer, callback: () => void): void {
    const barrier = barrierTo(this, this.#context);
    if (barrier !== null) return this.#refuse(530, barrier, callback);
    const parsed = parseMail(command);
    if (typeof parsed === 'string') return this.#reject(parsed, callback);
    if (this.#transaction !== null) return this.#reject('503 5.5.1 Nested MAIL command', callback);
    const { address, parameters } = parsed;
    const requireTls = parameters.has('REQUIRETLS');
    if (requireTls && !this.secure) return this.#reject(NEEDS_TLS, callback);
    const { maxMessageBytes } = this.#context.limits;
    if (Number(parameters.get('SIZE') ?? 0) > maxMessageBytes) {
      return this.#refuse(552, `5.3.4 Message exceeds ${maxMessageBytes} bytes`, callback);
    }
    this.#faults.meet(
      'mail',
      [address],
      ({ reply }) => {
        const smtpUtf8 = parameters.has('SMTPUTF8');
        this.#transaction = { sender: address, smtpUtf8, requireTls, recipients: [] };
        this.send(reply?.code ?? 250, reply?.text ?? '2.1.0 Ok', false);
        callback();
      },
      callback,
    );
  }

  override handler_RCPT(command: Buffer, callback: () => void): void {
    const barrier = barrierTo(this, this.#context);
    if (barrier !== null) return this.#reject(`530 ${barrier}`, callback);
    const parsed = parseRcpt(command);
    if (typeof parsed === 'string') return this.#reject(parsed, callback);
    const transaction = this.#transaction;
    if (transaction === null) return this.#reject('503 5.5.1 Need MAIL command', callback);
    const { address } = parsed;
    if (!isAscii(address) && !transaction.smtpUtf8) return this.#reject(NEEDS_SMTPUTF8, callback);
    if (transaction.recipients.length >= this.#context.limits.maxRecipients) {
      return this.#refuse(452, '4.5.3 Too many recipients', callback);
    }
    this.#faults.meet(
      'rcpt',
      [address],
      ({ reply }) => {
        transaction.recipients.push(address);
        this.send(reply?.code ?? 250, reply?.text ?? '2.1.5 Ok', false);
        callback();
      },
      callback,
    );
  }

  override handler_DATA(command: Buffer, callback: () => void): void {
    const barrier = barrierTo(this, this.#context);
    if (barrier !== null) return this.#reject(`530 ${barrier}`, callback);
    if (command.toString('latin1').trim().length !== 'DATA'.length) {
      return this.#reject('501 5.5.4 DATA takes no argument', callback);
    }
    const transaction = this.#transaction;
    if (transaction === null || transaction.recipients.length === 0) {
      return this.#reject('503 5.5.1 Need RCPT command', callback);
    }
    this.#faults.meet(
      'data',
      transaction.recipients,
      ({ reply }) => {
        // A rule may play a broken peer that answers 250 here; the content would be commands then.
        if (reply !== null && reply.code !== 354) {
          return this.#refuse(reply.code, reply.text, callback);
        }
        const parser = this._parser;
        if (!parser) return callback();
        const content = parser.startDataMode(this.#context.limits.maxMessageBytes);
        this._dataStream = content;
        this.send(354, reply?.text ?? 'End data with <CR><LF>.<CR><LF>', false);
        this.#context.inFlight.track(this.#receive(parser, content, transaction));
        callback();
      },
      callback,
    );
  }

  /** From 354 to the reply after the final dot, or to the end of the session. Never rejects. */
  async #receive(
    parser: SMTPStream,
    content: ContentStream,
    transaction: Transaction,
  ): Promise<void> {
    const { capture, clock, limits, log } = this.#context;
    const id = newQueueId(clock.nowMs());
    const tls = tlsOf(this._socket);
    const deadline = clock.after(limits.dataTimeoutMs, () => {
      this.send(421, '4.4.2 The message takes too long', false);
    });
    this.#receiving = true;
    try {
      const received = await receiveMessage(content, id, capture);
      deadline.cancel();
      await this.#answer(id, transaction, received, tls);
    } catch (error) {
      // Either the client has left, and there is nobody to answer, or the disk has failed.
      log.debug({ err: error, id }, 'message was not taken');
      this.#refuse(451, '4.3.0 The message could not be stored');
    } finally {
      deadline.cancel();
      this.#receiving = false;
      this._dataStream = false;
      this._transactionCounter++;
      this._unrecognizedCommands = 0;
      this._resetSession();
      if (this.#context.stopping) this.dismiss();
      parser.continue();
    }
  }

  async #answer(
    id: string,
    transaction: Transaction,
    received: Received,
    tls: SinkMessage['tls'],
  ): Promise<void> {
    const { clock, limits, log } = this.#context;
    if (received.kind === 'oversize') {
      return this.#refuse(552, `5.3.4 Message exceeds ${limits.maxMessageBytes} bytes`);
    }
    if (received.kind === 'disk-fault') {
      log.error({ err: received.cause, id }, 'a message could not be captured');
      return this.#refuse(452, '4.3.1 The message could not be captured');
    }
    const passed = await this.#passedByFaults(transaction.recipients);
    if (passed === null || passed.lose) {
      await received.file?.discard();
      if (passed === null) return;
      this.#context.store.countLost();
    } else {
      const { sender, recipients, requireTls } = transaction;
      const user = typeof this.session.user === 'string' ? this.session.user : null;
      const receivedAtMs = clock.nowMs();
      const origin = { id, receivedAtMs, sender, recipients, user, tls, requireTls };
      await keepMessage(origin, received, this.#context);
    }
    const { code, text } = passed.reply ?? { code: 250, text: `2.0.0 Ok: queued as ${id}` };
    this.send(code, text || `2.0.0 Ok: queued as ${id}`, false);
  }

  /** How a complete message is taken, or null when it is refused. */
  #passedByFaults(recipients: string[]): Promise<Passed | null> {
    return new Promise((resolve) => {
      this.#faults.meet('message', recipients, resolve, () => resolve(null));
    });
  }

  #greet(command: Buffer, lines: string[], callback: () => void): void {
    const name = parseHelo(command);
    if (name === null) return this.#reject('501 5.5.4 Give one host name', callback);
    this.#faults.meet(
      'helo',
      [name],
      ({ reply }) => {
        this.hostNameAppearsAs = name;
        this._resetSession();
        this.send(reply?.code ?? 250, reply?.text ?? lines, false);
        callback();
      },
      callback,
    );
  }

  #underFaults(): FaultySession {
    return {
      isOver: () => this._closed || this._closing,
      countRefused: () => this.#context.store.countRefused(),
      refuse: ({ code, text }) => this.send(code, text, false),
      hangUp: () => {
        this.#retireParser();
        this.#faults.outbound.charge(0, () => this.#topSocket.destroySoon());
      },
      reset: () => {
        this.#retireParser();
        // From below, which is safe since no handshake is under way while a command is handled; but
        // a socket that is told so in the middle of its shutdown is never closed (Node 20).
        if (this.#topSocket.writableEnded) this.abort();
        else this.#bottomSocket.resetAndDestroy();
      },
    };
  }

  /** Nothing that has come already is carried out. */
  #retireParser(): void {
    if (this._parser) this._parser.isClosed = true;
  }

  /** A reply to broken or misplaced commands, which do not count as refused mail. */
  #reject(reply: string, callback: () => void): void {
    this.send(Number(reply.slice(0, 3)), reply.slice(4), false);
    callback();
  }

  /** A reply by which this sink turns something down; counted unless the client is gone. */
  #refuse(code: number, text: string, callback?: () => void): void {
    if (!this._closed && !this._closing) {
      this.#context.store.countRefused();
      this.send(code, text, false);
    }
    callback?.();
  }
}

/** About how long a reply is on the wire; what the library adds to it is not known here. */
function replyBytes(data: string | string[] | null | undefined): number {
  const lines = Array.isArray(data) ? data : [data ?? ''];
  return lines.reduce((sum, line) => sum + Buffer.byteLength(line) + '250 \r\n'.length, 0);
}
