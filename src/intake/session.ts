import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { messageOf } from '../base/errors.js';
import type { LimitReason, Visit } from '../policy/client-limits.js';
import type { Identity } from '../policy/credentials.js';
import { LoginSession } from './login-session.js';
import type { DataResult, ReceivedMessage } from './receive-data.js';
import { refuse, type Refusal } from './refusal.js';
import { SessionDeadlines } from './session-deadlines.js';
import type { SessionServices } from './session-services.js';
import { SmtpParser } from './smtp-parser.js';
import { addRecipient, beginTransaction, type Transaction } from './transaction.js';

/** Bytes of a command line; AUTH lines may be long (RFC 4954 §4 asks for 12,288). */
const MAX_COMMAND_BYTES = 16 * 1024;

/** RFC 4954 §6. */
const LOGIN_REFUSED = 535;
const LOGIN_NOT_LOOKED_AT = 454;

type Done = () => void;

/**
 * One client's session. The library keeps the socket, TLS and SASL; the greeting, the envelope and
 * the data phase are ours, since there its behaviour differs from what mail needs (LIBRARIES: the
 * contract tests name each case).
 */
export class Session extends LoginSession {
  readonly #services: SessionServices;
  readonly #visit: Visit;
  readonly #deadlines: SessionDeadlines;
  #transaction: Transaction | null = null;
  #receiving: ReceivedMessage | null = null;
  /** The one that TLS is being set up on, while it is. */
  #upgraded: Socket | null = null;

  constructor(
    services: SessionServices,
    visit: Visit,
    ...rest: ConstructorParameters<typeof SMTPConnection>
  ) {
    super(services, ...rest);
    this.#services = services;
    this.#visit = visit;
    this.#deadlines = new SessionDeadlines(services, (why, reason) => this.#cut(why, reason));
    visit.onGiveWay = () => {
      services.limited('gave-way', this.remoteAddress);
      this.#end(refuse(421, '4.7.0', 'Others need this session, try again later'));
    };
  }

  get busy(): boolean {
    return this.#transaction !== null || this.#receiving !== null;
  }

  /** Says 421 now if nothing is under way, else after the transaction. */
  drain(): void {
    if (!this.busy && !this._closing) {
      this.#farewell();
    }
  }

  /** Greets at once; the library would wait for 100 ms. */
  override init(): void {
    this._setListeners(() => {
      const refusal = this.#services.refusesSession();
      if (refusal === null) {
        this.#deadlines.awaitCommand();
        if (!this.#visit.mayRelay) {
          this.#deadlines.awaitLogin();
        }
        this.connectionReady();
      } else {
        this.#answer(refusal);
        this.close();
      }
    });
  }

  override _createParser(): SmtpParser {
    const parser = new SmtpParser(MAX_COMMAND_BYTES);
    parser.oncommand = (command, callback) => this._onCommand(command, callback);
    parser.onBareLineFeed = () => {
      this.#answer(refuse(521, '5.5.2', 'A command line ends with CR LF'));
      this.close();
    };
    parser.on('error', (error: Error) => {
      this.#answer(refuse(500, '5.5.2', error.message));
      this.close();
    });
    return parser;
  }

  /** Every reply, ours and the library's, goes through here. */
  override send(...reply: Parameters<SMTPConnection['send']>): void {
    if (reply[0] >= 400) {
      this.#services.counts.refused(reply[0]);
    }
    super.send(...reply);
    if ((reply[0] >= 500 || reply[0] === LOGIN_NOT_LOOKED_AT) && !this._closing) {
      this.#erred(reply[0]);
    }
  }

