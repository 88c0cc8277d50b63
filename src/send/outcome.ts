import type { SmtpReply } from '../format/reply.js';
import type { AttemptRecord, AttemptState } from '../trace/record.js';
import type { Mechanism } from './mechanism.js';
import { asksForLess, MAX_SEARCHED_LENGTH, retryAfterMsIn } from './throttling.js';

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
}

/** One attempt: an outcome for each recipient in the order of the request, and its record. */
export interface AttemptReport {
  outcomes: Outcome[];
  record: AttemptRecord;
  /** Hosts of the same hop that were tried before and could not be talked to, in order. */
  earlier?: AttemptRecord[];
  /** The host that was asked last: of a hop with several, the one that a doubt is about. */
  host?: string;
}

/** The part of a session in which a reply came. */
export type Stage =
  | 'connect'
  | 'greeting'
  | 'ehlo'
  | 'starttls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'dot'
  | 'rset';

/** One row of the table that says what a reply means. */
export interface ReplyRule {
  stages: readonly Stage[];
  /** Reply codes from and to, both included. */
  codes: readonly [number, number];
  /** Fits the reply's text, its enhanced code in front. Absent: any text. */
  pattern?: RegExp;
  kind: Outcome['kind'];
  /** The hop asks for less at a time. */
  slowDown?: true;
}

const SESSION: readonly Stage[] = ['connect', 'greeting', 'ehlo', 'starttls', 'auth', 'rset'];
const TRANSACTION: readonly Stage[] = ['mail', 'rcpt', 'data', 'dot'];

/**
 * (stage, code) → what it means; the first row that fits. A refused login or a missing permission
 * (535, 530, 454, 538), TLS troubles, a refused greeting and 421 are faults of the hop, never of
 * the message: it waits until somebody has healed the hop.
 */
const RULES: readonly ReplyRule[] = [
  { stages: SESSION, codes: [400, 599], kind: 'hop-fault' },
  { stages: TRANSACTION, codes: [421, 421], kind: 'hop-fault' },
  { stages: TRANSACTION, codes: [454, 454], kind: 'hop-fault' },
  { stages: TRANSACTION, codes: [530, 530], kind: 'hop-fault' },
  { stages: TRANSACTION, codes: [535, 535], kind: 'hop-fault' },
  { stages: TRANSACTION, codes: [538, 538], kind: 'hop-fault' },
  { stages: TRANSACTION, codes: [400, 499], kind: 'deferred' },
  { stages: TRANSACTION, codes: [500, 599], kind: 'failed' },
  { stages: ['dot'], codes: [200, 299], kind: 'delivered' },
];

/** What a reply means for the message, and for how much is sent to the hop. */
export type Meaning = Pick<Outcome, 'kind' | 'slowDown' | 'retryAfterMs'>;

/**
 * Meaning of a reply: the first row that fits, of the hop's own rules and then of the common ones. A
 * code that no row names (a 3xx where none belongs, text that is no reply) comes from a broken
 * peer: a fault of the hop. Whatever the row, 421 and words of throttling ask for less at a time,
 * and a 4yz reply may name the time after which to come back.
 */
export function classifyReply(
  stage: Stage,
  reply: Pick<SmtpReply, 'code' | 'enhanced' | 'text'>,
  rules: readonly ReplyRule[] = [],
): Meaning {
  const { code, enhanced, text } = reply;
  const words = (enhanced === null ? text : `${enhanced} ${text}`).slice(0, MAX_SEARCHED_LENGTH);
  const fits = ({ stages, codes, pattern }: ReplyRule): boolean =>
    stages.includes(stage) &&
    code >= codes[0] &&
    code <= codes[1] &&
    (pattern === undefined || pattern.test(words));
  const rule = rules.find(fits) ?? RULES.find(fits);
  const meaning: Meaning = { kind: rule?.kind ?? 'hop-fault' };
  if (rule?.slowDown === true || asksForLess(reply)) {
    meaning.slowDown = true;
  }
  const retryAfterMs = code >= 400 && code <= 499 ? retryAfterMsIn(text) : null;
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
