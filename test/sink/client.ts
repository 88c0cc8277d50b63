import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import type { TestContext } from 'node:test';
import type { SinkSettings } from '../../src/sink/settings.js';
import { startSink, type RunningSink, type SinkSurroundings } from '../../src/sink/sink.js';

const REPLY_TIMEOUT_MS = 20_000;

/** A client that says what it is told and shows what it hears. */
export class SmtpClient {
  #socket: net.Socket;
  #received = '';
  #ended = false;
  #wasReset = false;
  #wake: () => void = () => undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    this.#attach();
  }

  static async connect(port: number): Promise<SmtpClient> {
    const socket = net.connect(port, '127.0.0.1');
    const client = new SmtpClient(socket);
    await once(socket, 'connect').catch((error: NodeJS.ErrnoException) => {
      // A server that resets at once may do so before this end has noticed that it is connected.
      if (error.code !== 'ECONNRESET') throw error;
    });
    return client;
  }

  static async connectTls(port: number): Promise<SmtpClient> {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    return new SmtpClient(socket);
  }

  /** The greeting is read and EHLO answered. */
  static async greeted(port: number): Promise<SmtpClient> {
    const client = await SmtpClient.connect(port);
    await client.reply();
    await client.ask('EHLO client.example');
    return client;
  }

  /** The next whole reply, its lines joined by LF; '' when the connection has ended. */
  async reply(): Promise<string> {
    const deadline = Date.now() + REPLY_TIMEOUT_MS;
    for (;;) {
      const whole = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n/.exec(this.#received);
      if (whole !== null) {
        this.#received = this.#received.slice(whole[0].length);
        return whole[0].trimEnd().replaceAll('\r\n', '\n');
      }
      if (this.#ended) return this.#received;
      await this.#more(deadline);
    }
  }

  write(text: string | Buffer): void {
    this.#socket.write(text);
  }

  async ask(line: string): Promise<string> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  /** Sends one message and returns the reply to each of its commands. */
  async send(sender: string, recipients: string[], content: string): Promise<string[]> {
    const replies = [await this.ask(`MAIL FROM:<${sender}>`)];
    for (const recipient of recipients) replies.push(await this.ask(`RCPT TO:<${recipient}>`));
    replies.push(await this.ask('DATA'));
    if (replies.at(-1)?.startsWith('354')) replies.push(await this.ask(`${content}\r\n.`));
    return replies;
  }

  /** `before` and `behind` go out in the same packet; the reply to the first is read. */
  async startTls(before = '', behind = ''): Promise<void> {
    this.write(`${before}STARTTLS\r\n${behind}`);
    if (before !== '') await this.reply();
    await this.reply();
    this.#socket.removeAllListeners();
    const secured = tls.connect({ socket: this.#socket, rejectUnauthorized: false });
    await once(secured, 'secureConnect');
    this.#socket = secured;
    this.#attach();
  }

  /** Resolves when the server has closed, with what it said before. */
  async ended(): Promise<string> {
    const deadline = Date.now() + REPLY_TIMEOUT_MS;
    while (!this.#ended) await this.#more(deadline);
    return this.#received;
  }

  /** True when the connection ended with RST. */
  get wasReset(): boolean {
    return this.#wasReset;
  }

  /** Says that it sends no more, and goes on reading. */
  finish(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #attach(): void {
    this.#socket.on('data', (bytes: Buffer) => {
      this.#received += bytes.toString('latin1');
      this.#wake();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    this.#socket.on('end', end);
    this.#socket.on('close', end);
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#wasReset ||= error.code === 'ECONNRESET';
      end();
    });
  }

  async #more(deadline: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      this.#wake = resolve;
      timer = setTimeout(
        () => reject(new Error(`nothing came; so far: ${this.#received}`)),
        deadline - Date.now(),
      );
    }).finally(() => clearTimeout(timer));
  }
}

const PLAIN: SinkSettings = {
  name: 'sink.example',
  host: '127.0.0.1',
  port: 0,
  apiHost: '127.0.0.1',
  apiPort: 0,
  tls: 'none',
  users: [],
  faults: [],
};

/** A sink that stops with the test. */
export async function runSink(
  t: TestContext,
  settings: Partial<SinkSettings> = {},
  surroundings: SinkSurroundings = {},
): Promise<RunningSink> {
  const sink = await startSink({ ...PLAIN, ...settings }, surroundings);
  t.after(() => sink.stop());
  return sink;
}

/** A directory that goes with the test. */
export function scratchDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'relaymesh-sink-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A key and a certificate that nobody vouches for. */
export function makeCertificate(directory: string): {
  cert: string;
  key: string;
  certFile: string;
  keyFile: string;
} {
  const certFile = join(directory, 'cert.pem');
  const keyFile = join(directory, 'key.pem');
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1';
  execFileSync(
    'openssl',
    [...request.split(' '), '-subj', '/CN=sink.example', '-keyout', keyFile, '-out', certFile],
    { stdio: 'ignore' },
  );
  return {
    cert: readFileSync(certFile, 'utf8'),
    key: readFileSync(keyFile, 'utf8'),
    certFile,
    keyFile,
  };
}

/** What the sink's API answers. */
export async function get(sink: RunningSink, path: string, init?: RequestInit): Promise<Response> {
  return fetch(`http://127.0.0.1:${sink.api.port}${path}`, init);
}
