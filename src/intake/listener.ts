import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import { isLoopbackAddress } from '../format/loopback.js';
import type { Policy } from '../policy/policy.js';
import { IntakeCounts } from './intake-counts.js';
import { ReceivedMessage, receiveOptions, type IntakeServices } from './receive-data.js';
import { refuse, refuseFull } from './refusal.js';
import { Session } from './session.js';
import type { SessionServices } from './session-services.js';
import type { IntakeSettings, ListenerSettings } from './settings.js';

export interface ListenerOptions extends IntakeServices {
  settings: IntakeSettings;
  listener: ListenerSettings;
  policy: Policy;
  /** Sessions open at all listeners of the node. */
  sessions: () => number;
}

/** One listening socket and its sessions. */
export class Listener extends SMTPServer {
  readonly settings: ListenerSettings;
  readonly counts = new IntakeCounts();
  #options: ListenerOptions;
  readonly #services: SessionServices;
  readonly #bySession = new WeakMap<object, Session>();
  #draining = false;

  constructor(options: ListenerOptions) {
    super(serverOptions(options));
    this.#options = options;
    this.settings = options.listener;
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
      this.listen(port, host, () => {
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
   * Takes new limits, also for open sessions, and shows a new certificate to new ones. The name
   * stays: the library greets with the one that it was made with.
   */
  reload(settings: IntakeSettings): void {
    const { hostname } = this.#options.settings;
    this.#options = { ...this.#options, settings: { ...settings, hostname } };
    Object.assign(this.#services, this.#makeServices());
    if (settings.certificate !== undefined && this.settings.tls !== 'none') {
      const { cert, key } = settings.certificate;
      this.updateSecureContext({ cert, key });
    }
  }

  override connect(socket: Socket | TLSSocket, socketOptions?: object): void {
    this.counts.sessions++;
    const session = new Session(this.#services, this, socket, socketOptions);
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
      super._upgrade(socket, callback);
    }
  }

  /** Once for each session with TLS, implicit or by STARTTLS. */
  override onSecure(...[socket, session, callback]: Parameters<SMTPServer['onSecure']>): void {
    this.counts.secured((socket as TLSSocket).getProtocol() ?? 'unknown');
    super.onSecure(socket, session, callback);
  }

  override onAuth(...[login, session, callback]: Parameters<SMTPServer['onAuth']>): void {
    const { policy, log } = this.#options;
    const identity = policy.logIn(login.username ?? '', login.password ?? '');
    if (identity === null) {
      this.counts.loginsRefused++;
      log.warn(
        { event: 'login-refused', listener: this.settings.name, client: session.remoteAddress },
        'a login was refused',
      );
      setImmediate(callback, null, {
        responseCode: 535,
        message: 'Authentication credentials invalid',
      });
      return;
    }
    this.counts.logins++;
    const connection = this.#bySession.get(session);
    if (connection !== undefined) {
      connection.identity = identity;
    }
    setImmediate(callback, null, { user: identity.username });
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
      clock,
      log,
      counts: this.counts,
      refusesSession: () => this.#refusesSession(),
      offersLogin: (secure, client) =>
        policy.offersLogin &&
        (secure || (listener.tls !== 'required' && isLoopbackAddress(client))),
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
    const { queue, settings, sessions } = this.#options;
    if (this.#draining) {
      return refuse(421, '4.3.2', `${settings.hostname} is shutting down`);
    }
    if (!queue.accepting) {
      return refuse(421, '4.3.0', `${settings.hostname} cannot store mail now`);
    }
    return sessions() > settings.maxSessions
      ? refuse(421, '4.7.0', `${settings.hostname} has too many sessions, try again later`)
      : null;
  }
}

function serverOptions({ settings, listener, log }: ListenerOptions): SMTPServerOptions {
  const starttls = listener.tls === 'opportunistic' || listener.tls === 'required';
  return {
    name: settings.hostname,
    secure: listener.tls === 'implicit',
    ...(listener.tls === 'none' ? {} : settings.certificate),
    minVersion: 'TLSv1.2',
    authMethods: ['PLAIN', 'LOGIN'],
    // Who has to log in is decided for each command by the policy, not by the library.
    authOptional: true,
    allowInsecureAuth: true,
    disableReverseLookup: true,
    disabledCommands: [
      'VRFY',
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