  #erred(code: number): void {
    const atLogin = code === LOGIN_REFUSED || code === LOGIN_NOT_LOOKED_AT;
    const reason = this.#visit.erred(this.identity === null, atLogin);
    if (reason !== null) {
      this.#services.limited(reason, this.remoteAddress);
      this.#end(refuse(421, '4.7.0', 'Too many errors'));
    }
  }

  override _onCommand(command: Buffer, callback?: Done): void {
    this.#visit.spoke();
    this.#deadlines.awaitCommand();
    super._onCommand(command, callback);
  }

  /** A client that is silent since its final dot waits for us, not we for it. */
  override _onTimeout(): void {
    if (this.#receiving?.complete === true && !this._closing) {
      this._armTimeout();
    } else {
      super._onTimeout();
    }
  }

  /** What the client had begun in clear text is forgotten, as the library forgets its own part. */
  override upgrade(callback: Done, secureCallback?: Done): void {
    this.#transaction = null;
    super.upgrade(callback, secureCallback);
  }

  /** The library hands over the socket that it makes for TLS nowhere else. */
  override _armTimeout(socket: Socket = this._socket): void {
    this.#upgraded = socket === this._socket ? null : socket;
    super._armTimeout(socket);
  }

  override close(): void {
    this.#visit.leave();
    if (this._upgrading) {
      // From the top: the socket below a handshake is not ours to close.
      this.#upgraded?.destroy();
    }
    super.close();
  }

  override _onClose(): void {
    this.#visit.leave();
    this.#deadlines.stop();
    this.#receiving?.abort();
    this.#receiving = null;
    this.#transaction = null;
    super._onClose();
  }

  override handler_EHLO(command: Buffer, callback: Done): void {
    const helo = this.#heloArgument(command, 'EHLO');
    if (helo !== null) {
      const { hostname, maxMessageBytes } = this.#services;
      const lines = [hostname, 'PIPELINING', `SIZE ${maxMessageBytes}`, '8BITMIME', 'SMTPUTF8'];
      lines.push('ENHANCEDSTATUSCODES', 'DSN');
      if (!this.secure && this._isSupported('STARTTLS')) {
        lines.push('STARTTLS');
      }
      if (this.secure) {
        lines.push('REQUIRETLS');
      }
      const { mechanisms } = this;
      if (mechanisms.length > 0 && this.identity === null) {
        lines.push(`AUTH ${mechanisms.join(' ')}`);
      }
      if (this.#services.offersMesh()) {
        lines.push('XMESH');
      }
      this.send(250, lines, false);
    }
    setImmediate(callback);
  }

  override handler_HELO(command: Buffer, callback: Done): void {
    if (this.#heloArgument(command, 'HELO') !== null) {
      this.send(250, this.#services.hostname, false);
    }
    setImmediate(callback);
  }

  override handler_RSET(command: Buffer, callback: Done): void {
    if (this.refusesArgument(command)) {
      setImmediate(callback);
      return;
    }
    this.#transaction = null;
    this.send(250, '2.0.0 Reset', false);
    if (this.#services.draining()) {
      this.#farewell();
    }
    setImmediate(callback);
  }

  override handler_MAIL(command: Buffer, callback: Done): void {
    this.#attempt(callback, () => {
      const refusal = this.#mayBegin();
      if (refusal !== null) {
        return refusal;
      }
      const argument = argumentOf(command, 'MAIL FROM:');
      if (argument === null) {
        return refuse(501, '5.5.2', 'Syntax: MAIL FROM:<name@example.org>');
      }
      const begun = beginTransaction(argument, this.#context());
      if ('code' in begun) {
        return begun;
      }
      const refused = this.#services.full(begun.declaredBytes ?? 0) ?? this.#overRate();
      if (refused !== null) {
        return refused;
      }
      this.#transaction = begun;
      return refuse(250, '2.1.0', 'Sender ok');
    });
  }

  override handler_RCPT(command: Buffer, callback: Done): void {
    this.#attempt(callback, () => {
      if (this.#transaction === null) {
        return refuse(503, '5.5.1', 'Send MAIL FROM first');
      }
      const argument = argumentOf(command, 'RCPT TO:');
      if (argument === null) {
        return refuse(501, '5.5.2', 'Syntax: RCPT TO:<name@example.org>');
      }
      const refusal = addRecipient(this.#transaction, argument, this.#context());
      if (refusal !== null) {
        return refusal;
      }
      if (!this.#services.mayRelay(this.identity, this.remoteAddress)) {
        this.#transaction.recipients.pop();
        return refuse(
          550,
          '5.7.1',
          'Relaying denied: log in first, or ask for your network to be allowed',
        );
      }
      return refuse(250, '2.1.5', 'Recipient ok');
    });
  }

  override handler_DATA(command: Buffer, callback: Done): void {
    const refusal = this.#mayReceive(command);
    const parser = this._parser;
    if (refusal !== null || !(parser instanceof SmtpParser)) {
      this.#answer(refusal ?? refuse(451, '4.3.0', 'Not now'));
      setImmediate(callback);
      return;
    }
    const transaction = this.#transaction as Transaction;
    const message = this.#services.receive(transaction, this.#sender(transaction), (result) =>
      this.#received(message, result),
    );
    this.#receiving = message;
    this.#deadlines.awaitContent(parser.receive(message));
    this.send(354, 'End data with <CR><LF>.<CR><LF>', false);
    setImmediate(callback);
  }

  /** Sends the reply to the final dot and starts over (RFC 5321 §4.1.1.4). */
  #received(message: ReceivedMessage, result: DataResult): Promise<void> {
    this.#deadlines.awaitCommand();
    this.#receiving = null;
    this.#transaction = null;
    this._transactionCounter++;
    this._unrecognizedCommands = 0;
    if ('queueId' in result) {
      this.#visit.messageTaken();
      this.send(250, `2.6.0 queued as ${result.queueId}`, false);
    } else if (result.unsaid === true) {
      this._socket.destroy();
    } else {
      this.#answer(result);
    }
    if (message.violated) {
      // Whatever follows may be the rest of a smuggled message.
      this.close();
    } else if (this.#services.draining()) {
      this.#farewell();
    }
    return Promise.resolve();
  }

  #mayBegin(): Refusal | null {
    if (this.#services.draining()) {
      return refuse(421, '4.3.2', 'Shutting down');
    }
    if (this.#transaction !== null) {
      return refuse(503, '5.5.1', 'A transaction is already under way');
    }
    if (this.#services.requiresTls && !this.secure) {
      return refuse(530, '5.7.0', 'Send STARTTLS first');
    }
    return this.#services.accepting() ? null : refuse(451, '4.3.0', 'Mail cannot be stored now');
  }

  #mayReceive(command: Buffer): Refusal | null {
    if (command.toString('latin1').trim().toUpperCase() !== 'DATA') {
      return refuse(501, '5.5.4', 'DATA takes no argument');
    }
    if (this.#transaction === null || this.#transaction.recipients.length === 0) {
      return refuse(503, '5.5.1', 'Send RCPT TO first');
    }
    return this.#services.accepting()
      ? this.#services.full(this.#transaction.declaredBytes ?? 0)
      : refuse(451, '4.3.0', 'Mail cannot be stored now');
  }

  #context() {
    const { maxMessageBytes, maxRecipients } = this.#services;
    const { identity, secure } = this;
    return { identity, secure, maxMessageBytes, maxRecipients };
  }

  #sender(transaction: Transaction) {
    const socket = this._socket;
    const tls =
      socket instanceof TLSSocket
        ? { protocol: socket.getProtocol() ?? 'TLS', cipher: socket.getCipher()?.name ?? '' }
        : null;
    const { acceptTraceHeader } = this.#services;
    return {
      clientAddress: this.remoteAddress,
      helo: this.hostNameAppearsAs || '',
      protocol: this.#protocol(transaction),
      tls,
      user: this.identity?.username ?? null,
      believed: this.identity?.peer != null || acceptTraceHeader,
      mayBeParent: this.identity !== null || acceptTraceHeader,
      steerTo: this.#services.steerTargets(this.identity),
    };
  }

  /** RFC 3848 and RFC 6531 §4.3. */
  #protocol(transaction: Transaction): string {
    const base =
      this.openingCommand === 'HELO' ? 'SMTP' : transaction.smtpUtf8 ? 'UTF8SMTP' : 'ESMTP';
    return `${base}${this.secure ? 'S' : ''}${this.identity === null ? '' : 'A'}`;
  }

  #heloArgument(command: Buffer, verb: string): string | null {
    const parts = command.toString('utf8').trim().split(/\s+/);
    const helo = parts[1] ?? '';
    // oxlint-disable-next-line no-control-regex
    if (parts.length !== 2 || helo.length > 255 || /[\x00-\x1f\x7f<>]/.test(helo)) {
      this.send(501, `Syntax: ${verb} host.example.org`, false);
      return null;
    }
    this.#transaction = null;
    this.hostNameAppearsAs = helo;
    this._resetSession();
    return helo;
  }

  /** Runs a handler so that a fault of ours is a reply and not a silent session. */
  #attempt(callback: Done, handle: () => Refusal): void {
    try {
      this.#answer(handle());
    } catch (error) {
      this.#services.log.error({ code: 'SESSION_FAILED', err: error }, messageOf(error));
      this.#answer(refuse(451, '4.3.0', 'Internal error; try again later'));
    }
    setImmediate(callback);
  }

  #answer({ code, enhanced, text }: Refusal): void {
    this.send(code, `${enhanced} ${text}`, false);
  }

  protected override loggedIn(identity: Identity): void {
    this.#visit.loggedIn(identity);
    this.#deadlines.loggedIn();
  }

  #overRate(): Refusal | null {
    const reason = this.#visit.begins(this.identity);
    if (reason === null) {
      return null;
    }
    this.#services.limited(reason, this.remoteAddress);
    return refuse(450, '4.7.1', 'Too many messages in a minute, try again later');
  }

  #cut(why: string, reason?: LimitReason): void {
    if (reason !== undefined) {
      this.#services.limited(reason, this.remoteAddress);
    }
    this.#end(refuse(421, '4.4.2', why));
  }

  /** Does not wait for the client to close its side. */
  #end(lastWord: Refusal): void {
    this.#answer(lastWord);
    if (!this._upgrading) {
      this._socket.destroySoon();
    }
  }

  #farewell(): void {
    this.#answer(refuse(421, '4.3.2', 'Shutting down'));
  }
}

/** What stands behind the verb, or null. The verb is matched without case (RFC 5321 §2.4). */
function argumentOf(command: Buffer, verb: string): string | null {
  const text = command.toString('utf8');
  return text.slice(0, verb.length).toUpperCase() === verb ? text.slice(verb.length) : null;
}
