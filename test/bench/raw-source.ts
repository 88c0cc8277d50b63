import { once } from 'node:events';
import { connect as connectTo, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { LOGIN, monotonicMs, SENDER, SENT_HEADER, type Sent, type SourceJob } from './traffic.js';

/*
 * A client that does as little as it can: for what `smtp-source` does not know, which is TLS, logins,
 * a steady rate and how long a message takes. A process of its own: it is told a `SourceJob` over
 * IPC, and answers `Sent` when the last message has got its 250, or `{ failed }`. Like smtp-source it
 * waits for each reply.
 */

const REPLY_TIMEOUT_MS = 120_000;
const LINE = `${'The quick brown fox jumps over the lazy dog, again and again.'.padEnd(76, ' .')}\r\n`;
const CREDENTIALS = Buffer.from(`\0${LOGIN.username}\0${LOGIN.password}`).toString('base64');

class Client {
  #socket: Socket;
  #received = '';
  #answer: ((reply: string) => void) | null = null;
  #fail: ((error: Error) => void) | null = null;
  #error: Error | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#attach();
  }

  /** Up to where mail may be sent. */
  static async open({ port, protection }: SourceJob, context: SecureContext): Promise<Client> {
    const socket = connectTo({ port, host: '127.0.0.1' });
    const client = new Client(socket);
    await client.ask('', '220');
    await client.ask('EHLO source.example\r\n', '250');
    if (protection !== 'clear') {
      await client.ask('STARTTLS\r\n', '220');
      await client.#secure(context);
      await client.ask('EHLO source.example\r\n', '250');
    }
    if (protection === 'tls-login') await client.ask(`AUTH PLAIN ${CREDENTIALS}\r\n`, '235');
    return client;
  }

  /** Writes, and waits for one reply. @throws when it is another than expected */
  async ask(text: string, code: string, content?: Buffer): Promise<void> {
    if (this.#error !== null) throw this.#error;
    const reply = new Promise<string>((resolve, reject) => {
      this.#answer = resolve;
      this.#fail = reject;
    });
    if (content !== undefined) this.#socket.cork();
    if (text !== '') this.#socket.write(text, 'latin1');
    if (content !== undefined) {
      this.#socket.write(content);
      this.#socket.uncork();
    }
    this.#look();
    const words = await reply;
    if (!words.startsWith(code)) throw new Error(`${code} was expected, not: ${words.trimEnd()}`);
  }

  leave(): void {
    this.#error ??= new Error('the client has left');
    this.#socket.end('QUIT\r\n');
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #attach(): void {
    this.#socket.setNoDelay(true);
    this.#socket.setTimeout(REPLY_TIMEOUT_MS, () => this.#broken('no reply came'));
    this.#socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
      this.#look();
    });
    this.#socket.on('error', (error) => this.#broken(error.message));
    this.#socket.on('close', () => this.#broken('the relay closed the connection'));
  }

  #broken(reason: string): void {
    this.#error ??= new Error(reason);
    this.#socket.destroy();
    this.#fail?.(this.#error);
  }

  /** A reply is whole when its last line has a space behind the code. */
  #look(): void {
    if (!this.#received.endsWith('\r\n')) return;
    const lastLine = this.#received.lastIndexOf('\n', this.#received.length - 2) + 1;
    if (this.#received[lastLine + 3] !== ' ') return;
    const reply = this.#received;
    this.#received = '';
    this.#answer?.(reply);
  }

  async #secure(secureContext: SecureContext): Promise<void> {
    const plain = this.#socket;
    plain.removeAllListeners();
    plain.setTimeout(0);
    this.#socket = connectTls({ socket: plain, host: '127.0.0.1', secureContext });
    await once(this.#socket, 'secureConnect');
    this.#attach();
  }
}

/** What all messages of a job have in common, from the empty line to the final dot. */
function contentBehindHeader(bytes: number, headerBytes: number): Buffer {
  const lines = Math.max(1, Math.round((bytes - headerBytes) / LINE.length));
  return Buffer.from(`\r\n${LINE.repeat(lines)}.\r\n`);
}

function headerOf(job: SourceJob, number: number, sentMs: number): string {
  const id = `${process.pid}.${number}.${Math.round(sentMs * 1000)}`;
  return (
    `From: <${SENDER}>\r\nTo: <${job.recipient}>\r\nSubject: benchmark\r\n` +
    `Date: Mon, 05 Jan 2026 10:00:00 +0000\r\nMessage-ID: <${id}@source.example>\r\n` +
    `${SENT_HEADER}: ${Math.round(sentMs * 1000)}\r\n`
  );
}

async function send(job: SourceJob): Promise<Sent> {
  const context = createSecureContext({ ca: job.ca });
  const content = contentBehindHeader(job.bytes, headerOf(job, 0, 0).length);
  const replyMs: number[] = [];
  const startedMs = monotonicMs();
  let next = 0;
  const session = async (): Promise<void> => {
    let client: Client | null = null;
    try {
      for (let number = next++; number < job.messages; number = next++) {
        const dueMs = job.perSecond === undefined ? 0 : startedMs + (number / job.perSecond) * 1000;
        const earlyMs = dueMs - monotonicMs();
        if (earlyMs > 0) await pause(earlyMs);
        const sentMs = dueMs === 0 ? monotonicMs() : dueMs;
        client ??= await Client.open(job, context);
        await client.ask(`MAIL FROM:<${SENDER}>\r\n`, '250');
        await client.ask(`RCPT TO:<${number}${job.recipient}>\r\n`, '250');
        await client.ask('DATA\r\n', '354');
        await client.ask(headerOf(job, number, sentMs), '250', content);
        replyMs.push(monotonicMs() - sentMs);
        if (!job.kept) {
          client.leave();
          client = null;
        }
      }
      client?.leave();
    } catch (error) {
      client?.destroy();
      throw error;
    }
  };
  const sessions = Array.from({ length: Math.min(job.sessions, job.messages) }, session);
  await Promise.all(sessions);
  return { startedMs, endedMs: monotonicMs(), replyMs };
}

process.on('message', (job: SourceJob) => {
  send(job).then(
    (sent) => process.send?.(sent),
    (error: unknown) => process.send?.({ failed: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
