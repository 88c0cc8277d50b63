import type { X509Certificate } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  SMTPServer,
  type SMTPServerAuthentication,
  type SMTPServerAuthenticationResponse,
  type SMTPServerOptions,
  type SMTPServerSession,
} from 'smtp-server';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import { isLoopbackAddress } from '../format/loopback.js';
import type { ClientLimits } from '../policy/client-limits.js';
import type { Identity } from '../policy/credentials.js';
import type { Policy } from '../policy/policy.js';
import { TLS_TERMS } from '../base/tls-terms.js';
import { Gate } from './gate.js';
import { IntakeCounts } from './intake-counts.js';
import { ReceivedMessage, receiveOptions, type IntakeServices } from './receive-data.js';
import { refuse, refuseFull } from './refusal.js';
import type { LoginSession } from './login-session.js';
import { serverCertificates, type ServerCertificates } from './server-certificates.js';
import { Session } from './session.js';
import type { SessionServices } from './session-services.js';
import type { IntakeSettings, ListenerSettings } from './settings.js';

export interface ListenerOptions extends IntakeServices {
  settings: IntakeSettings;
  listener: ListenerSettings;
  policy: Policy;
  /** Of all listeners of the node. */
  limits: ClientLimits;
}

/** RFC 4954 §6; the library adds `4.7.0`. */
const TEMPORARY_FAILURE = { responseCode: 454, message: 'Temporary authentication failure' };

const MAX_SUBJECT_LENGTH = 256;

/**
 * Clients that wait to be taken: enough for a burst, and so few that the last of them does not wait
 * long behind those that are sent away.
 */
const BACKLOG = 1024;

/** One listening socket and its sessions. */
export class Listener extends SMTPServer {
  readonly settings: ListenerSettings;
  readonly counts = new IntakeCounts();
  #options: ListenerOptions;
  readonly #gate: Gate;
  readonly #services: SessionServices;
  readonly #bySession = new WeakMap<object, Session>();
  #certificates: ServerCertificates | undefined;
  #draining = false;

