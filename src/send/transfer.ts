import { printableReply } from '../format/reply.js';
import type { AttemptRecord } from '../trace/record.js';
import type { Connection } from './connection.js';
import type { ConnectionPool } from './connection-pool.js';
import { contentOf } from './content.js';
import {
  dsnOfRecipient,
  mailParameters,
  meshContext,
  traceHeader,
  unsendable,
} from './mail-parameters.js';
import type { NextHop } from './next-hop.js';
import { classifyReply, type Meaning, type Outcome, type Stage } from './outcome.js';
import type { AttemptRequest } from './request.js';
import { tlsFault } from './require-tls.js';
import type { SessionFault } from './session-fault.js';
import type { Reply, TransactionReplies } from './transaction.js';

/** What came of talking to one host, before it is written down. */
export interface Conclusion {
  outcomes: Outcome[];
  /** Where it ended. */
  stage: Stage;
  result: AttemptRecord['result'];
  connection: Connection | null;
  /** The session was open before. */
  reused: boolean;
}

export interface TransferOptions {
  pool: ConnectionPool;
  /** Our name in the mesh. */
  node: string;
  spanId: string;
  reused: boolean;
}

/**
 * Hands a message over in an open session, and gives the session back or ends it. `stale`: a kept
 * session that the hop had closed in the meantime, noticed before any reply.
 */
