import type { TestContext } from 'node:test';
import { until } from '../scenario/waiting.js';
import {
  runScriptedServer,
  type Answer,
  type Script,
  type ScriptedServer,
  type ScriptedSession,
} from '../send/scripted-server.js';

/** How the server behaves; what is not said goes well. */
export interface Conduct extends Pick<
  Script,
  'host' | 'port' | 'certificate' | 'implicit' | 'greeting'
> {
  /** Mechanisms of AUTH; none: it is not offered. Default: PLAIN, which takes every login. */
  auth?: string[];
  /** STARTTLS is offered; needs a certificate. Default: when there is one. */
  starttls?: boolean;
  /** Default: it is offered. */
  dsn?: boolean;
  /** The only login that is taken. */
  login?: { username: string; password: string };
  /**
   * Answers by verb, `.` for the end of the content. Of a list each is given once, over all
   * connections, and the last one repeats.
   */
  replies?: Partial<Record<string, Answer | Answer[]>>;
}

/** One message as it came, without the dots of the transfer. */
export interface HeardMessage {
  sender: string;
  recipients: string[];
  content: string;
  /** The connection that it came over. */
  session: ScriptedSession;
}

const ACCEPTED = '250 2.0.0 Ok: queued as HEARD';

/** A foreign next hop that keeps every byte that it hears, also what comes over TLS. */
export class RecordingServer {
  readonly host: string;
  readonly #server: ScriptedServer;
  readonly #messages: HeardMessage[];

  constructor(host: string, server: ScriptedServer, messages: HeardMessage[]) {
    this.host = host;
    this.#server = server;
    this.#messages = messages;
  }

  get port(): number {
    return this.#server.port;
  }

  /** `host:port`, as `steer-to` names it. */
  get place(): string {
    return `${this.host}:${this.port}`;
  }

  get sessions(): readonly ScriptedSession[] {
    return this.#server.sessions;
  }

  /** The messages that were offered to their final dot, oldest first. */
  get messages(): readonly HeardMessage[] {
    return this.#messages;
  }

  /** AUTH commands and what followed them, in order. */
  get logins(): string[] {
    return this.#server.lines().filter((line) => /^AUTH /i.test(line));
  }

  /** Everything that was heard, in clear or under TLS. */
  get heard(): string {
    return this.sessions
      .map(({ clear, lines, contents }) => [clear, ...lines, ...contents].join('\r\n'))
      .join('\r\n');
  }

  /** Waits for the message to a recipient. */
  untilMessage(recipient: string): Promise<HeardMessage> {
    return until(
      `the message to ${recipient} at ${this.place}`,
      () => this.#messages.find(({ recipients }) => recipients.includes(recipient)),
      { deadlineMs: 10_000, seen: () => this.#server.lines().slice(-10) },
    );
  }
}

/** Starts a recording server on loopback, or where it is told, that ends with the test. */
export async function startRecordingServer(
  t: TestContext,
  conduct: Conduct = {},
): Promise<RecordingServer> {
  const { auth = ['PLAIN'], login, replies = {}, dsn = true, ...where } = conduct;
  const messages: HeardMessage[] = [];
  const takesMessage = inTurn(replies['.'] ?? ACCEPTED);
  const authOffers = auth.length === 0 ? [] : [`AUTH ${auth.join(' ')}`];
  const withTls = conduct.starttls ?? (conduct.certificate !== undefined && !conduct.implicit);
  const dsnOffers = dsn ? ['DSN'] : [];
  const common = ['8BITMIME', 'SMTPUTF8', ...dsnOffers, 'SIZE 104857600', ...authOffers];
  const server = await runScriptedServer(t, {
    ...where,
    offers: [...(withTls ? ['STARTTLS'] : []), ...common],
    offersInTls: common,
    on: {
      ...(withTls ? {} : { STARTTLS: '502 5.5.1 no such command' }),
      ...(login === undefined ? {} : { AUTH: onlyLogin(login) }),
      ...Object.fromEntries(
        Object.entries(replies).map(([verb, answer = []]) => [verb, inTurn(answer)]),
      ),
      '.': (session, line) => {
        messages.push(messageOf(session));
        takesMessage(session, line);
      },
    },
  });
  return new RecordingServer(conduct.host ?? '127.0.0.1', server, messages);
}

/** Of a list each time the next answer, whoever asks. */
function inTurn(answer: Answer | Answer[]): (session: ScriptedSession, line: string) => void {
  const waiting = [answer].flat();
  return (session, line) => {
    const next = waiting.length > 1 ? waiting.shift() : waiting[0];
    if (typeof next === 'function') {
      next(session, line);
      return;
    }
    if (next?.startsWith('354') === true) session.expectContent();
    session.say(next ?? ACCEPTED);
  };
}

function onlyLogin({ username, password }: { username: string; password: string }): Answer {
  const right = Buffer.from(`\0${username}\0${password}`).toString('base64');
  return (session, line) =>
    session.say(line === `AUTH PLAIN ${right}` ? '235 2.7.0 welcome' : '535 5.7.8 not you');
}

function messageOf(session: ScriptedSession): HeardMessage {
  const { lines, contents } = session;
  const start = lines.findLastIndex((line) => line.startsWith('MAIL FROM:'));
  const addresses = lines
    .slice(start)
    .flatMap((line) => /^(?:MAIL FROM|RCPT TO):<(.*?)>(?: |$)/.exec(line)?.[1] ?? []);
  const [sender = '', ...recipients] = addresses;
  const content = (contents.at(-1) ?? '').replaceAll(/^\./gm, '');
  return { sender, recipients, content, session };
}