  /** @throws RelayError CERTIFICATE_UNUSABLE */
  constructor(options: ListenerOptions) {
    const certificates = certificatesFor(options.listener, options.settings);
    super(serverOptions(options, certificates));
    this.#certificates = certificates;
    this.options.SNICallback = (name, done) => done(null, this.#certificates?.contextFor(name));
    this.#options = options;
    this.settings = options.listener;
    this.#gate = this.#makeGate();
    this.#services = this.#makeServices();
    this.on('error', (error: Error) => {
      options.log.debug({ code: codeOf(error), listener: options.listener.name }, messageOf(error));
    });
  }

  /** The port that is listened on, once it is. */
  get port(): number {
    return (this.server.address() as AddressInfo | null)?.port ?? this.settings.port;
  }

  /** Rejects with `PORT_IN_USE` or `LISTEN_FAILED`, naming the listener. */
  start(): Promise<void> {
    const { host, port } = this.settings;
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => reject(listenError(error, this.settings));
      this.server.once('error', failed);
      this.listen({ port, host, backlog: BACKLOG }, () => {
        this.server.removeListener('error', failed);
        resolve();
      });
    });
  }

  /** New sessions get 421; those without a transaction are ended, the others after it. */
  drain(): void {
    this.#draining = true;
    for (const connection of this.connections) {
      (connection as Session).drain();
    }
  }

  /** Stops to listen and ends every session that is left. */
  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.drain();
      for (const connection of this.connections) {
        connection.send(421, '4.3.2 Shutting down', false);
      }
      this.close(() => resolve());
      // The library would wait for its close timeout.
      for (const connection of this.connections) {
        connection.close();
      }
    });
  }

  /**
   * Takes new limits, also for open sessions, and shows new certificates to new ones and to those
   * that begin TLS from now on; what is open goes on. No session of before can be resumed, so that
   * a client is always verified against the CA of now. The name stays: the library greets with the
   * one that it was made with.
   *
   * @throws RelayError CERTIFICATE_UNUSABLE; nothing has changed then.
   */
  reload(settings: IntakeSettings): void {
    const certificates = certificatesFor(this.settings, settings);
    const { hostname } = this.#options.settings;
    this.#options = { ...this.#options, settings: { ...settings, hostname } };
    this.#options.limits.reload(settings);
    Object.assign(this.#services, this.#makeServices());
    if (certificates !== undefined) {
      this.#certificates = certificates;
      this.updateSecureContext(certificates.options);
    }
  }

  /**
   * Every client, before anything is made for it. The library leaves a handshake of implicit TLS
   * that never ends to an idle timer, and counts it nowhere.
   */
  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    const abandon = (): void => void this._pendingSockets.get(socket)?.destroy();
    return this.#gate.admit(socket, handshake ? { abandon } : null)
      ? super._acceptSocket(socket, handshake)
      : false;
  }

  override connect(socket: Socket | TLSSocket, socketOptions?: object): void {
    if (socket.destroyed) {
      // The client has gone in the meantime: nothing would ever end its session.
      return;
    }
    this.counts.sessions++;
    const visit = this.#gate.begin(socket);
    const session = new Session(this.#services, visit, this, socket, socketOptions);
    this.connections.add(session);
    this.#bySession.set(session.session, session);
    session.on('error', (error: Error) => this._onError(error));
    session.init();
  }

  /** Wrapping a socket that is closed already would end the process (Node 20, implicit TLS). */
  override _upgrade(
    socket: Socket,
    callback: (error: Error | null, tlsSocket?: TLSSocket) => void,
  ): void {
    if (socket.destroyed) {
      callback(new Error('the socket closed before TLS'));
    } else {
      super._upgrade(socket, (error, tlsSocket) => {
        if (tlsSocket !== undefined) {
          this.#gate.secured(socket, tlsSocket);
        }
        callback(error, tlsSocket);
      });
    }
  }

  /** Once for each session with TLS, implicit or by STARTTLS. */
  override onSecure(...[socket, session, callback]: Parameters<SMTPServer['onSecure']>): void {
    this.counts.secured((socket as TLSSocket).getProtocol() ?? 'unknown');
    this.#seeCertificate(socket as TLSSocket, session);
    super.onSecure(socket, session, callback);
  }

  /** A client without a certificate, or with one that nobody knows, is a client like any other. */
  #seeCertificate(socket: TLSSocket, session: SMTPServerSession): void {
    const connection = this.#bySession.get(session);
    const certificate = socket.getPeerX509Certificate();
    if (connection === undefined || certificate === undefined) {
      return;
    }
    if (socket.authorized) {
      connection.certificate = certificate;
    }
    const reason = !socket.authorized
      ? String(socket.authorizationError)
      : this.#options.policy.identify(certificate) === null
        ? 'it is of no peer'
        : null;
    const suppressed =
      reason === null ? null : this.#gate.notice('certificate-refused', session.remoteAddress);
    if (suppressed !== null) {
      this.#options.log.info(
        {
          event: 'certificate-refused',
          listener: this.settings.name,
          client: session.remoteAddress,
          subject: subjectOf(certificate),
          reason,
          suppressed,
        },
        'a client certificate was refused',
      );
    }
  }

  /** The client has said EXTERNAL; another name than that of its certificate it cannot have. */
  #logInByCertificate({ certificate, session }: LoginSession, authzid: string): Identity | null {
    const identity = certificate === null ? null : this.#options.policy.identify(certificate);
    if (identity !== null && (authzid === '' || authzid === identity.username)) {
      this.counts.logins++;
      return identity;
    }
    const subject = certificate === null ? null : subjectOf(certificate);
    this.#gate.loginRefused(session.remoteAddress, { subject });
    return null;
  }

  override onAuth(...[login, session, callback]: Parameters<SMTPServer['onAuth']>): void {
    const answered = this.#logIn(login, session);
    // Outside of the promise: what the library throws in its callback is not a fault of the login.
    answered.then(
      (response) => setImmediate(callback, null, response),
      (error: unknown) => {
        this.#options.log.error({ code: 'SESSION_FAILED', err: error }, messageOf(error));
        setImmediate(callback, null, TEMPORARY_FAILURE);
      },
    );
  }

  async #logIn(
    login: SMTPServerAuthentication,
    session: SMTPServerSession,
  ): Promise<SMTPServerAuthenticationResponse> {
    const [username, password] = [login.username ?? '', login.password ?? ''];
    const identity = await this.#gate.logIn(session.remoteAddress, username, () =>
      this.#options.policy.logIn(username, password),
    );
    if (identity === 'busy') {
      return TEMPORARY_FAILURE;
    }
    if (identity === 'refused') {
      return { responseCode: 535, message: 'Authentication credentials invalid' };
    }
    this.counts.logins++;
    const connection = this.#bySession.get(session);
    if (connection !== undefined) {
      connection.identity = identity;
    }
    return { user: identity.username };
  }

  #makeGate(): Gate {
    const { settings, listener, policy, limits, clock, log } = this.#options;
    return new Gate({
      limits,
      listener: listener.name,
      hostname: settings.hostname,
      clock,
      log,
      counts: this.counts,
      mayRelay: (client) => policy.mayRelay(null, client),
      handshakeTimeoutMs: () => this.#options.settings.clients.loginTimeoutMs,
    });
  }

  #makeServices(): SessionServices {
    const { settings, listener, policy, queue, clock, log } = this.#options;
    return {
      hostname: settings.hostname,
      requiresTls: listener.tls === 'required',
      acceptTraceHeader: listener.acceptTraceHeader,
      maxMessageBytes: settings.maxMessageBytes,
      maxRecipients: settings.maxRecipients,
      idleTimeoutMs: settings.idleTimeoutMs,
      dataTimeoutMs: settings.dataTimeoutMs,
      loginTimeoutMs: settings.clients.loginTimeoutMs,
      minDataRate: settings.clients.minDataRate,
      clock,
      log,
      counts: this.counts,
      refusesSession: () => this.#refusesSession(),
      limited: (reason, client) => this.#gate.limited(reason, client),
      offersLogin: (secure, client) =>
        policy.offersLogin &&
        (secure || (listener.tls !== 'required' && isLoopbackAddress(client))),
      takesCertificates: () => listener.tls !== 'none' && policy.takesCertificates,
      identify: (certificate) => policy.identify(certificate),
      logInByCertificate: (session, authzid) => this.#logInByCertificate(session, authzid),
      current: (identity) => policy.current(identity),
      offersMesh: () => policy.offersMesh,
      mayRelay: (identity, client) => policy.mayRelay(identity, client),
      steerTargets: (identity) => policy.steerTargets(identity),
      accepting: () => queue.accepting,
      full: (sizeBytes) => refuseFull(queue.refusal(sizeBytes)),
      draining: () => this.#draining,
      receive: (transaction, sender, done) =>
        new ReceivedMessage(
          transaction,
          sender,
          receiveOptions(this.#options, settings, this.counts),
          done,
        ),
    };
  }

  #refusesSession() {
    const { queue, settings } = this.#options;
    if (this.#draining) {
      return refuse(421, '4.3.2', `${settings.hostname} is shutting down`);
    }
    return queue.accepting
      ? null
      : refuse(421, '4.3.0', `${settings.hostname} cannot store mail now`);
  }
}

