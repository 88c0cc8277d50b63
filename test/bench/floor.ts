import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Readable } from 'node:stream';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { SMTPConnection as ServerConnection } from 'smtp-server/lib/smtp-connection.js';
import type { TestCertificate } from '../send/certificates.js';
import { LOGIN, type Protection } from './traffic.js';

/*
 *   node floor.js CONFIG.json
 *
 * The two libraries joined, without queue, disk and trace: content goes from the one into the other
 * as it comes, and the client gets its 250 when the next hop has said it. What a relay that is built
 * on them cannot be faster than.
 */

export interface FloorConfig {
  port: number;
  hopPort: number;
  protection: Protection;
  certificate: TestCertificate;
  /** Processes that share the port. */
  workers: number;
}

/** Greets at once; the library would wait for 100 ms. */
class EagerConnection extends ServerConnection {
  override init(): void {
    this._setListeners(() => this.connectionReady());
  }
}

class FloorServer extends SMTPServer {
  override connect(socket: Socket | TLSSocket, options?: object): void {
    const connection = new EagerConnection(this, socket, options);
    this.connections.add(connection);
    connection.on('error', (error: Error) => this._onError(error));
    connection.init();
  }
}

/** Sessions with the next hop: as many as there are messages at once, and each is used again. */
class HopSessions {
  readonly #config: FloorConfig;
  readonly #free: SMTPConnection[] = [];

  constructor(config: FloorConfig) {
    this.#config = config;
  }

  async relay(sender: string, recipients: string[], content: Readable): Promise<void> {
    const session = this.#free.pop() ?? (await this.#open());
    const envelope = { from: sender, to: recipients };
    await new Promise<void>((resolve, reject) => {
      session.send(envelope, content, (error) => (error ? reject(error) : resolve()));
    }).catch((error: unknown) => {
      session.close();
      throw error;
    });
    this.#free.push(session);
  }

  async #open(): Promise<SMTPConnection> {
    const { hopPort, protection, certificate } = this.#config;
    const session = new SMTPConnection({
      host: '127.0.0.1',
      port: hopPort,
      secure: false,
      ...(protection === 'clear' ? { ignoreTLS: true } : { requireTLS: true }),
      tls: { ca: certificate.ca },
    });
    await new Promise<void>((resolve, reject) => {
      session.once('error', reject);
      session.connect(() => {
        if (protection !== 'tls-login') return resolve();
        const credentials = { user: LOGIN.username, pass: LOGIN.password };
        session.login({ credentials }, (error) => (error ? reject(error) : resolve()));
      });
    });
    session.on('error', () => this.#drop(session));
    session.on('end', () => this.#drop(session));
    return session;
  }

  #drop(session: SMTPConnection): void {
    const at = this.#free.indexOf(session);
    if (at !== -1) this.#free.splice(at, 1);
  }
}

function serverOptions(config: FloorConfig): SMTPServerOptions {
  const { protection, certificate } = config;
  const hop = new HopSessions(config);
  return {
    cert: certificate.cert,
    key: certificate.key,
    disableReverseLookup: true,
    authOptional: protection !== 'tls-login',
    disabledCommands: protection === 'clear' ? ['STARTTLS', 'AUTH'] : [],
    onAuth: ({ username, password }, _session, callback) => {
      const known = username === LOGIN.username && password === LOGIN.password;
      setImmediate(callback, known ? null : new Error('unknown'), known ? { user: username } : {});
    },
    onData: (content, { envelope }, callback) => {
      const sender = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
      const recipients = envelope.rcptTo.map(({ address }) => address);
      hop.relay(sender, recipients, content).then(
        () => callback(null),
        (error: Error) => callback(error),
      );
    },
  };
}

function serve(config: FloorConfig): void {
  const server = new FloorServer(serverOptions(config));
  server.on('error', (error: Error) => process.stderr.write(`floor: ${error.message}\n`));
  server.listen(config.port, '127.0.0.1');
}

const config = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as FloorConfig;
if (cluster.isPrimary && config.workers > 1) {
  for (let worker = 0; worker < config.workers; worker++) cluster.fork();
} else {
  serve(config);
}
process.on('disconnect', () => process.exit());
