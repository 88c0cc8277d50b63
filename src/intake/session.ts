import { TLSSocket } from 'node:tls';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import type { Timer } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import type { Identity } from '../policy/credentials.js';
import type { DataResult, ReceivedMessage } from './receive-data.js';
import { refuse, type Refusal } from './refusal.js';
import type { SessionServices } from './session-services.js';
import { SmtpParser } from './smtp-parser.js';
import { addRecipient, beginTransaction, type Transaction } from './transaction.js';

/** Bytes of a command line; AUTH lines may be long (RFC 4954 §4 asks for 12,288). */
const MAX_COMMAND_BYTES = 16 * 1024;

type Done = () => void;

/**
 * One client's session. The library keeps the socket, TLS and SASL; the greeting, the envelope and
 * the data phase are ours, since there its behaviour differs from what mail needs (LIBRARIES: the
 * contract tests name each case).
 */
export class Session extends SMTPConnection {
  readonly #services: SessionServices;
  #identity: Identity | null = null;
  #transaction: Transaction | null = null;
  #receiving: ReceivedMessage | null = null;
  /** For the next command line, or for the content. The library's idle timer is none: every byte rewinds it. */
  #deadline: Timer | null = null;

  constructor(services: SessionServices, ...rest: ConstructorParameters<typeof SMTPConnection>) {
    super(...rest);
    this.#services = services;
  }

  /** The library takes the login back at STARTTLS (RFC 3207 §4.2), and with it the identity. */
  get identity(): Identity | null {
    return this.session.user ? this.#identity : null;
  }

  set identity(identity: Identity) {
    this.#identity = identity;
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
        this.#awaitCommand();
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
  }

  /** AUTH is offered only where a password may travel: over TLS, or from loopback. */
  get #offersLogin(): boolean {
    return this.#services.offersLogin(this.secure, this.remoteAddress);
  }

  override _isSupported(command: string): boolean {
    // Where nobody could log in over TLS either, the command does not exist.
    return command === 'AUTH'
      ? this.#services.offersLogin(true, this.remoteAddress)
      : super._isSupported(command);
  }

  /** RFC 4954 §4: not without the protection that it needs, not within a transaction. */
  override handler_AUTH(command: Buffer, callback: Done): void {
    const refusal = !this.#offersLogin
      ? refuse(538, '5.7.11', 'A login needs TLS here')
      : this.#transaction !== null
        ? refuse(503, '5.5.1', 'A transaction is already under way')
        : null;
    if (refusal === null) {
      super.handler_AUTH(command, callback);
    } else {
      this.#answer(refusal);
      setImmediate(callback);
    }
  }

  override _onCommand(command: Buffer, callback?: Done): void {
    this.#awaitCommand();
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

  override _onClose(): void {
    this.#deadline?.cancel();
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
      if (this.#offersLogin && this.identity === null) {
        lines.push('AUTH PLAIN LOGIN');
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

  override handler_RSET(_command: Buffer, callback: Done): void {
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
      const full = this.#services.full(begun.declaredBytes ?? 0);
      if (full !== null) {
        return full;
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
    this.#deadline?.cancel();
    this.#deadline = this.#services.clock.after(this.#services.dataTimeoutMs, () => {
      if (!message.complete) {
        this.#cut('The message took too long');
      }
    });
    parser.receive(message);
    this.send(354, 'End data with <CR><LF>.<CR><LF>', false);
    setImmediate(callback);
  }

  /** Sends the reply to the final dot and starts over (RFC 5321 §4.1.1.4). */
  #received(message: ReceivedMessage, result: DataResult): Promise<void> {
    this.#awaitCommand();
    this.#receiving = null;
    this.#transaction = null;
    this._transactionCounter++;
    this._unrecognizedCommands = 0;
    if ('queueId' in result) {
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
    return { identity: this.identity, maxMessageBytes, maxRecipients };
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

  #awaitCommand(): void {
    this.#deadline?.cancel();
    this.#deadline = this.#services.clock.after(this.#services.idleTimeoutMs, () =>
      this.#cut('No command came in time'),
    );
  }

  #cut(why: string): void {
    this.#answer(refuse(421, '4.4.2', why));
    this._socket.destroySoon();
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
