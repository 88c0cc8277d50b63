import { systemClock, type Clock } from '../base/clock.js';
import { RelayError } from '../base/errors.js';
import type { Secret } from '../base/secret.js';
import { printableReply, queueIdIn } from '../format/reply.js';
import { AccessTokens } from './access-token.js';
import type { NextHop } from './next-hop.js';
import { Connection } from './connection.js';
import type { Reply, TransactionReplies } from './transaction.js';

/** Where a client hands its mail in, and as whom. */
export interface SessionOptions {
  host: string;
  port: number;
  tls: 'none' | 'required' | 'implicit';
  /** PEM root that vouches for the node; absent: its certificate is not checked. */
  ca?: string;
  servername?: string;
  login?: { username: string; password: Secret };
  /** Our name in EHLO. */
  hostname: string;
  /** For each wait of the session. */
  timeoutMs: number;
  /** Default: that of the system. */
  clock?: Clock;
}

/** One message for a node, with CRLF at the end of each line. */
export interface Submission {
  /** '' is the null sender. */
  sender: string;
  recipients: readonly string[];
  message: Buffer;
}

export interface SubmitOptions extends SessionOptions, Submission {}

/** What a node said to one message. */
export interface SubmitAnswer {
  /** The node is responsible for the message now (2xx to the final dot). */
  accepted: boolean;
  /** Recipients that it took; none unless `accepted`. */
  taken: string[];
  /** Recipients that it refused, each with its own reply. */
  refused: Array<{ recipient: string; code: number; reply: string }>;
  /** Of the reply that settled it: to the final dot, else the refusal. null: the session was lost. */
  code: number | null;
  /** That reply, or why the session was lost; printable. */
  reply: string;
  queueId: string | null;
  /** All of the content was sent and no reply came: the node may have it. */
  inDoubt: boolean;
}

/**
 * A client's session with a node, for as many messages as wanted, one after the other. Whoever
 * opened it closes it.
 */
export class SubmitSession {
  readonly #connection: Connection;
  readonly #tokens: AccessTokens;

  private constructor(connection: Connection, tokens: AccessTokens) {
    this.#connection = connection;
    this.#tokens = tokens;
  }

  /**
   * Connects, secures and logs in. `signal` cuts it off while it does.
   *
   * @throws RelayError SUBMIT_REFUSED with the words of the node; its `cause` is a `SessionFault`.
   */
  static async open(options: SessionOptions, signal?: AbortSignal): Promise<SubmitSession> {
    const { timeoutMs, hostname, clock = systemClock } = options;
    const tokens = new AccessTokens(clock);
    const connection = new Connection({
      host: nextHopOf(options),
      settings: {
        hostname,
        connectTimeoutMs: timeoutMs,
        commandTimeoutMs: timeoutMs,
        envelopeTimeoutMs: timeoutMs,
        finalReplyTimeoutMs: timeoutMs,
        dnsServers: [],
      },
      clock,
      tokens,
    });
    const session = new SubmitSession(connection, tokens);
    const cut = (): void => session.destroy();
    signal?.addEventListener('abort', cut, { once: true });
    try {
      signal?.throwIfAborted();
      await connection.open();
      return session;
    } catch (error) {
      session.close();
      throw refusal(options, error);
    } finally {
      signal?.removeEventListener('abort', cut);
    }
  }

  /** False when the session is over. */
  get usable(): boolean {
    return this.#connection.usable;
  }

  /** Hands one message in. Never rejects: a lost session is an answer without a code. */
  async send({ sender, recipients, message }: Submission): Promise<SubmitAnswer> {
    const { maxSizeBytes } = this.#connection;
    if (maxSizeBytes !== null && message.length > maxSizeBytes) {
      return tooLarge(message.length, maxSizeBytes);
    }
    const replies = await this.#connection.transact({
      sender,
      mailParameters: '',
      recipients: recipients.map((address) => ({ address, parameters: '' })),
      eightBit: message.some((byte) => byte > 0x7f),
      sizeBytes: message.length,
      content: message,
    });
    if (replies.fault === null && replies.dot === null) {
      await this.#connection.resetSession();
    }
    return answerOf(recipients, replies);
  }

  /** Says QUIT. Safe to call again. */
  close(): void {
    this.#connection.leave();
    this.#tokens.close();
  }

  /** Cuts the connection off: what is under way is lost. */
  destroy(): void {
    this.#connection.close();
    this.#tokens.close();
  }
}

