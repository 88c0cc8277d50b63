import type net from 'node:net';
import type { TLSSocket } from 'node:tls';
import { SMTPServer, type SMTPServerAuthentication } from 'smtp-server';
import type {
  SMTPServerAuthenticationResponse,
  SMTPServerOptions,
  SMTPServerSession,
} from 'smtp-server';
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import { messageOf, RelayError } from '../base/errors.js';
import { TLS_TERMS } from '../base/tls-terms.js';
import { SinkConnection } from './connection.js';
import type { SinkContext } from './context.js';
import { listen, type BoundAddress } from './listen.js';

export interface SmtpListenerSettings {
  host: string;
  port: number;
  certificate?: { cert: string; key: string };
}

/** The SMTP side of a running sink. */
export interface RunningSmtp {
  address: BoundAddress;
  /**
   * No new sessions; idle ones get 421 at once, a message on its way is answered first. Whoever is
   * left after `stopTimeoutMs` is cut off. Resolves when no socket is open.
   */
  stop(): Promise<void>;
}

class SinkSmtpServer extends SMTPServer {
  /** All sessions with an open socket, also those that were told to go and have not gone yet. */
  readonly sessions = new Set<SinkConnection>();
  /** The TCP socket below a TLS socket of an implicit-TLS listener. */
  readonly #below = new WeakMap<net.Socket, net.Socket>();
  readonly #context: SinkContext;

  constructor(options: SMTPServerOptions, context: SinkContext) {
    super(options);
    this.#context = context;
  }

  override connect(socket: net.Socket, options?: SMTPConnectionOptions | null): void {
    if (this.#context.stopping) {
      socket.destroy();
      return;
    }
    const sockets = { top: socket, bottom: this.#below.get(socket) ?? socket };
    const connection = new SinkConnection(this, sockets, options, this.#context, (ended) =>
      this.sessions.delete(ended),
    );
    this.sessions.add(connection);
    this.connections.add(connection);
    connection.on('error', (error) => this._onError(error));
    connection.init();
  }

  /**
   * A socket that was closed between its arrival and this call gets no TLS: to wrap it would end
   * the process with a segmentation fault (Node 20).
   */
  override _upgrade(
    socket: net.Socket,
    callback: (error: Error | null, tlsSocket?: TLSSocket) => void,
  ): void {
    if (socket.destroyed) return callback(new Error('Socket closed before TLS'));
    super._upgrade(socket, (error, tlsSocket) => {
      if (tlsSocket !== undefined) this.#below.set(tlsSocket, socket);
      callback(error, tlsSocket);
    });
  }

  override onAuth(
    login: SMTPServerAuthentication,
    _session: SMTPServerSession,
    callback: (
      error: Error | null | undefined,
      response?: SMTPServerAuthenticationResponse,
    ) => void,
  ): void {
    const { username = '', password } = login;
    if (this.#context.users.accepts(username, password ?? '')) {
      callback(null, { user: username });
    } else {
      this.#context.store.countRefused();
      callback(null, { message: 'Wrong username or password' });
    }
  }

  override onConnect(_session: SMTPServerSession, callback: (error?: Error | null) => void): void {
    callback();
  }

  override onSecure(
    _socket: net.Socket,
    _session: SMTPServerSession,
    callback: (error?: Error | null) => void,
  ): void {
    callback();
  }
}

/**
 * Listens for mail.
 * @throws RelayError SINK_TLS_INVALID, SINK_ADDRESS_UNAVAILABLE
 */
export async function startSmtp(
  settings: SmtpListenerSettings,
  context: SinkContext,
): Promise<RunningSmtp> {
  const server = createServer(settings, context);
  // A session that fails ends only itself; without a listener the process would end.
  server.on('error', (error: unknown) => context.log.debug({ err: error }, 'session failed'));
  // Above the limit sessions are told so with 421; far above it they are not even accepted.
  server.server.maxConnections = context.limits.maxSessions + 100;
  const address = await listen(server.server, settings.host, settings.port);
  return { address, stop: () => stopServer(server, context) };
}

function createServer(settings: SmtpListenerSettings, context: SinkContext): SinkSmtpServer {
  const offersTls = context.tls === 'opportunistic' || context.tls === 'required';
  try {
    return new SinkSmtpServer(
      {
        name: context.name,
        secure: context.tls === 'implicit',
        ...TLS_TERMS,
        ...settings.certificate,
        // Who may log in, and when, is decided by the session itself; the library would count
        // commands before a login and close after ten.
        authOptional: true,
        allowInsecureAuth: true,
        authMethods: ['PLAIN', 'LOGIN'],
        disabledCommands: ['VRFY', 'WIZ', 'SHELL', 'KILL', 'XCLIENT', 'XFORWARD'].concat(
          offersTls ? [] : ['STARTTLS'],
        ),
        disableReverseLookup: true,
        hideENHANCEDSTATUSCODES: false,
        maxClients: context.limits.maxSessions,
        socketTimeout: context.limits.idleTimeoutMs,
        closeTimeout: context.limits.stopTimeoutMs,
        logger: false,
      },
      context,
    );
  } catch (error) {
    throw new RelayError('SINK_TLS_INVALID', messageOf(error), {
      fault: 'operator',
      hint: 'Give a PEM certificate chain and the key that belongs to it.',
      cause: error,
    });
  }
}

async function stopServer(server: SinkSmtpServer, context: SinkContext): Promise<void> {
  const { clock, limits } = context;
  context.stopping = true;
  const closed = new Promise<void>((resolve) => {
    // The callback of the library's `close` may come before the sockets are closed.
    server.server.once('close', () => resolve());
  });
  server.close();
  for (const session of server.sessions) session.dismiss();
  const cutOff = clock.after(limits.stopTimeoutMs, () => {
    for (const session of server.sessions) session.abort();
  });
  await closed;
  cutOff.cancel();
  // Their clients are gone; what is left is the removal of half a capture.
  await Promise.race([
    context.inFlight.ended(),
    new Promise<void>((resolve) => clock.after(limits.stopTimeoutMs, resolve)),
  ]);
}
