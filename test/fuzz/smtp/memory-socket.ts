import { Duplex } from 'node:stream';

/**
 * The server's end of a connection that never touches the network. What the client sends is given to
 * `deliver`; what the server says is kept. It ends as a `net.Socket` does: an end of the client's
 * bytes ends both directions.
 */
export class MemorySocket extends Duplex {
  readonly remoteAddress: string;
  readonly remotePort = 40_000;
  readonly localAddress = '127.0.0.1';
  readonly localPort = 25;
  #heard: Buffer[] = [];

  constructor(remoteAddress: string) {
    super({ allowHalfOpen: false });
    this.remoteAddress = remoteAddress;
  }

  get readyState(): string {
    return this.destroyed ? 'closed' : this.writable ? 'open' : 'readOnly';
  }

  /** What the server has said. */
  get heard(): Buffer {
    if (this.#heard.length > 1) this.#heard = [Buffer.concat(this.#heard)];
    return this.#heard[0] ?? Buffer.alloc(0);
  }

  /** Bytes of the client arrive. */
  deliver(bytes: Buffer): void {
    if (!this.destroyed) this.push(bytes);
  }

  /** The client sends no more. */
  deliverEnd(): void {
    if (!this.destroyed) this.push(null);
  }

  /** The client is gone without a word. */
  deliverReset(): void {
    this.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  }

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  /** Nothing here waits so long. */
  setTimeout(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#heard.push(Buffer.from(chunk));
    done();
  }
}
