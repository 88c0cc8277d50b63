import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import type { TestContext } from 'node:test';

/** What the server does on a line: says something (LF becomes CRLF), or anything else. */
export type Answer = string | ((session: ScriptedSession, line: string) => void);

export interface Script {
  /** Certificate for STARTTLS and for `implicit`. */
  certificate?: { cert: string; key: string };
  /** Where it listens; loopback unless said otherwise. */
  host?: string;
  /** A free one unless said otherwise. */
  port?: number;
  /** TLS from the first byte. */
  implicit?: boolean;
  tls?: tls.SecureContextOptions;
  greeting?: Answer;
  /** Keywords in the answer to EHLO. */
  offers?: string[];
  /** Keywords after STARTTLS, where they differ. */
  offersInTls?: string[];
  /** By verb; `.` is the end of the content, `*` any line that is not a verb. The last answer repeats. */
  on?: Partial<Record<string, Answer | Answer[]>>;
}

const DEFAULTS: Record<string, Answer> = {
  HELO: '250 hop.example',
  MAIL: '250 2.1.0 ok',
  RCPT: '250 2.1.5 ok',
  DATA: '354 go on',
  '.': '250 2.0.0 Ok: queued as HOP1',
  RSET: '250 2.0.0 ok',
  NOOP: '250 2.0.0 ok',
  QUIT: (session) => session.close('221 2.0.0 bye'),
  STARTTLS: (session) => session.say('220 2.0.0 go', () => session.secure()),
  AUTH: '235 2.7.0 welcome',
  '*': '500 5.5.2 what?',
};

/** One client of the scripted server, with everything that it said. */
export class ScriptedSession {
  socket: net.Socket;
  /** Commands, and lines that are no commands, in order; no content. */
  readonly lines: string[] = [];
  /** Contents with their dots, without the terminator. */
  readonly contents: string[] = [];
  /** All bytes that came without TLS, STARTTLS handshakes aside. */
  clear = '';
  closed = false;
  /** A session of TLS was taken up; null before the first command in TLS. */
  resumed: boolean | null = null;
  readonly #script: Script;
  readonly #context: () => tls.SecureContext;
  #buffer = '';
  #inContent = false;
  #deaf = false;
  #counts = new Map<string, number>();

  /** @param context for STARTTLS */
  constructor(socket: net.Socket, script: Script, context: () => tls.SecureContext) {
    this.socket = socket;
    this.#script = script;
    this.#context = context;
    this.#attach();
  }

  get inTls(): boolean {
    return this.socket instanceof tls.TLSSocket;
  }

  say(text: string, then?: () => void): void {
    if (this.socket.writable) {
      this.socket.write(`${text.replaceAll('\n', '\r\n')}\r\n`, then);
    }
  }

  /** Closes with FIN, after a last reply if there is one; what was already sent to it goes unheard. */
  close(lastReply?: string): void {
    this.#deaf = true;
    if (lastReply === undefined) {
      this.socket.end();
    } else {
      this.socket.end(`${lastReply.replaceAll('\n', '\r\n')}\r\n`);
    }
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  secure(): void {
    this.socket.removeAllListeners('data');
    const secureContext = this.#context();
    this.socket = new tls.TLSSocket(this.socket, { isServer: true, secureContext });
    this.#buffer = '';
    this.#attach();
  }

  begin(): void {
    this.#answer(this.#script.greeting ?? '220 hop.example ESMTP', '');
  }

  /** Content follows, as after 354. */
  expectContent(): void {
    this.#inContent = true;
  }

  #attach(): void {
    this.socket.on('data', (bytes: Buffer) => this.#hear(bytes.toString('latin1')));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => (this.closed = true));
  }

  #hear(text: string): void {
    if (this.socket instanceof tls.TLSSocket) {
      this.resumed ??= this.socket.isSessionReused();
    } else {
      this.clear += text;
    }
    if (this.#deaf) {
      return;
    }
    this.#buffer += text;
    for (;;) {
      if (this.#deaf) {
        return;
      }
      const end = this.#inContent
        ? `\r\n${this.#buffer}`.indexOf('\r\n.\r\n')
        : this.#buffer.indexOf('\r\n');
      if (end === -1) {
        return;
      }
      const taken = this.#buffer.slice(0, end);
      this.#buffer = this.#buffer.slice(end + (this.#inContent ? 3 : 2));
      if (this.#inContent) {
        this.#inContent = false;
        this.contents.push(taken);
        this.#onVerb('.', '');
      } else {
        this.lines.push(taken);
        this.#onLine(taken);
      }
    }
  }

  #onLine(line: string): void {
    const verb = (/^[A-Z]{4,8}(?= |$)/i.exec(line)?.[0] ?? '*').toUpperCase();
    if (verb === 'EHLO' && this.#script.on?.['EHLO'] === undefined) {
      const { offers = [], offersInTls = offers } = this.#script;
      const lines = ['hop.example', ...(this.inTls ? offersInTls : offers)];
      this.say(
        lines
          .map((text, index) => `250${index === lines.length - 1 ? ' ' : '-'}${text}`)
          .join('\n'),
      );
      return;
    }
    const known = verb in DEFAULTS || this.#script.on?.[verb] !== undefined;
    this.#onVerb(known ? verb : '*', line);
  }

  #onVerb(verb: string, line: string): void {
    const count = this.#counts.get(verb) ?? 0;
    this.#counts.set(verb, count + 1);
    const scripted = this.#script.on?.[verb];
    const answer = Array.isArray(scripted)
      ? scripted[Math.min(count, scripted.length - 1)]
      : scripted;
    this.#answer(answer ?? DEFAULTS[verb] ?? '250 ok', line);
  }

  #answer(answer: Answer, line: string): void {
    if (typeof answer === 'function') {
      answer(this, line);
      return;
    }
    if (answer.startsWith('354')) {
      this.expectContent();
    }
    this.say(answer);
  }
}

export interface ScriptedServer {
  port: number;
  sessions: ScriptedSession[];
  /** Contents of all sessions. */
  contents(): string[];
  /** Commands of all sessions. */
  lines(): string[];
  /** Frees the port, before the end of the test. */
  stop(): Promise<void>;
}

/** A next hop over real sockets that behaves as its script says; what is not scripted goes well. */
export async function runScriptedServer(
  t: TestContext,
  script: Script = {},
): Promise<ScriptedServer> {
  const sessions: ScriptedSession[] = [];
  let made: tls.SecureContext | null = null;
  // One for all: what a session of TLS is taken up with is in it.
  const context = (): tls.SecureContext =>
    (made ??= tls.createSecureContext({ ...script.certificate, ...script.tls }));
  const accept = (socket: net.Socket): void => {
    socket.setNoDelay(true);
    const session = new ScriptedSession(socket, script, context);
    sessions.push(session);
    session.begin();
  };
  const server =
    script.implicit === true
      ? tls.createServer({ ...script.certificate, ...script.tls }, accept)
      : net.createServer(accept);
  server.on('tlsClientError', () => undefined);
  server.listen(script.port ?? 0, script.host ?? '127.0.0.1');
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    for (const { socket } of sessions) {
      socket.destroy();
    }
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  t.after(stop);
  return {
    port: (server.address() as AddressInfo).port,
    sessions,
    contents: () => sessions.flatMap(({ contents }) => contents),
    lines: () => sessions.flatMap(({ lines }) => lines),
    stop,
  };
}

// Answers that are no words.
export const close: Answer = (session) => session.close();
export const reset: Answer = (session) => session.reset();
export const silence: Answer = () => undefined;
export const sayAndClose =
  (text: string): Answer =>
  (session) =>
    session.close(text);
