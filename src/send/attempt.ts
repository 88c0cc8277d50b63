import { Readable } from 'node:stream';
import type { Clock } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import { newSpanId } from '../base/identifiers.js';
import { isAscii } from '../format/address.js';
import { printableReply, queueIdIn } from '../format/reply.js';
import type { NextHop } from './next-hop.js';
import { encodeXmesh, formatMeshContext, type MeshContext } from '../trace/propagate.js';
import type { AttemptRecord } from '../trace/record.js';
import type { Connection } from './connection.js';
import type { ConnectionPool } from './connection-pool.js';
import {
  attemptState,
  classifyReply,
  type AttemptReport,
  type Outcome,
  type Stage,
} from './outcome.js';
import type { Attempt, AttemptRequest } from './request.js';
import { SessionFault } from './session-fault.js';
import type { TransactionReplies } from './transaction.js';

export interface AttemptOptions {
  pool: ConnectionPool;
  clock: Clock;
  /** Our name in the mesh. */
  node: string;
}

/** What came of it, before it is written down. */
interface Conclusion {
  outcomes: Outcome[];
  stage: Stage;
  result: AttemptRecord['result'];
  connection: Connection | null;
  reused: boolean;
}

/** Attempts over pooled sessions. */
export function createAttempt(options: AttemptOptions): Attempt {
  return async (request) => {
    const { clock } = options;
    const startedAtMs = clock.nowMs();
    const startedMs = clock.monotonicMs();
    const spanId = newSpanId();
    const conclusion = await conclude(request, spanId, options);
    return report(request, conclusion, {
      spanId,
      startedAtMs,
      durationMs: clock.monotonicMs() - startedMs,
    });
  };
}

async function conclude(
  request: AttemptRequest,
  spanId: string,
  options: AttemptOptions,
): Promise<Conclusion> {
  const { pool } = options;
  const kept = pool.take(request.nextHop);
  if (kept !== undefined) {
    const conclusion = await deliver(kept, request, spanId, options, true);
    if (conclusion !== 'stale') {
      return conclusion;
    }
  }
  const connection = pool.create(request.nextHop);
  try {
    await connection.open();
  } catch (error) {
    const fault =
      error instanceof SessionFault
        ? error
        : new SessionFault('connect', 'error', messageOf(error));
    return faulty(request, fault, connection, false);
  }
  // A session that we have just opened is not stale; a loss in it is a loss.
  return (await deliver(connection, request, spanId, options, false)) as Conclusion;
}

/** `stale`: a kept session that the hop had closed in the meantime, noticed before any reply. */
async function deliver(
  connection: Connection,
  request: AttemptRequest,
  spanId: string,
  options: AttemptOptions,
  reused: boolean,
): Promise<Conclusion | 'stale'> {
  const { message, recipients } = request;
  const context = meshContext(request, spanId, options.node);
  const header = traceHeader(request.nextHop, context);
  const refusal = unsendable(connection, request, header.length + message.sizeBytes);
  if (refusal !== null) {
    options.pool.release(connection);
    const outcomes = recipients.map(() => refusal);
    return { outcomes, stage: 'mail', result: 'error', connection, reused };
  }
  const body = await request.openBody().catch(() => null);
  if (body === null || (Buffer.isBuffer(body) && body.length !== message.sizeBytes)) {
    options.pool.release(connection);
    return unreadable(recipients, connection, reused);
  }
  const { content, isDamaged } = contentOf(header, body, message.sizeBytes);
  const replies = await connection.transact({
    sender: message.sender,
    mailParameters: mailParameters(connection, request, context),
    recipients: recipients.map(({ address, notify, orcpt }) => ({
      address,
      parameters: connection.supports('DSN') ? dsnOfRecipient(notify, orcpt) : '',
    })),
    eightBit: message.eightBit,
    sizeBytes: header.length + message.sizeBytes,
    content,
  });
  if (!Buffer.isBuffer(body)) {
    // A transaction that ended before its content never touched it: the file would stay open.
    body.destroy();
  }
  if (isDamaged()) {
    return unreadable(recipients, connection, reused);
  }
  if (reused && isStale(replies)) {
    return 'stale';
  }
  return settleReplies(connection, request, replies, options, reused);
}

