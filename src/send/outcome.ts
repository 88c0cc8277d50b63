import type { AttemptRecord, AttemptState } from '../trace/record.js';

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
}

/** One attempt: an outcome for each recipient in the order of the request, and its record. */
export interface AttemptReport {
  outcomes: Outcome[];
  record: AttemptRecord;
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

interface Rule {
  stages: readonly Stage[];
  /** Reply codes from and to, both included. */
  codes: readonly [number, number];
  kind: Outcome['kind'];
}

const SESSION: readonly Stage[] = ['connect', 'greeting', 'ehlo', 'starttls', 'auth', 'rset'];
const TRANSACTION: readonly Stage[] = ['mail', 'rcpt', 'data', 'dot'];

/**
 * (stage, code) → what it means; the first row that fits. A refused login or a missing permission
 * (535, 530, 454, 538), TLS troubles, a refused greeting and 421 are faults of the hop, never of
 * the message: it waits until somebody has healed the hop.
 */
const RULES: readonly Rule[] = [
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

/**
 * Meaning of a reply. A code that no row names (a 3xx where none belongs, text that is no reply)
 * comes from a broken peer: a fault of the hop.
 */
export function classifyReply(stage: Stage, code: number): Outcome['kind'] {
  const rule = RULES.find(
    ({ stages, codes }) => stages.includes(stage) && code >= codes[0] && code <= codes[1],
  );
  return rule?.kind ?? 'hop-fault';
}

/** The `state` name of a record for the stage in which an attempt ended. */
export function attemptState(stage: Stage, mechanism: 'PLAIN' | 'LOGIN' = 'PLAIN'): AttemptState {
  switch (stage) {
    case 'connect':
    case 'greeting':
    case 'ehlo':
    case 'rset':
      return 'connect';
    case 'starttls':
      return 'starttls';
    case 'auth':
      return mechanism === 'LOGIN' ? 'authlogin' : 'authplain';
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
