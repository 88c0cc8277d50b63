import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import { isLoopbackAddress } from '../format/loopback.js';
import type { AccessTokens } from './access-token.js';
import { decodeReply } from '../format/reply.js';
import { Exchange, type ExchangeSession } from './exchange.js';
import { hiddenWords, withoutWords } from './hidden-words.js';
import { allowLogin, logIn } from './login.js';
import { mechanismsFor, type Mechanism } from './mechanism.js';
import type { Login, NextHop } from './next-hop.js';
import type { PhasesMs } from '../trace/record.js';
import { LibraryConnection, type LibraryError } from './library-connection.js';
import { SessionFault, toSessionFault } from './session-fault.js';
import { SessionProgress } from './session-progress.js';
import type { SendSettings } from './settings.js';
import { secureContextOf, tlsInfoOf, tlsSwitches, type TlsInfo } from './tls-mode.js';
import { TlsResumption } from './tls-resumption.js';
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
  readonly #resumption: TlsResumption;
  readonly #session: ExchangeSession;
  #exchange: Exchange | null = null;
  #resolve: (replies: TransactionReplies) => void = () => undefined;
  #fault: SessionFault | null = null;
  #mechanism: Mechanism;
  /** What no reply may show. */
  #hidden: readonly string[];
  #remote: string | null = null;
  #tls: TlsInfo | null = null;
  /** The keywords of an answer to EHLO. */
  #offers: { of: string[] | undefined; keywords: ReadonlySet<string> } = {
    of: undefined,
    keywords: new Set(),
  };
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
    this.#resumption = new TlsResumption(host, clock);
    this.#progress = new SessionProgress(clock, (text) =>
      this._onError(new Error(text), 'ETIMEDOUT', false, 'CONN'),
    );
    // Without a listener an error that comes between two messages would end the process.
    this.on('error', (error: LibraryError) => this.#noteFault(error));
    this.on('end', () => {
      this.#endExchange();
      this.#resumption.end();
      this.#progress.stop();
    });
    this.#session = {
      progress: this.#progress,
      settings,
      supports: (keyword) => this.supports(keyword),
      giveUp: (message) => this.#giveUp(message),
      lose: (message) => {
        this.#fault ??= new SessionFault(this.#progress.stage, 'lost', message);
        this.close();
      },
      close: () => this.close(),
      settled: () => this.#endExchange(),
    };
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
    const lines = this._ehloLines;
    if (lines !== this.#offers.of) {
      const keywords = lines?.map((line) => line.split(' ')[0]?.toUpperCase() ?? '');
      this.#offers = { of: lines, keywords: new Set(keywords) };
    }
    return this.#offers.keywords.has(keyword);
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
    if (this.nextHop.implicitTls) {
      this.#prepareTls();
    }
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
  transact(request: TransactionRequest): Promise<TransactionReplies> {
    return new Promise((resolve) => {
      const exchange = new Exchange(this.#session, this._socket as Socket, request);
      this.#exchange = exchange;
      this.#resolve = resolve;
      this.messages++;
      if (this.usable) {
        exchange.begin();
      } else {
        this.#endExchange();
      }
    });
  }

  #endExchange(): void {
    const exchange = this.#exchange;
    if (exchange === null) {
      return;
    }
    const { replies } = exchange;
    this.#exchange = null;
    this.#progress.endDeadline();
    this.#progress.endPhase(this.#progress.stage === 'dot' ? 'dot' : 'data');
    exchange.end();
    if (replies.dot !== null && !replies.sentWhole) {
      // Refused in the middle: the rest of the content can only be cut off.
      this.close();
    }
    if (replies.dot === null && !this.usable) {
      this.#fault ??= this.#lost();
    }
    replies.fault = this.#fault;
    this.#resolve(replies);
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
    this.#tlsDone();
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

  #prepareTls(): void {
    const secureContext = secureContextOf(this.nextHop);
    const session = this.#resumption.begin();
    if (secureContext !== null) {
      const resumed = session === null ? {} : { session };
      this.options.tls = { ...this.options.tls, secureContext, ...resumed };
    }
  }

  #tlsDone(): void {
    if (this._socket instanceof TLSSocket) {
      this.#resumption.done(this._socket);
    }
  }

  override _upgradeConnection(callback: (error: Error | null, secured?: boolean) => void): void {
    this.#progress.enter('starttls', this.#settings.commandTimeoutMs);
    this.#progress.startPhase();
    this.#prepareTls();
    super._upgradeConnection((error, secured) => {
      this.#progress.endPhase('tls');
      if (!error) {
        this.#tlsDone();
        this.#progress.enter('ehlo', this.#settings.commandTimeoutMs);
      }
      callback(error, secured);
    });
  }

  override _processResponse(): void {
    const queue = this._responseQueue;
    // A 421 may come at any time, also right behind another reply (RFC 5321 §3.8).
    const farewell = isFarewell(queue.at(-1) ?? '') ? 1 : 0;
    const awaited = this.#exchange?.unanswered ?? this._responseActions.length;
    if (queue.length - farewell > awaited) {
      // RFC 5321 §2.1: a server answers commands. Answers in advance could mean anything.
      this.#giveUp('the hop answered before it was asked');
      return;
    }
    if (this.#exchange === null) {
      this.#hideCredentials();
      super._processResponse();
    } else if (!this._responsePartial) {
      this.#hearAll(queue);
    }
  }

  /** Hands the replies that came to the transaction; what comes behind its last one is the library's. */
  #hearAll(queue: string[]): void {
    while (this.#exchange !== null) {
      const raw = queue.shift();
      if (raw === undefined) {
        return;
      }
      if (raw.trim() !== '') {
        const text = decodeReply(raw);
        const shown = this.#hidden.length === 0 ? text : withoutWords(text, this.#hidden);
        this.#exchange.hear(shown, isFarewell(shown));
      }
    }
    if (queue.length > 0) {
      super._processResponse();
    }
  }

  #giveUp(message: string): void {
    this._onError(new Error(message), 'EPROTOCOL', false, 'CONN');
  }

  #noteFault(error: LibraryError): void {
    this.#fault ??= toSessionFault(error, this.#progress.stage);
  }

  #lost(): SessionFault {
    return new SessionFault(this.#progress.stage, 'lost', 'the hop closed the connection');
  }
}

/** The hop closes the session with it (RFC 5321 §4.2.2). */
function isFarewell(reply: string): boolean {
  return reply.startsWith('421') && (reply[3] === ' ' || reply[3] === '-');
}
