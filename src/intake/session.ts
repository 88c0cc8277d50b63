import type { Socket } from 'node:net';
import type { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { messageOf } from '../base/errors.js';
import type { LimitReason, Visit } from '../policy/client-limits.js';
import type { Identity } from '../policy/credentials.js';
import { ContentProgress } from './content-progress.js';
import { GatheredReplies, isPlainText } from './gathered-replies.js';
import { LoginSession } from './login-session.js';
import type { DataResult, ReceivedMessage } from './receive-data.js';
import { refuse, type Refusal } from './refusal.js';
import { senderOf } from './sender-session.js';
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
  readonly #replies = new GatheredReplies();
  /** Each command and reply is logged, by the library. */
  readonly #isLogged: boolean;
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
    this.#isLogged = services.log.isLevelEnabled('debug');
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
    parser.onRest = () => this.#replies.release(this._socket);
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
    const [code, data, context] = reply;
    if (context === false && this.#isPlain(code) && isPlainText(data)) {
      this.#replies.add(code, data, this._socket);
      return;
    }
    if (code >= 400) {
      this.#services.counts.refused(code);
    }
    this.#replies.flush(this._socket);
    super.send(...reply);
    if ((code >= 500 || code === LOGIN_NOT_LOOKED_AT) && !this._closing) {
      this.#erred(code);
    }
  }

  /** The library would do nothing for such a reply but write it. An empty 334 is its own matter. */
  #isPlain(code: number): boolean {
    return code < 400 && code !== 334 && !this._upgrading && !this.#isLogged;
  }

  #erred(code: number): void {
    const atLogin = code === LOGIN_REFUSED || code === LOGIN_NOT_LOOKED_AT;
    const reason = this.#visit.erred(this.identity === null, atLogin);
    if (reason !== null) {
      this.#services.limited(reason, this.remoteAddress);
      this.#end(refuse(421, '4.7.0', 'Too many errors'));
    }
  }

  override _onCommand(command: Buffer, callback: Done = () => undefined): void {
    this.#visit.spoke();
    this.#deadlines.awaitCommand();
    this.#replies.gather();
    const handle = this.#isLogged ? undefined : TRANSACTION_COMMANDS.get(verbOf(command));
    if (handle !== undefined && this.#takesTransactions) {
      handle(this, command, () => this._whenWritable(callback));
    } else {
      super._onCommand(command, callback);
    }
  }

  /**
   * Nothing stands against MAIL, RCPT and DATA that the library would look for before it calls
   * their handlers.
   */
  get #takesTransactions(): boolean {
    return (
      this._ready &&
      !this._upgrading &&
      this._nextHandler === false &&
      this._server._closeTimeout === false &&
      this.hostNameAppearsAs !== false
    );
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
    this.#replies.flush(this._socket);
    super.upgrade(callback, secureCallback);
  }

  /** The library hands over the socket that it makes for TLS nowhere else. */
  override _armTimeout(socket: Socket = this._socket): void {
    this.#upgraded = socket === this._socket ? null : socket;
    super._armTimeout(socket);
  }

  override close(): void {
    this.#visit.leave();
    this.#replies.flush(this._socket);
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
    callback();
  }

  override handler_HELO(command: Buffer, callback: Done): void {
    if (this.#heloArgument(command, 'HELO') !== null) {
      this.send(250, this.#services.hostname, false);
    }
    callback();
  }

  override handler_RSET(command: Buffer, callback: Done): void {
    if (this.refusesArgument(command)) {
      callback();
      return;
    }
    this.#transaction = null;
    this.send(250, '2.0.0 Reset', false);
    if (this.#services.draining()) {
      this.#farewell();
    }
    callback();
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
    this.#attempt(callback, () => {
      const refusal = this.#mayReceive(command);
      const parser = this._parser;
      if (refusal !== null || !(parser instanceof SmtpParser)) {
        return refusal ?? refuse(451, '4.3.0', 'Not now');
      }
      const transaction = this.#transaction as Transaction;
      const message = this.#services.receive(
        transaction,
        senderOf(this, transaction, this.#services),
        (result) => this.#received(message, result),
      );
      this.#receiving = message;
      const progress = new ContentProgress(this.#visit.content, this.#services.clock);
      parser.receive(message, progress);
      this.#deadlines.awaitContent(progress);
      this.send(354, 'End data with <CR><LF>.<CR><LF>', false);
      return null;
    });
  }

  /** Sends the reply to the final dot and starts over (RFC 5321 §4.1.1.4). */
  #received(message: ReceivedMessage, result: DataResult): void {
    this.#deadlines.awaitCommand();
    // The parser goes on once the end of the content is told.
    this.#replies.gather();
    this.#receiving = null;
    this.#transaction = null;
    this._transactionCounter++;
    this._unrecognizedCommands = 0;
    if ('queueId' in result) {
      this.#visit.messageTaken();
      this.send(250, `2.6.0 queued as ${result.queueId}`, false);
    } else if (result.unsaid === true) {
      this.#replies.flush(this._socket);
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

  /**
   * Runs a handler so that a fault of ours is a reply and not a silent session.
   *
   * @param handle gives the reply; null when it was sent already
   */
  #attempt(callback: Done, handle: () => Refusal | null): void {
    try {
      const reply = handle();
      if (reply !== null) {
        this.#answer(reply);
      }
    } catch (error) {
      this.#services.log.error({ code: 'SESSION_FAILED', err: error }, messageOf(error));
      this.#answer(refuse(451, '4.3.0', 'Internal error; try again later'));
    }
    callback();
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

/** The commands of every message, by the first five octets: the verb, and a space where one has to follow. */
const TRANSACTION_COMMANDS: ReadonlyMap<
  string,
  (session: Session, command: Buffer, done: Done) => void
> = new Map([
  ['MAIL ', (session, command, done) => session.handler_MAIL(command, done)],
  ['RCPT ', (session, command, done) => session.handler_RCPT(command, done)],
  ['DATA', (session, command, done) => session.handler_DATA(command, done)],
]);

function verbOf(command: Buffer): string {
  return command.toString('latin1', 0, 5).toUpperCase();
}

/** What stands behind the verb, or null. The verb is matched without case (RFC 5321 §2.4). */
function argumentOf(command: Buffer, verb: string): string | null {
  const text = command.toString('utf8');
  return text.slice(0, verb.length).toUpperCase() === verb ? text.slice(verb.length) : null;
}
