import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';

const DEADLINE_MS = 15_000;
const WHOLE_REPLY = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n/;

/**
 * An SMTP client that sends exactly the bytes it is given and shows what it hears. Every wait has
 * a deadline, so that a server that hangs fails the test instead of the run.
 */
export class Dialogue {
  #socket: net.Socket;
  /** The socket under TLS, for bytes that TLS does not know of. */
  readonly #lowest: net.Socket;
  #heard = '';
  #ended = false;
  #wake: () => void = () => undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    this.#lowest = socket;
    this.#listen();
  }

  /** @param localAddress one of 127.0.0.0/8, to be another client */
  static async connect(port: number, localAddress = '127.0.0.1'): Promise<Dialogue> {
    const socket = net.connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
    await once(socket, 'connect');
    return new Dialogue(socket);
  }

  static async connectTls(port: number): Promise<Dialogue> {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    socket.setNoDelay(true);
    await once(socket, 'secureConnect');
    return new Dialogue(socket);
  }

  /** Over a socket that is open already; what it has heard before is lost. */
  static over(socket: net.Socket): Dialogue {
    return new Dialogue(socket);
  }

  /** Greeted, and EHLO answered. */
  static async open(
    port: number,
    transport: 'plain' | 'tls' | 'starttls' = 'plain',
  ): Promise<Dialogue> {
    const client = await (transport === 'tls' ? Dialogue.connectTls(port) : Dialogue.connect(port));
    await client.reply();
    await client.ask('EHLO client.example');
    if (transport === 'starttls') {
      await client.startTls();
      await client.ask('EHLO client.example');
    }
    return client;
  }

  /** The next whole reply, lines joined by LF. '' when the server has closed instead. */
  async reply(): Promise<string> {
    const deadlineMs = Date.now() + DEADLINE_MS;
    for (;;) {
      const whole = WHOLE_REPLY.exec(this.#heard)?.[0];
      if (whole !== undefined) {
        this.#heard = this.#heard.slice(whole.length);
        return whole.trimEnd().replaceAll('\r\n', '\n');
      }
      if (this.#ended) {
        return '';
      }
      await this.#more(deadlineMs);
    }
  }

  async replies(count: number): Promise<string[]> {
    const replies: string[] = [];
    for (let index = 0; index < count; index++) {
      replies.push(await this.reply());
    }
    return replies;
  }

  write(bytes: string | Buffer): void {
    this.#socket.write(bytes);
  }

  /** Resolves when the bytes are with the system, so that nothing piles up here. */
  writeAndFlush(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error == null ? resolve() : reject(error)));
    });
  }

  writeBelowTls(bytes: string): void {
    this.#lowest.write(bytes);
  }

  /** Sends one line and returns its reply. */
  async ask(line: string): Promise<string> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  /** Replies to each of several lines, one after the other. */
  async askAll(...lines: string[]): Promise<string[]> {
    const replies: string[] = [];
    for (const line of lines) {
      replies.push(await this.ask(line));
    }
    return replies;
  }

  /** A whole transaction; `content` without its terminator. Returns the reply that ended it. */
  async send(
    content: string | Buffer,
    recipients = ['b@y.test'],
    sender = 'a@x.test',
  ): Promise<string> {
    const envelope = [
      `MAIL FROM:<${sender}>`,
      ...recipients.map((address) => `RCPT TO:<${address}>`),
    ];
    for (const line of [...envelope, 'DATA']) {
      const reply = await this.ask(line);
      if (!/^[23]/.test(reply)) {
        return reply;
      }
    }
    this.write(content);
    this.write('\r\n.\r\n');
    return this.reply();
  }

  /** Up to the 354. */
  async beginData(): Promise<void> {
    await this.askAll('MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
    const reply = await this.ask('DATA');
    if (!reply.startsWith('354')) {
      throw new Error(`DATA was answered ${reply}`);
    }
  }

  async startTls(): Promise<void> {
    const reply = await this.ask('STARTTLS');
    if (!reply.startsWith('220')) {
      throw new Error(`STARTTLS was answered ${reply}`);
    }
    await this.secure();
  }

  /** The TLS handshake alone. */
  async secure(): Promise<void> {
    for (const event of ['data', 'end', 'close', 'error']) {
      this.#socket.removeAllListeners(event);
    }
    const secured = tls.connect({ socket: this.#socket, rejectUnauthorized: false });
    await once(secured, 'secureConnect');
    this.#socket = secured;
    this.#listen();
  }

  /** Waits for the server to close; what it said before that was not yet taken as a reply. */
  async closed(): Promise<string> {
    const deadlineMs = Date.now() + DEADLINE_MS;
    while (!this.#ended) {
      await this.#more(deadlineMs);
    }
    return this.#heard;
  }

  /** Reads nothing any more. */
  pause(): void {
    this.#socket.pause();
  }

  /** Closes without a word: `reset` with RST, else with FIN. */
  leave(how: 'fin' | 'reset' = 'fin'): void {
    if (how === 'reset') {
      this.#socket.resetAndDestroy();
    } else {
      this.#socket.destroy();
    }
  }

  #listen(): void {
    this.#socket.on('data', (bytes: Buffer) => {
      this.#heard += bytes.toString('utf8');
      this.#wake();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    this.#socket.on('end', end).on('close', end).on('error', end);
  }

  async #more(deadlineMs: number): Promise<void> {
    const leftMs = deadlineMs - Date.now();
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      this.#wake = resolve;
      timer = setTimeout(
        () => reject(new Error(`nothing came after ${JSON.stringify(this.#heard)}`)),
        leftMs,
      );
    }).finally(() => clearTimeout(timer));
  }
}

/** Resolves once `condition` holds; rejects when it does not within the deadline. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadlineMs = Date.now() + DEADLINE_MS;
  while (!condition()) {
    if (Date.now() > deadlineMs) {
      throw new Error(`${what} did not come`);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Lets everything that is under way in this process take place, several turns of the event loop. */
export async function turns(count = 4): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
