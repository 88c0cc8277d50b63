import type net from 'node:net';
import tls from 'node:tls';
import type { Clock } from '../../../base/clock.js';

export interface SideEvents {
  onBytes(chunk: Buffer): void;
  /** The peer sends no more. */
  onEnd(): void;
  /** There is room for writes again. */
  onDrain(): void;
  /** The connection is closed; called once. `wasReset`: not in order. */
  onGone(wasReset: boolean): void;
}

const HANDSHAKE_TIMEOUT_MS = 30_000;

/** What a handshake as the client is done with. */
export interface ClientTls {
  ca: Buffer;
  /** Null: no certificate is shown. */
  client: { cert: Buffer; key: Buffer } | null;
}

/**
 * One connection of a link, in clear or, from some time on, under TLS. It owns its sockets: after
 * `onGone` none is open. Under a handshake in progress it is closed from above only, since to close
 * the socket underneath can end the process (Node 20).
 */
export class Side {
  /** IP address of the peer. */
  readonly address: string;
  readonly #bottom: net.Socket;
  #top: net.Socket;
  readonly #events: SideEvents;
  readonly #clock: Clock;
  readonly #onBytes = (chunk: Buffer): void => this.#events.onBytes(chunk);
  readonly #onEnd = (): void => this.#events.onEnd();
  readonly #onDrain = (): void => this.#events.onDrain();
  #securing = false;
  #wasReset = false;
  #isGone = false;

  constructor(socket: net.Socket, events: SideEvents, clock: Clock) {
    this.#bottom = socket;
    this.#top = socket;
    this.#events = events;
    this.#clock = clock;
    this.address = socket.remoteAddress ?? '';
    socket.setNoDelay(true);
    socket.on('error', () => (this.#wasReset = true));
    socket.once('close', () => this.#gone());
    this.#listen(socket);
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** False when the peer is slower than we are: wait for `onDrain`. */
  write(bytes: Buffer): boolean {
    const socket = this.#top;
    return socket.destroyed || socket.writableEnded || socket.write(bytes);
  }

  pause(): void {
    if (!this.#securing) this.#top.pause();
  }

  resume(): void {
    if (!this.#securing) this.#top.resume();
  }

  /** Sends no more; what was written still arrives. */
  end(): void {
    if (!this.#top.destroyed) this.#top.end();
  }

  /** Closes when what was written has left. */
  endSoon(): void {
    if (this.#securing) this.#top.destroy();
    else this.#top.destroySoon();
  }

  /** Closes; what was not written yet is lost. */
  destroy(): void {
    this.#top.destroy();
  }

  /**
   * Closes with RST. Just closes in a handshake, and while it ends: a socket that is told to reset
   * in the middle of its shutdown is never closed (Node 20).
   */
  reset(): void {
    if (this.#securing || this.#top.writableEnded) this.#top.destroy();
    else if (this.#bottom.connecting) this.#bottom.destroy();
    else if (!this.#bottom.destroyed) this.#bottom.resetAndDestroy();
  }

  /** Does the handshake as the server. @throws when the peer does not, or is gone */
  async secureAsServer(secureContext: tls.SecureContext): Promise<void> {
    await this.#secure(
      'secure',
      (socket) => new tls.TLSSocket(socket, { isServer: true, secureContext }),
    );
  }

  /**
   * Does the handshake as the client, with a certificate of its own where the server asks for one.
   * @throws when `ca` does not vouch for `host`
   */
  async secureAsClient({ ca, client }: ClientTls, host: string): Promise<void> {
    await this.#secure('secureConnect', (socket) => tls.connect({ socket, ca, host, ...client }));
  }

  async #secure(
    readyEvent: 'secure' | 'secureConnect',
    wrap: (socket: net.Socket) => tls.TLSSocket,
  ): Promise<void> {
    const socket = this.#bottom;
    // To wrap a socket that is closed would end the process (Node 20).
    if (socket.destroyed) throw new Error('the connection is closed');
    socket.off('data', this.#onBytes).off('end', this.#onEnd).off('drain', this.#onDrain);
    this.#securing = true;
    const top = wrap(socket);
    this.#top = top;
    top.on('error', () => (this.#wasReset = true));
    top.once('close', () => this.#gone());
    const deadline = this.#clock.after(HANDSHAKE_TIMEOUT_MS, () => top.destroy());
    try {
      await new Promise<void>((resolve, reject) => {
        top.once(readyEvent, resolve);
        top.once('close', () => reject(new Error('no TLS came about')));
      });
    } finally {
      deadline.cancel();
      this.#securing = false;
    }
    this.#listen(top);
  }

  /** Listens without reading yet. */
  #listen(socket: net.Socket): void {
    socket.on('data', this.#onBytes).on('end', this.#onEnd).on('drain', this.#onDrain);
    socket.pause();
  }

  #gone(): void {
    // The socket above hears of the one below at once, but not the other way round.
    if (this.#isGone || !this.#bottom.destroyed) return;
    this.#isGone = true;
    if (!this.#top.destroyed) this.#top.destroy();
    this.#events.onGone(this.#wasReset);
  }
}
