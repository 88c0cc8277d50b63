import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import { isLoopbackAddress } from '../format/loopback.js';
import type { AccessTokens } from './access-token.js';
import { hiddenWords, withoutWords } from './hidden-words.js';
import { allowLogin, logIn } from './login.js';
import { mechanismsFor, type Mechanism } from './mechanism.js';
import type { Login, NextHop } from './next-hop.js';
import type { PhasesMs } from '../trace/record.js';
import { LibraryConnection, type LibraryError } from './library-connection.js';
import { SessionFault, toSessionFault } from './session-fault.js';
import { SessionProgress } from './session-progress.js';
import type { SendSettings } from './settings.js';
import { tlsInfoOf, tlsSwitches, type TlsInfo } from './tls-mode.js';
import {
  toReply,
  type Reply,
  type TransactionReplies,
  type TransactionRequest,
} from './transaction.js';

export interface ConnectionOptions {
  /** What is connected to: `address` if there is one, else `host`. */
  host: NextHop;
  settings: SendSettings;
  clock: Clock;
  tokens: AccessTokens;
}

/**
 * One SMTP session to one host, on the library's connection.
 *
 * What we guarantee beyond it: an absolute deadline on every wait; credentials only over TLS (or to
 * loopback, or where it is allowed in so many words) and only by a mechanism that was offered; a
 * reply that comes before our command ends the session, as does 2xx where 354 is due; every reply
 * is kept in its order, so that each recipient gets its own.
 */
export class Connection extends LibraryConnection {
  /** The host that it leads to. */
  readonly nextHop: NextHop;
  readonly #settings: SendSettings;
  readonly #tokens: AccessTokens;
  readonly #progress: SessionProgress;
  #transaction: { request: TransactionRequest; replies: TransactionReplies; sent: number } | null =
    null;
  #fault: SessionFault | null = null;
  #mechanism: Mechanism;
  /** What no reply may show. */
  #hidden: readonly string[];
  #remote: string | null = null;
  #tls: TlsInfo | null = null;
  messages = 0;

  constructor({ host, settings, clock, tokens }: ConnectionOptions) {
    super({
      host: host.address ?? host.host,
      port: host.port,
      name: settings.hostname,
      ...tlsSwitches(host),
      connectionTimeout: settings.connectTimeoutMs,
      greetingTimeout: settings.commandTimeoutMs,
      socketTimeout: settings.finalReplyTimeoutMs,
      socketCloseTimeout: 1000,
      maxResponseSize: 64 * 1024,
      allowInternalNetworkInterfaces: true,
      logger: false,
    });
    this.nextHop = host;
    this.#settings = settings;
    this.#tokens = tokens;
    this.#mechanism = mechanismsFor(host.login, true)[0] ?? 'PLAIN';
    this.#hidden = host.login === undefined ? [] : hiddenWords(host.login, []);
    this.#progress = new SessionProgress(clock, (text) =>
      this._onError(new Error(text), 'ETIMEDOUT', false, 'CONN'),
    );
    // Without a listener an error that comes between two messages would end the process.
    this.on('error', (error: LibraryError) => this.#noteFault(error));
  }

  get loggedInAs(): string | null {
    return this.authenticated ? (this.nextHop.login?.username ?? null) : null;
  }

  /** How the login is presented, or would be. */
  get mechanism(): Mechanism {
    return this.#mechanism;
  }

  /** Address and port, also after the end. */
  get remote(): string | null {
    return this.#remote;
  }

