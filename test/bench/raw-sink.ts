import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import { ContentEnd } from './content-end.js';
import {
  LOGIN,
  monotonicMs,
  SENT_HEADER,
  type FromSink,
  type SinkJob,
  type ToSink,
} from './traffic.js';

/*
 * A next hop that takes all mail and does as little as it can: for what `smtp-sink` does not know,
 * which is TLS, logins, replies that come late by milliseconds, and how long a message was under
 * way. A process of its own, told over IPC (`ToSink`) and telling over it (`FromSink`).
 */

const LF = 0x0a;
/** Where the header of ours is looked for. */
const MAX_HEADER_BYTES = 64 * 1024;
const SENT = new RegExp(`^${SENT_HEADER}: (\\d+)`, 'm');
const CREDENTIALS = Buffer.from(`\0${LOGIN.username}\0${LOGIN.password}`).toString('base64');
const OFFERS = ['PIPELINING', 'SIZE', '8BITMIME', 'ENHANCEDSTATUSCODES'];

let messages = 0;
let tellAt = Infinity;
let delaysMs: number[] = [];

class Session {
  readonly #job: SinkJob;
  readonly #context: SecureContext;
  #socket: Socket;
  #secured = false;
  #loggedIn = false;
  #line = '';
  /** Null outside of content. */
  #end: ContentEnd | null = null;
  /** The beginning of the content, while the header of ours is looked for. */
  #head: string | null = null;

  constructor(socket: Socket, job: SinkJob, context: SecureContext) {
    this.#socket = socket;
    this.#job = job;
    this.#context = context;
    this.#attach();
    this.#reply('220 sink.example ESMTP\r\n');
  }

  #attach(): void {
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    // A relay that goes away may do so in the middle.
    this.#socket.on('error', () => this.#socket.destroy());
  }

  #reply(text: string): void {
    const { replyDelayMs } = this.#job;
    if (text === '') return;
    if (replyDelayMs === 0) this.#socket.write(text, 'latin1');
    else setTimeout(() => this.#socket.write(text, 'latin1'), replyDelayMs);
  }

  #take(chunk: Buffer): void {
    let replies = '';
    let rest: Buffer | null = chunk;
    while (rest !== null && rest.length > 0) {
      if (this.#end !== null) {
        rest = this.#takeContent(rest, this.#end);
        if (rest !== null) replies += '250 2.0.0 Ok\r\n';
        continue;
      }
      const end: number = rest.indexOf(LF);
      if (end === -1) {
        this.#line += rest.toString('latin1');
        break;
      }
      const command: string = this.#line + rest.toString('latin1', 0, end);
      this.#line = '';
      rest = rest.subarray(end + 1);
      replies += this.#obey(command.trimEnd());
    }
    this.#reply(replies);
  }

  /** @returns what follows the content, or null when it goes on */
  #takeContent(chunk: Buffer, end: ContentEnd): Buffer | null {
    if (this.#head !== null) this.#lookForHeader(chunk);
    const at = end.take(chunk);
    if (at === null) return null;
    this.#end = null;
    this.#head = null;
    messages++;
    if (messages === tellAt) tell({ type: 'reached', atMs: monotonicMs() });
    return chunk.subarray(at);
  }

  #lookForHeader(chunk: Buffer): void {
    this.#head += chunk.toString('latin1', 0, MAX_HEADER_BYTES);
    const sentUs = SENT.exec(this.#head ?? '')?.[1];
    if (sentUs !== undefined) delaysMs.push(monotonicMs() - Number(sentUs) / 1000);
    if (sentUs !== undefined || (this.#head?.length ?? 0) > MAX_HEADER_BYTES) this.#head = null;
  }

  #obey(command: string): string {
    switch (command.slice(0, 4).toUpperCase()) {
      case 'EHLO':
      case 'HELO':
        return this.#greet();
      case 'MAIL':
        if (this.#job.protection === 'tls-login' && !this.#loggedIn) return '530 5.7.0 Log in\r\n';
        if (this.#job.protection !== 'clear' && !this.#secured)
          return '530 5.7.0 STARTTLS first\r\n';
        return '250 2.1.0 Ok\r\n';
      case 'DATA':
        this.#end = new ContentEnd();
        this.#head = this.#job.measuresDelay ? '' : null;
        return '354 Go on\r\n';
      case 'STAR':
        this.#secure();
        return '';
      case 'AUTH':
        this.#loggedIn = command.endsWith(` ${CREDENTIALS}`);
        return this.#loggedIn ? '235 2.7.0 Ok\r\n' : '535 5.7.8 No\r\n';
      case 'QUIT':
        this.#socket.end('221 2.0.0 Bye\r\n');
        return '';
      default:
        return '250 2.0.0 Ok\r\n';
    }
  }

  #greet(): string {
    const offers = [...OFFERS];
    if (this.#job.protection !== 'clear' && !this.#secured) offers.push('STARTTLS');
    if (this.#job.protection === 'tls-login' && this.#secured) offers.push('AUTH PLAIN');
    const lines = ['sink.example', ...offers];
    const last = lines.length - 1;
    return lines.map((text, at) => `250${at === last ? ' ' : '-'}${text}\r\n`).join('');
  }

  #secure(): void {
    this.#socket.removeAllListeners('data');
    this.#socket.write('220 2.0.0 Go on\r\n');
    this.#socket = new TLSSocket(this.#socket, { isServer: true, secureContext: this.#context });
    this.#secured = true;
    this.#attach();
  }
}

function tell(message: FromSink): void {
  process.send?.(message);
}

async function listen(job: SinkJob): Promise<void> {
  const { cert, key } = job.certificate;
  const context = createSecureContext({ cert, key });
  const server = createServer((socket) => new Session(socket, job, context));
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1000 });
  await once(server, 'listening');
  tell({ type: 'listening', port: (server.address() as AddressInfo).port });
}

process.on('message', (message: ToSink) => {
  switch (message.type) {
    case 'listen':
      void listen(message.job);
      break;
    case 'count':
      tell({ type: 'counted', messages });
      break;
    case 'tell':
      tellAt = message.at;
      if (messages >= tellAt) tell({ type: 'reached', atMs: monotonicMs() });
      break;
    case 'take-delays':
      tell({ type: 'delays', delaysMs });
      delaysMs = [];
  }
});
process.on('disconnect', () => process.exit());
