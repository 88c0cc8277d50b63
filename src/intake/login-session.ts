import type { X509Certificate } from 'node:crypto';
import type { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import type { Identity } from '../policy/credentials.js';
import {
  isExternal,
  readInitialResponse,
  readResponse,
  type ExternalResponse,
} from './external-login.js';
import { PlainCommands } from './plain-commands.js';
import { refuse, type Refusal } from './refusal.js';
import type { SessionServices } from './session-services.js';

type Done = () => void;

/**
 * The part of a session that is about who its client is. The library keeps PLAIN and LOGIN; when
 * they may be used, EXTERNAL, and what becomes of a login at a reload is decided here.
 */
export abstract class LoginSession extends PlainCommands {
  /** What the client has shown to be its own in this TLS session, and our CA vouches for. */
  certificate: X509Certificate | null = null;
  readonly #services: SessionServices;
  #identity: Identity | null = null;
  /** The identity is that of `certificate`. */
  #isExternal = false;

  constructor(services: SessionServices, ...rest: ConstructorParameters<typeof SMTPConnection>) {
    super(...rest);
    this.#services = services;
  }

  /** A transaction is under way. */
  abstract get busy(): boolean;

  /** Called at each login. */
  protected abstract loggedIn(identity: Identity): void;

  /**
   * Null where a reload took the login away. The library takes it back at STARTTLS (RFC 3207 §4.2),
   * and with it the identity.
   */
  get identity(): Identity | null {
    if (!this.session.user || this.#identity === null) {
      return null;
    }
    return this.#isExternal ? this.#ofCertificate : this.#services.current(this.#identity);
  }

  set identity(identity: Identity) {
    this.#identity = identity;
    this.#isExternal = false;
    this.loggedIn(identity);
  }

  /** What can be logged in by now. EXTERNAL only to the peers: others could do nothing with it. */
  protected get mechanisms(): string[] {
    const external = this.#ofCertificate === null ? [] : ['EXTERNAL'];
    return this.#offersLogin ? [...external, 'PLAIN', 'LOGIN'] : external;
  }

  /** A password only where it may travel: over TLS, or from loopback. */
  get #offersLogin(): boolean {
    return this.#services.offersLogin(this.secure, this.remoteAddress);
  }

  get #ofCertificate(): Identity | null {
    return this.certificate === null ? null : this.#services.identify(this.certificate);
  }

  override _isSupported(command: string): boolean {
    // Where nobody could log in over TLS either, the command does not exist.
    return command === 'AUTH'
      ? this.#services.offersLogin(true, this.remoteAddress) || this.#services.takesCertificates()
      : super._isSupported(command);
  }

  /** RFC 4954 §4: not without the protection that it needs, not within a transaction. */
  override handler_AUTH(command: Buffer, callback: Done): void {
    if (this.session.user && this.identity === null) {
      this.session.user = false;
    }
    const refusal = this.#mayLogIn();
    const text = command.toString('latin1');
    if (refusal !== null) {
      this.#answer(refusal, callback);
    } else if (isExternal(text) && this.#services.takesCertificates() && !this.session.user) {
      this.#logInByCertificate(readInitialResponse(text), callback);
    } else {
      super.handler_AUTH(command, callback);
    }
  }

  override upgrade(callback: Done, secureCallback?: Done): void {
    this.certificate = null;
    super.upgrade(callback, secureCallback);
  }

  #mayLogIn(): Refusal | null {
    const byCertificate = this.secure && this.#services.takesCertificates();
    if (!this.#offersLogin && !byCertificate) {
      return refuse(538, '5.7.11', 'A login needs TLS here');
    }
    return this.busy ? refuse(503, '5.5.1', 'A transaction is already under way') : null;
  }

  /** SASL EXTERNAL (RFC 4422 appendix A): who logs in is whose certificate it is. */
  #logInByCertificate(response: ExternalResponse, callback: Done): void {
    if (response.kind === 'ask') {
      this._nextHandler = (line: Buffer, done: Done) =>
        this.#logInByCertificate(readResponse(line.toString('latin1')), done);
      this.send(334, '', false);
      callback();
      return;
    }
    if (response.kind === 'refused') {
      this.#answer(response.refusal, callback);
      return;
    }
    const identity = this.#services.logInByCertificate(this, response.authzid);
    if (identity === null) {
      this.#answer(refuse(535, '5.7.8', 'Authentication credentials invalid'), callback);
      return;
    }
    this.#identity = identity;
    this.#isExternal = true;
    this.session.user = identity.username;
    this.loggedIn(identity);
    this.#answer(refuse(235, '2.7.0', 'Authentication successful'), callback);
  }

  #answer({ code, enhanced, text }: Refusal, callback: Done): void {
    this.send(code, `${enhanced} ${text}`, false);
    callback();
  }
}