  /**
   * Takes the login out of replies before anybody sees them. What the library reads itself stays as
   * it is, and is shown to nobody: challenges, and before the login what went well.
   */
  #hideCredentials(): void {
    const words = this.#hidden;
    if (words.length === 0) {
      return;
    }
    const isRead = this.authenticated ? /^334/ : /^(?:2|334)/;
    this._responseQueue = this._responseQueue.map((reply) =>
      isRead.test(reply) ? reply : withoutWords(reply, words),
    );
  }

  /** What protects the session, also after its end. */
  get tlsInfo(): TlsInfo | null {
    return this.#tls;
  }

  /** True while the next transaction may start. */
  get usable(): boolean {
    const socket = this._socket as Socket | false;
    return !this.destroyed && this.#fault === null && socket !== false && socket.writable;
  }

  supports(keyword: string): boolean {
    return this._ehloLines?.some((line) => line.split(' ')[0]?.toUpperCase() === keyword) ?? false;
  }

  /** The size that the remote takes at most, or null when it names none. */
  get maxSizeBytes(): number | null {
    return this._maxAllowedSize > 0 ? this._maxAllowedSize : null;
  }

  /** The phases since the last call. */
  takePhases(): PhasesMs {
    return this.#progress.takePhases();
  }

  /** Connects, secures and logs in. Rejects with a `SessionFault`; the connection is closed then. */
  async open(): Promise<void> {
    this.#progress.startPhase();
    await new Promise<void>((resolve, reject) => {
      const ended = (): void => reject(this.#fault ?? this.#lost());
      this.once('end', ended);
      this.connect((error) => {
        if (error) {
          this.#noteFault(error);
          reject(this.#fault ?? this.#lost());
          return;
        }
        this.removeListener('end', ended);
        resolve();
      });
    });
    this.#progress.endDeadline();
    this.#tls = tlsInfoOf(this._socket as Socket | false);
    if (this.nextHop.tls === 'verified' && this.tlsInfo?.verified !== true) {
      this.close();
      throw new SessionFault('starttls', 'error', 'the certificate could not be verified');
    }
    const { login, loginIfOffered } = this.nextHop;
    const offered = this._supportedAuth.length > 0 || this.supports('AUTH');
    if (login !== undefined && (loginIfOffered !== true || offered)) {
      await this.#logIn(login);
    }
  }

  /** Runs one transaction. Never rejects: what broke is in `fault`. */
  async transact(request: TransactionRequest): Promise<TransactionReplies> {
    const replies: TransactionReplies = {
      mail: null,
      rcpt: request.recipients.map(() => null),
      data: null,
      dot: null,
      fault: null,
      sentWhole: false,
    };
    this.#transaction = { request, replies, sent: 0 };
    this.messages++;
    this.#progress.startPhase();
    const failed = await new Promise<LibraryError | null>((resolve) => {
      // A connection that is closed in the middle forgets the callback of its message.
      const ended = (): void => resolve(null);
      this.once('end', ended);
      this.send(
        {
          from: request.sender,
          to: request.recipients.map(({ address }) => address),
          size: request.sizeBytes,
          use8BitMime: request.eightBit,
        },
        request.content,
        (error) => {
          this.removeListener('end', ended);
          resolve(error);
        },
      );
    });
    this.#progress.endDeadline();
    this.#progress.endPhase(this.#progress.stage === 'dot' ? 'dot' : 'data');
    if (failed !== null && failed.response === undefined) {
      // A fault of our own source, or of the session: either way nothing more can be said here.
      this.#noteFault(failed);
      this.close();
    }
    if (replies.dot !== null && !replies.sentWhole) {
      // Refused in the middle: the rest of the content can only be cut off.
      this.close();
    }
    if (this.destroyed && replies.dot === null) {
      this.#fault ??= this.#lost();
    }
    replies.fault = this.#fault;
    this.#transaction = null;
    return replies;
  }

  /** RSET after a refused transaction. False when the session is over. */
  async resetSession(): Promise<boolean> {
    if (!this.usable) {
      return false;
    }
    this.#progress.enter('rset', this.#settings.commandTimeoutMs);
    const good = await new Promise<boolean>((resolve) => {
      const ended = (): void => resolve(false);
      this.once('end', ended);
      this.reset((error) => {
        this.removeListener('end', ended);
        resolve(error === null);
      });
    });
    this.#progress.endDeadline();
    return good && this.usable;
  }

  /** Says QUIT and closes; a remote that does not answer is cut off. */
  leave(): void {
    if (!this.usable) {
      this.close();
      return;
    }
    this.#progress.enter('rset', 1000);
    this.quit();
  }

  override close(): void {
    this.#progress.endDeadline();
    super.close();
  }

  async #logIn(login: Login): Promise<void> {
    try {
      // The wait for a token is ours, not the hop's: it has a deadline of its own.
      this.#progress.stage = 'auth';
      this.#mechanism = allowLogin(login, {
        inTls: this.secure,
        mayGoInClear: isLoopbackAddress(this.remoteAddress ?? '') || this.nextHop.allowInsecureAuth,
        offered: this.#offeredMechanisms,
      });
      const sent: string[] = [];
      const ask = (line: string): Promise<Reply | null> => {
        sent.push(line);
        this.#hidden = hiddenWords(login, sent);
        return this.#ask(line);
      };
      const reply = await logIn(login, this.#mechanism, ask, this.#tokens);
      if (reply === null) {
        throw this.#fault ?? this.#lost();
      }
      const { code, enhanced, text } = reply;
      if (code < 200 || code > 299) {
        const words = withoutWords(text, this.#hidden);
        throw new SessionFault('auth', code < 400 ? 'invalid' : 'error', words, code, enhanced);
      }
      this.authenticated = true;
    } catch (error) {
      this.#fault =
        error instanceof SessionFault ? error : new SessionFault('auth', 'error', messageOf(error));
      this.close();
      throw this.#fault;
    } finally {
      this.#progress.endDeadline();
      this.#progress.endPhase('auth');
    }
  }

  /** The library knows those with a password or a token only. */
  get #offeredMechanisms(): string[] {
    const [, ...words] = this._ehloLines?.find((line) => /^AUTH /i.test(line))?.split(' ') ?? [];
    const external = words.some((word) => word.toUpperCase() === 'EXTERNAL');
    return external ? ['EXTERNAL', ...this._supportedAuth] : this._supportedAuth;
  }

  /** Sends a line of the login; null when the session ends before its reply. */
  #ask(line: string): Promise<Reply | null> {
    this.#progress.enter('auth', this.#settings.commandTimeoutMs);
    return new Promise((resolve) => {
      if (this.destroyed) {
        resolve(null);
        return;
      }
      const ended = (): void => resolve(null);
      this.once('end', ended);
      this._responseActions.push((reply: string) => {
        this.removeListener('end', ended);
        this.#progress.endDeadline();
        resolve(toReply(reply));
      });
      this._sendCommand(line);
    });
  }

  private get remoteAddress(): string | undefined {
    const socket = this._socket as Socket | false;
    return socket ? socket.remoteAddress : undefined;
  }

  // The library's steps, in the order of a session.

  override _onConnect(): void {
    const socket = this._socket as Socket;
    this.#remote = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#progress.endPhase('connect');
    this.#progress.enter('greeting', this.#settings.commandTimeoutMs);
    super._onConnect();
  }

  override _actionGreeting(reply: string): void {
    this.#progress.endPhase('greeting');
    this.#progress.enter('ehlo', this.#settings.commandTimeoutMs);
    super._actionGreeting(reply);
  }

  override _actionSTARTTLS(reply: string): void {
    this.#progress.enter('starttls', this.#settings.commandTimeoutMs);
    super._actionSTARTTLS(reply);
  }

  override _upgradeConnection(callback: (error: Error | null, secured?: boolean) => void): void {
    this.#progress.enter('starttls', this.#settings.commandTimeoutMs);
    this.#progress.startPhase();
    super._upgradeConnection((error, secured) => {
      this.#progress.endPhase('tls');
      if (!error) {
        this.#progress.enter('ehlo', this.#settings.commandTimeoutMs);
      }
      callback(error, secured);
    });
  }

  override _sendCommand(command: string, loggable?: string): void {
    const transaction = this.#transaction;
    if (transaction !== null && command.startsWith('MAIL FROM:')) {
      this.#progress.enter('mail', this.#settings.envelopeTimeoutMs);
      super._sendCommand(command + transaction.request.mailParameters, loggable);
      return;
    }
    if (transaction !== null && command.startsWith('RCPT TO:')) {
      const parameters = transaction.request.recipients[transaction.sent++]?.parameters ?? '';
      super._sendCommand(command + parameters, loggable);
      return;
    }
    super._sendCommand(command, loggable);
  }

  override _processResponse(): void {
    // A 421 may come at any time, also right behind another reply (RFC 5321 §3.8).
    const farewell = /^421[ -]/.test(this._responseQueue.at(-1) ?? '') ? 1 : 0;
    if (this._responseQueue.length - farewell > this._responseActions.length) {
      // RFC 5321 §2.1: a server answers commands. Answers in advance could mean anything.
      this._onError(new Error('the hop answered before it was asked'), 'EPROTOCOL', false, 'CONN');
      return;
    }
    this.#hideCredentials();
    super._processResponse();
  }

  override _actionMAIL(reply: string, callback: (error: LibraryError | null) => void): void {
    if (this.#isMisleading(reply)) {
      return;
    }
    this.#keep('mail', reply);
    this.#progress.endPhase('mail');
    this.#progress.enter('rcpt', this.#settings.envelopeTimeoutMs);
    super._actionMAIL(reply, callback);
  }

  override _actionRCPT(reply: string, callback: (error: LibraryError | null) => void): void {
    if (this.#isMisleading(reply)) {
      return;
    }
    const replies = this.#transaction?.replies;
    if (replies !== undefined) {
      replies.rcpt[replies.rcpt.indexOf(null)] = toReply(reply);
    }
    this.#progress.endPhase('rcpt');
    this.#progress.enter('rcpt', this.#settings.envelopeTimeoutMs);
    super._actionRCPT(reply, callback);
  }

  override _actionDATA(reply: string, callback: (error: LibraryError | null) => void): void {
    if (this.#isMisleading(reply)) {
      return;
    }
    this.#keep('data', reply);
    this.#progress.endPhase('data');
    if (reply.startsWith('2')) {
      // The library would take it for 354 and stream the message into a session of commands.
      this._onError(new Error('the hop answered DATA with success'), 'EPROTOCOL', false, 'DATA');
      return;
    }
    const { sizeBytes = 0 } = this.#transaction?.request ?? {};
    const slowestMs = (sizeBytes / MIN_BYTES_PER_SECOND) * 1000;
    this.#progress.enter('data', this.#settings.envelopeTimeoutMs + slowestMs);
    super._actionDATA(reply, callback);
  }

  override _createSendStream(callback: (error: LibraryError | null, reply?: string) => void) {
    const stream = super._createSendStream(callback);
    // The final dot was handed to the socket: from here on the remote may have it all.
    stream.prependOnceListener('end', () => {
      if (this.#transaction !== null) {
        this.#transaction.replies.sentWhole = true;
      }
      this.#progress.endPhase('data');
      this.#progress.enter('dot', this.#settings.finalReplyTimeoutMs);
    });
    return stream;
  }

  override _actionSMTPStream(
    reply: string,
    callback: (error: LibraryError | null, reply?: string) => void,
  ): void {
    if (reply.startsWith('2') && this.#transaction?.replies.sentWhole !== true) {
      this._onError(
        new Error('the hop took the message before its end'),
        'EPROTOCOL',
        false,
        'DATA',
      );
      return;
    }
    this.#keep('dot', reply);
    super._actionSMTPStream(reply, callback);
  }

  /**
   * Ends the session at a reply that begins as a good one and is none. The library goes by the first
   * digit and would hand the message over; by its whole, the reply refuses it or is no reply, and the
   * message would be sent a second time or given back.
   */
  #isMisleading(reply: string): boolean {
    const first = Number(reply[0]);
    if ((first !== 2 && first !== 3) || Math.floor(toReply(reply).code / 100) === first) {
      return false;
    }
    const fault = new Error(`the hop answered with text that is no reply: ${reply}`);
    this._onError(fault, 'EPROTOCOL', false, 'CONN');
    return true;
  }

  #keep(step: 'mail' | 'data' | 'dot', reply: string): void {
    if (this.#transaction !== null) {
      this.#transaction.replies[step] = toReply(reply);
    }
  }

  #noteFault(error: LibraryError): void {
    this.#fault ??= toSessionFault(error, this.#progress.stage);
  }

  #lost(): SessionFault {
    return new SessionFault(this.#progress.stage, 'lost', 'the hop closed the connection');
  }
}

/** Content that leaves more slowly than this is given up. */
const MIN_BYTES_PER_SECOND = 4096;
