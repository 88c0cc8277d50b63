import { systemClock } from '../base/clock.js';
import { RelayError } from '../base/errors.js';
import type { Secret } from '../base/secret.js';
import { printableReply, queueIdIn } from '../format/reply.js';
import { AccessTokens } from './access-token.js';
import type { NextHop } from './next-hop.js';
import { Connection } from './connection.js';
import { SessionFault } from './session-fault.js';

export interface SubmitOptions {
  host: string;
  port: number;
  tls: 'none' | 'required' | 'implicit';
  /** PEM root that vouches for the node; absent: its certificate is not checked. */
  ca?: string;
  servername?: string;
  login?: { username: string; password: Secret };
  /** Our name in EHLO. */
  hostname: string;
  sender: string;
  recipients: string[];
  message: Buffer;
  /** For each wait of the session. */
  timeoutMs: number;
}

/**
 * Hands one message to a node, as a client would. Resolves with the reply that took it; rejects
 * with `SUBMIT_REFUSED` and the node's words.
 */
export async function submit(
  options: SubmitOptions,
): Promise<{ reply: string; queueId: string | null }> {
  const { timeoutMs, hostname } = options;
  const tokens = new AccessTokens(systemClock);
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
    clock: systemClock,
    tokens,
  });
  try {
    await connection.open();
    const replies = await connection.transact({
      sender: options.sender,
      mailParameters: '',
      recipients: options.recipients.map((address) => ({ address, parameters: '' })),
      eightBit: options.message.some((byte) => byte > 0x7f),
      sizeBytes: options.message.length,
      content: options.message,
    });
    const refused = [replies.mail, ...replies.rcpt, replies.data, replies.dot].find(
      (reply) => reply !== null && reply.code >= 400,
    );
    if (replies.dot === null || refused !== undefined) {
      const words =
        refused === undefined ? replies.fault?.message : `${refused?.code} ${refused?.text}`;
      throw new SessionFault('dot', 'error', words ?? 'no reply');
    }
    const reply = printableReply(`${replies.dot.code} ${replies.dot.text}`);
    return { reply, queueId: queueIdIn(reply) };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new RelayError('SUBMIT_REFUSED', printableReply(words), {
      fault: 'next-hop',
      where: `${options.host}:${options.port}`,
      cause: error,
    });
  } finally {
    connection.leave();
    tokens.close();
  }
}

function nextHopOf(options: SubmitOptions): NextHop {
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