/** Undefined where nothing offers TLS. @throws RelayError CERTIFICATE_UNUSABLE */
function certificatesFor(
  listener: ListenerSettings,
  settings: IntakeSettings,
): ServerCertificates | undefined {
  return listener.tls === 'none' ? undefined : serverCertificates(settings);
}

/** In one line; a client may have written anything there. */
function subjectOf({ subject }: X509Certificate): string {
  return (subject ?? '').split('\n').join(', ').slice(0, MAX_SUBJECT_LENGTH);
}

function serverOptions(
  { settings, listener, log }: ListenerOptions,
  certificates: ServerCertificates | undefined,
): SMTPServerOptions {
  const starttls = listener.tls === 'opportunistic' || listener.tls === 'required';
  return {
    name: settings.hostname,
    secure: listener.tls === 'implicit',
    ...TLS_TERMS,
    ...certificates?.options,
    rejectUnauthorized: false,
    sessionIdContext: 'relaymesh',
    authMethods: ['PLAIN', 'LOGIN'],
    // Who has to log in is decided for each command by the policy, not by the library.
    authOptional: true,
    allowInsecureAuth: true,
    disableReverseLookup: true,
    disabledCommands: [
      'WIZ',
      'SHELL',
      'KILL',
      'XCLIENT',
      'XFORWARD',
      ...(starttls ? [] : ['STARTTLS']),
    ],
    banner: 'relaymesh',
    // Where the library answers itself: EHLO promises enhanced codes for every reply (RFC 2034 §4).
    hideENHANCEDSTATUSCODES: false,
    socketTimeout: settings.idleTimeoutMs,
    closeTimeout: 1000,
    logger: log.isLevelEnabled('debug') ? log : false,
  };
}

function listenError(error: Error, { name, host, port }: ListenerSettings): RelayError {
  const where = `listener ${name} on ${host}:${port}`;
  if (codeOf(error) === 'EADDRINUSE') {
    return new RelayError('PORT_IN_USE', `port ${port} is in use`, {
      fault: 'operator',
      where,
      hint: 'Stop what uses it, or give this listener another port.',
      cause: error,
    });
  }
  return new RelayError('LISTEN_FAILED', `cannot listen: ${messageOf(error)}`, {
    fault: 'operator',
    where,
    hint: 'Check that the address is one of this machine and that the port may be used.',
    cause: error,
  });
}
