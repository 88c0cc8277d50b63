import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import type { Clock } from '../../../src/base/clock.js';

/** Where a session stands when a reply is due. */
export type Step =
  | 'greeting'
  | 'ehlo'
  | 'helo'
  | 'starttls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'dot'
  | 'rset'
  | 'quit'
  | 'other';

/** What the hop does where a reply is due. */
export interface Act {
  /** Each after so many milliseconds; 0 is at once. */
  pieces: Array<{ afterMs: number; bytes: Buffer }>;
  /** What it does when all of them are said. */
  after: 'go on' | 'close' | 'reset';
}

export interface Conduct {
  clock: Clock;
  certificate: { cert: string; key: string };
  act: (step: Step, inTls: boolean) => Act;
  /** Something happened. */
  noted: () => void;
}

/** What was said to the hop between two MAILs, with what the hop said to each of it. */
export interface HopTransaction {
  recipients: Array<{ line: string; said: string }>;
  /** With its dots, up to the terminator; null while it has not all come. */
  content: string | null;
  /** What the hop said since. */
  saidAfter: string;
}

const VERBS: ReadonlyArray<[RegExp, Step]> = [
  [/^EHLO /i, 'ehlo'],
  [/^HELO /i, 'helo'],
  [/^STARTTLS$/i, 'starttls'],
  [/^AUTH /i, 'auth'],
  [/^MAIL /i, 'mail'],
  [/^RCPT /i, 'rcpt'],
  [/^DATA$/i, 'data'],
  [/^RSET$/i, 'rset'],
  [/^QUIT$/i, 'quit'],
];

/** One connection of the hop, with an account of all that went over it. */
export class HopSession {
  /** Everything that came in clear, handshakes aside. */
  clear = '';
  /** Everything that came, in clear or not. */
  heard = '';
  /** Everything that was said. */
  said = '';
  readonly transactions: HopTransaction[] = [];
  closed = false;
  /**
   * It said more than one reply to a command. What it meant by which is then anybody's guess, since
   * the rest may arrive as if it answered the next command.
   */
  ranAhead = false;
  /** A line of content came as a command: the hop had not asked for content. */
  misledBy: string | null = null;
  #socket: net.Socket;
  /** The one under TLS. */
  readonly #lowest: net.Socket;
  readonly #conduct: Conduct;
  #buffer = '';
  #inContent = false;
  #deaf = false;
  /** Hears what is said to the line that came last. */
  #account: (said: string) => void = () => undefined;

  constructor(socket: net.Socket, conduct: Conduct) {
    this.#socket = socket;
    this.#lowest = socket;
    this.#conduct = conduct;
    this.#attach();
    this.#act('greeting');
  }

  end(): void {
    this.#lowest.destroy();
  }

  get #inTls(): boolean {
    return this.#socket instanceof tls.TLSSocket;
  }

  #attach(): void {
    const socket = this.#socket;
    socket.on('data', (bytes: Buffer) => this.#hear(bytes.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed ||= socket === this.#socket;
      this.#conduct.noted();
    });
  }

  #hear(text: string): void {
    this.#conduct.noted();
    this.heard += text;
    if (!this.#inTls) this.clear += text;
    this.#buffer += text;
    while (!this.#deaf) {
      const end = this.#inContent
        ? `\r\n${this.#buffer}`.indexOf('\r\n.\r\n')
        : this.#buffer.indexOf('\r\n');
      if (end === -1) return;
      const taken = this.#buffer.slice(0, end);
      this.#buffer = this.#buffer.slice(end + (this.#inContent ? 3 : 2));
      if (this.#inContent) this.#endContent(taken);
      else this.#command(taken);
    }
  }

  #endContent(content: string): void {
    this.#inContent = false;
    const transaction = this.transactions.at(-1);
    if (transaction !== undefined) {
      transaction.content ??= content;
      this.#account = (said) => (transaction.saidAfter += said);
    }
    this.#act('dot');
  }

  #command(line: string): void {
    if (line.startsWith('Subject: message ')) this.misledBy = line;
    const [, step] = VERBS.find(([form]) => form.test(line)) ?? [null, 'other' as const];
    this.#account = () => undefined;
    if (step === 'mail') {
      this.transactions.push({ recipients: [], content: null, saidAfter: '' });
    } else if (step === 'rcpt') {
      const recipient = { line, said: '' };
      this.transactions.at(-1)?.recipients.push(recipient);
      this.#account = (said) => (recipient.said += said);
    } else if (step === 'data') {
      let answer = '';
      this.#account = (said) => {
        answer += said;
        this.#inContent ||= /^3\d\d/m.test(answer);
      };
    }
    this.#act(step);
  }

  #act(step: Step): void {
    const { pieces, after } = this.#conduct.act(step, this.#inTls);
    const whole = Buffer.concat(pieces.map(({ bytes }) => bytes)).toString('latin1');
    this.ranAhead ||= /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n[^]/.test(whole);
    const [piece, ...later] = pieces;
    if (piece === undefined) this.#afterwards(step, after, '');
    else this.#say(step, [piece, ...later], after, '');
  }

  #say(step: Step, pieces: Act['pieces'], after: Act['after'], before: string): void {
    const [piece, ...later] = pieces;
    if (piece === undefined) {
      this.#afterwards(step, after, before);
      return;
    }
    const { afterMs, bytes } = piece;
    const speak = (): void => {
      const text = bytes.toString('latin1');
      this.#conduct.noted();
      this.said += text;
      this.#account(text);
      if (this.#socket.writable) this.#socket.write(bytes);
      this.#say(step, later, after, before + text);
    };
    if (afterMs === 0) speak();
    else this.#conduct.clock.after(afterMs, speak);
  }

  #afterwards(step: Step, after: Act['after'], said: string): void {
    if (after === 'reset') {
      this.#deaf = true;
      this.#lowest.resetAndDestroy();
    } else if (after === 'close' || step === 'quit') {
      this.#deaf = true;
      this.#socket.end();
    } else if (step === 'starttls' && /^2/m.test(said)) {
      this.#secure();
    }
  }

  #secure(): void {
    this.#socket.removeAllListeners('data');
    this.#buffer = '';
    const secureContext = tls.createSecureContext(this.#conduct.certificate);
    this.#socket = new tls.TLSSocket(this.#socket, { isServer: true, secureContext });
    this.#socket.on('secure', () => this.#conduct.noted());
    this.#attach();
  }
}

/** A next hop on a real port; how it behaves is said for each case. */
export class HostileHop {
  readonly #server = net.createServer((socket) => {
    socket.setNoDelay(true);
    if (this.#conduct === null) socket.destroy();
    else this.sessions.push(new HopSession(socket, this.#conduct));
  });
  #conduct: Conduct | null = null;
  sessions: HopSession[] = [];

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  begin(conduct: Conduct): void {
    this.#conduct = conduct;
    this.sessions = [];
  }

  stop(): Promise<void> {
    for (const session of this.sessions) session.end();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}