/** A truncated message was not sent, or cut off before its end. */
function unreadable(
  { length }: AttemptRequest['recipients'],
  connection: Connection,
  reused: boolean,
): Conclusion {
  const text = 'the stored body is missing or damaged; it was not sent';
  const outcomes = Array.from({ length }, () => ours('unreadable', null, text));
  return { outcomes, stage: 'data', result: 'error', connection, reused };
}

async function settleReplies(
  connection: Connection,
  request: AttemptRequest,
  replies: TransactionReplies,
  { pool }: AttemptOptions,
  reused: boolean,
): Promise<Conclusion> {
  const outcomes = outcomesOf(request, replies);
  const stage = lastStage(replies);
  const result =
    replies.fault?.result ?? (replies.dot?.code.toString().startsWith('2') ? 'accepted' : 'error');
  const conclusion: Conclusion = { outcomes, stage, result, connection, reused };
  if (replies.fault !== null || outcomes.some(({ kind }) => kind === 'hop-fault')) {
    connection.leave();
  } else if (replies.dot !== null || (await connection.resetSession())) {
    pool.release(connection);
  } else {
    connection.close();
  }
  return conclusion;
}

/**
 * Each recipient's own reply decides while it is a refusal; then the refusal of MAIL or DATA, then
 * the reply to the final dot. Without that reply the message is in doubt if all of it had left.
 */
function outcomesOf(request: AttemptRequest, replies: TransactionReplies): Outcome[] {
  return request.recipients.map((_, index): Outcome => {
    const rcpt = replies.rcpt[index] ?? null;
    const steps: Array<[Stage, typeof rcpt]> = [
      ['mail', replies.mail],
      ['rcpt', rcpt],
      ['data', replies.data],
      ['dot', replies.dot],
    ];
    for (const [stage, reply] of steps) {
      const good = stage === 'data' ? 3 : 2;
      if (reply !== null && (stage === 'dot' || Math.floor(reply.code / 100) !== good)) {
        const kind = classifyReply(stage, reply.code);
        return {
          kind,
          inTransaction: true,
          code: reply.code,
          enhanced: reply.enhanced,
          text: printableReply(reply.text),
        };
      }
    }
    const fault = replies.fault;
    return {
      kind: replies.sentWhole ? 'in-doubt' : 'hop-fault',
      inTransaction: true,
      code: fault?.code ?? null,
      enhanced: fault?.enhanced ?? null,
      text: printableReply(fault?.message ?? 'the hop did not answer'),
    };
  });
}

function lastStage(replies: TransactionReplies): Stage {
  if (replies.dot !== null || replies.sentWhole) {
    return 'dot';
  }
  const refused = replies.rcpt.every((reply) => reply !== null && reply.code >= 400);
  if (replies.data !== null && !refused && replies.mail?.code === 250) {
    return 'data';
  }
  return replies.mail === null || replies.mail.code >= 400 ? 'mail' : 'rcpt';
}

function isStale(replies: TransactionReplies): boolean {
  const farewell = replies.mail === null || replies.mail.code === 421;
  return (
    farewell && replies.fault !== null && replies.fault.result !== 'timeout' && !replies.sentWhole
  );
}

/** RFC 6531 §3.2, RFC 6152 §3, RFC 1870 §6.2: what the hop does not offer cannot be sent to it. */
function unsendable(
  connection: Connection,
  { message, recipients }: AttemptRequest,
  sizeBytes: number,
): Outcome | null {
  const international =
    !isAscii(message.sender) || recipients.some(({ address }) => !isAscii(address));
  if ((message.smtpUtf8 || international) && !connection.supports('SMTPUTF8')) {
    return ours('failed', '5.6.7', 'the next hop does not take internationalized mail (SMTPUTF8)');
  }
  if (message.eightBit && !connection.supports('8BITMIME')) {
    return ours('failed', '5.6.3', 'the next hop does not take 8-bit content (8BITMIME)');
  }
  const maxBytes = connection.maxSizeBytes;
  if (maxBytes !== null && sizeBytes > maxBytes) {
    const text = `the message has ${sizeBytes} bytes, the next hop takes ${maxBytes}`;
    return ours('failed', '5.3.4', text);
  }
  return null;
}

function ours(kind: Outcome['kind'], enhanced: string | null, text: string): Outcome {
  return { kind, inTransaction: false, code: null, enhanced, text };
}