/**
 * Hands one message to a node, as a client would. Resolves with the reply that took it for all
 * recipients; rejects with `SUBMIT_REFUSED` and the node's words.
 */
export async function submit(
  options: SubmitOptions,
): Promise<{ reply: string; queueId: string | null }> {
  const session = await SubmitSession.open(options);
  try {
    const { accepted, refused, reply, queueId } = await session.send(options);
    const [first] = refused;
    if (first !== undefined) throw refusal(options, new Error(first.reply));
    if (!accepted) throw refusal(options, new Error(reply));
    return { reply, queueId };
  } finally {
    session.close();
  }
}

/** RFC 1870 §6.3: as the node would refuse it, without asking for that. */
function tooLarge(sizeBytes: number, maxBytes: number): SubmitAnswer {
  return {
    accepted: false,
    taken: [],
    refused: [],
    code: 552,
    reply: `552 not tried: the message has ${sizeBytes} bytes, and the node takes ${maxBytes} (SIZE)`,
    queueId: null,
    inDoubt: false,
  };
}

function answerOf(recipients: readonly string[], replies: TransactionReplies): SubmitAnswer {
  const { rcpt, dot, fault } = replies;
  const refused = recipients.flatMap((recipient, index): SubmitAnswer['refused'] => {
    const reply = rcpt[index] ?? null;
    return reply === null || isGood(reply)
      ? []
      : [{ recipient, code: reply.code, reply: words(reply) }];
  });
  const accepted = dot !== null && isGood(dot);
  const turnedDown = new Set(refused.map(({ recipient }) => recipient));
  const settled = dot ?? refusalOfAll(replies);
  const lost =
    fault?.code == null ? (fault?.message ?? 'no reply') : `${fault.code} ${fault.message}`;
  return {
    accepted,
    taken: accepted ? recipients.filter((recipient) => !turnedDown.has(recipient)) : [],
    refused,
    code: settled?.code ?? fault?.code ?? null,
    reply: settled === null ? printableReply(lost) : words(settled),
    queueId: accepted ? queueIdIn(words(dot)) : null,
    inDoubt: dot === null && replies.sentWhole,
  };
}

/** The reply after which no content was sent; null when there was none. */
function refusalOfAll({ mail, rcpt, data }: TransactionReplies): Reply | null {
  const isRefusal = (reply: Reply | null): reply is Reply => reply !== null && reply.code >= 400;
  const ofAll = [mail, data].find(isRefusal);
  if (ofAll !== undefined) return ofAll;
  return rcpt.every(isRefusal) ? (rcpt[0] ?? null) : null;
}

function isGood({ code }: Reply): boolean {
  return code >= 200 && code < 400;
}

function words({ code, text }: Reply): string {
  return printableReply(`${code} ${text}`);
}

function refusal({ host, port }: SessionOptions, error: unknown): RelayError {
  const said = error instanceof Error ? error.message : String(error);
  return new RelayError('SUBMIT_REFUSED', printableReply(said), {
    fault: 'next-hop',
    where: `${host}:${port}`,
    cause: error,
  });
}

function nextHopOf(options: SessionOptions): NextHop {
  const { host, port, tls, ca, servername, login } = options;
  return {
    name: `${host}:${port}`,
    kind: 'node',
    host,
    port,
    tls: tls === 'none' ? 'none' : ca === undefined ? 'required' : 'verified',
    implicitTls: tls === 'implicit',
    allowInsecureAuth: false,
    trace: 'none',
    ...(ca === undefined ? {} : { ca: [ca] }),
    ...(servername === undefined ? {} : { servername }),
    ...(login === undefined ? {} : { login }),
  };
}