export async function transfer(
  connection: Connection,
  request: AttemptRequest,
  options: TransferOptions,
): Promise<Conclusion | 'stale'> {
  const { message, recipients, capacity } = request;
  const { pool, reused } = options;
  const context = meshContext(request, options.spanId, options.node);
  const header = traceHeader(connection.nextHop, context);
  const sizeBytes = header.length + message.sizeBytes;
  const refusal = unsendable(connection, request, sizeBytes);
  if (refusal !== null) {
    pool.release(connection, capacity);
    const outcomes = recipients.map(() => refusal);
    return { outcomes, stage: 'mail', result: 'error', connection, reused };
  }
  const body = await request.openBody().catch((error: unknown) => {
    // Nothing is known of the body: that is for who keeps it to say.
    pool.release(connection, capacity);
    throw error;
  });
  if (body === null || (Buffer.isBuffer(body) && body.length !== message.sizeBytes)) {
    pool.release(connection, capacity);
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
    sizeBytes,
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
  return settleReplies(connection, request, replies, options);
}

/** No session came about, or it ended before MAIL: the same for all recipients. */
export function faulty(
  request: AttemptRequest,
  fault: SessionFault,
  connection: Connection | null,
): Conclusion {
  const { nextHop, message } = request;
  const outcome = tlsFault(fault, nextHop, message) ?? outcomeOfFault(fault, nextHop);
  const outcomes = request.recipients.map(() => outcome);
  return { outcomes, stage: fault.stage, result: fault.result, connection, reused: false };
}

function outcomeOfFault(fault: SessionFault, nextHop: NextHop): Outcome {
  const meaning = meaningOf(fault, nextHop);
  // What a message brought itself and what is wrong is its own trouble: it must not stop the queue.
  const asked =
    (nextHop.ofMessage === true && fault.stage === 'auth') ||
    (nextHop.securedByMessage === true && fault.stage === 'starttls');
  const ofMessage = asked && fault.result === 'error' && fault.code !== 421;
  return {
    ...meaning,
    kind: ofMessage ? 'deferred' : meaning.kind,
    inTransaction: false,
    code: fault.code,
    enhanced: fault.enhanced,
    text: printableReply(fault.message),
  };
}

/** A fault without a reply says nothing but that it is one. */
function meaningOf(fault: SessionFault, nextHop: NextHop): Meaning {
  const { code, enhanced, message: text } = fault;
  return code === null
    ? { kind: 'hop-fault' }
    : classifyReply(fault.stage, { code, enhanced, text }, nextHop);
}

/** A truncated message was not sent, or cut off before its end. */
function unreadable(
  { length }: AttemptRequest['recipients'],
  connection: Connection,
  reused: boolean,
): Conclusion {
  const outcome: Outcome = {
    kind: 'unreadable',
    inTransaction: false,
    code: null,
    enhanced: null,
    text: 'the stored body is missing or damaged; it was not sent',
  };
  const outcomes = Array.from({ length }, () => outcome);
  return { outcomes, stage: 'data', result: 'error', connection, reused };
}

async function settleReplies(
  connection: Connection,
  request: AttemptRequest,
  replies: TransactionReplies,
  { pool, reused }: TransferOptions,
): Promise<Conclusion> {
  const outcomes = outcomesOf(request, replies);
  const stage = lastStage(replies);
  const invalid = outcomes.some(({ kind, code }) => isOpen(kind) && code === null);
  const result =
    replies.fault?.result ??
    (Math.floor((replies.dot?.code ?? 0) / 100) === 2 ? 'accepted' : invalid ? 'invalid' : 'error');
  const conclusion: Conclusion = { outcomes, stage, result, connection, reused };
  if (replies.fault !== null || outcomes.some(({ kind }) => isOpen(kind))) {
    connection.leave();
  } else if (replies.dot !== null || (await connection.resetSession())) {
    pool.release(connection, request.capacity);
  } else {
    connection.close();
  }
  return conclusion;
}

/**
 * Each recipient's own reply decides while it is a refusal; then the refusal of MAIL or DATA, then
 * the reply to the final dot. Without that reply, or with words that are none, the message is in
 * doubt if all of it had left.
 */
function outcomesOf(request: AttemptRequest, replies: TransactionReplies): Outcome[] {
  const { nextHop } = request;
  const outcomes = request.recipients.map((_, index): Outcome => {
    const stage = decidingStage(replies, index);
    const reply = stage === 'rcpt' ? replies.rcpt[index] : stage === null ? null : replies[stage];
    if (stage !== null && reply != null) {
      const meaning = classifyReply(stage, reply, nextHop);
      const outcome: Outcome = {
        kind: isNoAnswer(stage, reply) && replies.sentWhole ? 'in-doubt' : meaning.kind,
        inTransaction: true,
        stage,
        // Text that is no reply has no code.
        code: reply.code === 0 ? null : reply.code,
        enhanced: reply.enhanced,
        text: printableReply(reply.text),
      };
      // Most replies say that all is well, and nothing else.
      return outcome.kind === 'delivered' ? outcome : { ...meaning, ...outcome };
    }
    const { fault } = replies;
    return {
      ...(fault === null ? {} : meaningOf(fault, nextHop)),
      kind: replies.sentWhole ? 'in-doubt' : 'hop-fault',
      inTransaction: true,
      code: fault?.code ?? null,
      enhanced: fault?.enhanced ?? null,
      text: printableReply(fault?.message ?? 'the hop did not answer'),
    };
  });
  if (!outcomes.some(({ kind }) => kind === 'delivered')) {
    // Where it took nobody, a next transaction at once would fare no better.
    for (const outcome of outcomes) {
      delete outcome.nextTransaction;
    }
  }
  return outcomes;
}

/** The step whose reply decides for a recipient; null when none came that does. */
function decidingStage(
  { mail, rcpt, data, dot }: TransactionReplies,
  index: number,
): 'mail' | 'rcpt' | 'data' | 'dot' | null {
  if (isOther(mail, 2)) return 'mail';
  if (isOther(rcpt[index] ?? null, 2)) return 'rcpt';
  if (isOther(data, 3)) return 'data';
  return dot === null ? null : 'dot';
}

/** A reply, of another class than the good one. */
function isOther(reply: Reply | null, goodClass: number): boolean {
  return reply !== null && Math.floor(reply.code / 100) !== goodClass;
}

/** Nothing was learnt about the message. */
function isOpen(kind: Outcome['kind']): boolean {
  return kind === 'hop-fault' || kind === 'in-doubt';
}

/** To the final dot neither success nor refusal (RFC 5321 §4.2.1): the hop may have the message. */
function isNoAnswer(stage: Stage, { code }: Reply): boolean {
  return stage === 'dot' && (code < 200 || (code >= 300 && code <= 399) || code > 599);
}

function lastStage(replies: TransactionReplies): Stage {
  if (replies.dot !== null || replies.sentWhole) {
    return 'dot';
  }
  const answered = replies.rcpt.every((reply) => reply !== null);
  const taken = replies.rcpt.some((reply) => reply !== null && Math.floor(reply.code / 100) === 2);
  if (replies.mail?.code === 250 && answered && taken) {
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
