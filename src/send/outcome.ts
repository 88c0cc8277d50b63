import { fitsPattern } from '../format/pattern.js';
import type { SmtpReply } from '../format/reply.js';
import type { AttemptRecord, AttemptState } from '../trace/record.js';
import type { Mechanism } from './mechanism.js';
import type { NextHop } from './next-hop.js';
import {
  COMMON_TABLE,
  PEER_TABLE,
  SESSION_CODES,
  type ReplyRule,
  type Stage,
} from './reply-table.js';
import { asksForLess, MAX_SEARCHED_LENGTH, retryAfterMsIn } from './throttling.js';

export type { Stage } from './reply-table.js';

/** What one attempt meant for one recipient. */
export interface Outcome {
  /**
   * `delivered`: the next hop has taken responsibility. `deferred`: try again later. `failed`: tell
   * the sender. `hop-fault`: nothing was learnt about the message; the destination pauses and the
   * mail stays. `in-doubt`: the reply to the final dot was lost; the same hop is asked again.
   * `unreadable`: the stored body is damaged and was not sent.
   */
  kind: 'delivered' | 'deferred' | 'failed' | 'hop-fault' | 'in-doubt' | 'unreadable';
  /** It happened after MAIL, so that the message itself may be what the hop stumbles over. */
  inTransaction: boolean;
  code: number | null;
  enhanced: string | null;
  /** The remote's words, or ours when it said nothing. */
  text: string;
  /** Where the reply to this recipient came, when it had one of its own. */
  stage?: Stage;
  /** The hop asks for less at a time: the queue slows down. */
  slowDown?: boolean;
  /** The hop named the time after which to come back. */
  retryAfterMs?: number;
  /**
   * A fault of the hop that may yet be about this message only, such as its size: from the third
   * time in a row on it has to cost an attempt, so that one message never blocks the others.
   */
  mayBeMessage?: boolean;
  /**
   * The hop took other recipients of this transaction and no more of them: this one belongs into
   * the next transaction, at once and at no cost (RFC 5321 §4.5.3.1.10).
   */
  nextTransaction?: boolean;
  /**
   * `failed`, since the hop lacks what the message demands of it and other mail does not (RFC 8689):
   * another hop may have it.
   */
  unfit?: true;
}

/** One attempt: an outcome for each recipient in the order of the request, and its record. */
export interface AttemptReport {
  outcomes: Outcome[];
  record: AttemptRecord;
  /** Hosts of the same hop that were tried before and could not be talked to, in order. */
  earlier?: AttemptRecord[];
  /** The host that was asked last: of a hop with several, the one that a doubt is about. */
  host?: string;
  /** It offered DSN (RFC 3461), so that it got what the sender wants to hear, and sees to it. */
  dsnOffered?: boolean;
}

/** What a reply means for the message, and for how much is sent to the hop. */
export type Meaning = Pick<
  Outcome,
  'kind' | 'slowDown' | 'retryAfterMs' | 'mayBeMessage' | 'nextTransaction'
>;

/** What of a hop decides about its replies. */
export type Replier = Partial<Pick<NextHop, 'kind' | 'replyRules'>>;

/**
 * Meaning of a reply: for a refusal the first row that fits, of the hop's own rules, of those for
 * nodes of the mesh if it is one, and of the common ones. A code that no row names (a 3xx where none
 * belongs, text that is no reply) comes from a broken peer: a fault of the hop. Whatever the row,
 * only a 2yz to the final dot delivers; what is said of the session is no failure of the message;
 * 421 and words of throttling ask for less at a time; and a 4yz reply may name the time after which
 * to come back.
 */
export function classifyReply(
  stage: Stage,
  reply: Pick<SmtpReply, 'code' | 'enhanced' | 'text'>,
  { kind: hopKind, replyRules = [] }: Replier = {},
): Meaning {
  const { code, enhanced, text } = reply;
  if (code < 400 || code > 599) {
    const delivers = stage === 'dot' && code >= 200 && code <= 299;
    return { kind: delivers ? 'delivered' : 'hop-fault' };
  }
  const words = (enhanced === null ? text : `${enhanced} ${text}`).slice(0, MAX_SEARCHED_LENGTH);
  const fits = ({ stages, codes, match, kind }: ReplyRule): boolean =>
    stages.includes(stage) &&
    code >= codes[0] &&
    code <= codes[1] &&
    !(kind === 'failed' && SESSION_CODES.includes(code)) &&
    (match === undefined || match.some((pattern) => fitsPattern(pattern, words)));
  const rule =
    replyRules.find(fits) ??
    (hopKind === 'node' ? PEER_TABLE.find(fits) : undefined) ??
    COMMON_TABLE.find(fits);
  const meaning: Meaning = { kind: rule?.kind ?? 'hop-fault' };
  if (rule?.mayBeMessage === true) {
    meaning.mayBeMessage = true;
  }
  if (rule?.slowDown === true || asksForLess(reply)) {
    meaning.slowDown = true;
  } else if (rule?.nextTransaction === true) {
    meaning.nextTransaction = true;
  }
  const retryAfterMs = code <= 499 ? retryAfterMsIn(text) : null;
  if (retryAfterMs !== null) {
    meaning.retryAfterMs = retryAfterMs;
  }
  return meaning;
}

const AUTH_STATES: Readonly<Record<Mechanism, AttemptState>> = {
  PLAIN: 'authplain',
  LOGIN: 'authlogin',
  'CRAM-MD5': 'authcrammd5',
  XOAUTH2: 'authxoauth2',
  EXTERNAL: 'authexternal',
};

/** The `state` name of a record for the stage in which an attempt ended. */
export function attemptState(stage: Stage, mechanism: Mechanism = 'PLAIN'): AttemptState {
  switch (stage) {
    case 'connect':
    case 'greeting':
    case 'ehlo':
    case 'rset':
      return 'connect';
    case 'starttls':
      return 'starttls';
    case 'auth':
      return AUTH_STATES[mechanism];
    case 'mail':
      return 'mailfrom';
    case 'rcpt':
      return 'rcptto';
    case 'data':
      return 'data';
    case 'dot':
      return 'message';
  }
}