function meshContext({ message }: AttemptRequest, spanId: string, node: string): MeshContext {
  const { traceId, path } = message.trace;
  const { queueId, doubt } = message;
  return { traceId, spanId, node, queueId, path: [...path, node], doubt };
}

function mailParameters(
  connection: Connection,
  request: AttemptRequest,
  context: MeshContext,
): string {
  const { message, recipients, nextHop } = request;
  const parameters: string[] = [];
  const ascii = isAscii(message.sender) && recipients.every(({ address }) => isAscii(address));
  if (message.smtpUtf8 && ascii) {
    // The library adds the keyword itself as soon as an address is not ASCII.
    parameters.push('SMTPUTF8');
  }
  if (connection.supports('DSN')) {
    if (message.ret !== null) {
      parameters.push(`RET=${message.ret}`);
    }
    if (message.envid !== null) {
      parameters.push(`ENVID=${message.envid}`);
    }
  }
  const mesh = nextHop.kind === 'node' && nextHop.trace === 'envelope';
  if (mesh && connection.authenticated && connection.supports('XMESH')) {
    parameters.push(`XMESH=${encodeXmesh(context)}`);
  }
  return parameters.map((parameter) => ` ${parameter}`).join('');
}

function dsnOfRecipient(notify: string | null, orcpt: string | null): string {
  return `${notify === null ? '' : ` NOTIFY=${notify}`}${orcpt === null ? '' : ` ORCPT=${orcpt}`}`;
}

/** What goes in front of the message where the hop is to carry the trace in a header. */
function traceHeader(nextHop: NextHop, context: MeshContext): Buffer {
  return nextHop.trace === 'header'
    ? Buffer.from(`X-Mesh-Trace: ${formatMeshContext(context)}\r\n`)
    : Buffer.alloc(0);
}

/** The bytes to send. `isDamaged`: the body turned out to be of another length than was stored. */
function contentOf(
  header: Buffer,
  body: Buffer | Readable,
  bodyBytes: number,
): { content: Buffer | Readable; isDamaged: () => boolean } {
  if (Buffer.isBuffer(body)) {
    const content = header.length === 0 ? body : Buffer.concat([header, body]);
    return { content, isDamaged: () => false };
  }
  let damaged = false;
  /** Fails where the length is wrong: a truncated message must never look whole. */
  async function* whole(stream: Readable): AsyncGenerator<Buffer> {
    if (header.length > 0) {
      yield header;
    }
    let sentBytes = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      sentBytes += chunk.length;
      yield chunk;
    }
    damaged = sentBytes !== bodyBytes;
    if (damaged) {
      throw new SessionFault('data', 'error', 'the stored body is not as long as it was');
    }
  }
  return { content: Readable.from(whole(body), { objectMode: false }), isDamaged: () => damaged };
}

function faulty(
  request: AttemptRequest,
  fault: SessionFault,
  connection: Connection | null,
  reused: boolean,
): Conclusion {
  const outcome: Outcome = {
    kind: 'hop-fault',
    inTransaction: false,
    code: fault.code,
    enhanced: fault.enhanced,
    text: printableReply(fault.message),
  };
  const outcomes = request.recipients.map(() => outcome);
  return { outcomes, stage: fault.stage, result: fault.result, connection, reused };
}

function report(
  request: AttemptRequest,
  { outcomes, stage, result, connection, reused }: Conclusion,
  timing: { spanId: string; startedAtMs: number; durationMs: number },
): AttemptReport {
  // The most telling outcome stands for the attempt: what went wrong, else what went well.
  const telling: Outcome =
    outcomes.find(({ kind }) => kind !== 'delivered') ?? (outcomes[0] as Outcome);
  const record: AttemptRecord = {
    span_id: timing.spanId,
    started_at: new Date(timing.startedAtMs).toISOString(),
    duration_ms: Math.round(timing.durationMs * 1000) / 1000,
    next_hop: request.nextHop.name,
    remote: connection?.remote ?? null,
    reused,
    tls: connection?.tlsInfo ?? null,
    user: connection?.loggedInAs ?? null,
    state: attemptState(stage, connection?.mechanism),
    result,
    code: telling.code,
    enhanced_code: telling.enhanced,
    description: telling.text,
    remote_queue_id: telling.kind === 'delivered' ? queueIdIn(telling.text) : null,
    phases_ms: connection?.takePhases() ?? {},
    recipients: request.recipients.map(({ address }) => address),
  };
  return { outcomes, record };
}
