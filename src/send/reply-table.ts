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

/** What a refusal can mean; see `Outcome.kind`. There is none that would deliver. */
export type RefusalKind = 'deferred' | 'failed' | 'hop-fault';

/** One row that says what a refusal means. */
export interface ReplyRule {
  stages: readonly Stage[];
  /** Reply codes from and to, both included. */
  codes: readonly [number, number];
  /**
   * Patterns, see `fitsPattern`, of which one fits the whole reply: its enhanced code, a space and
   * its text, or the text alone where it has no such code. Absent: any words.
   */
  match?: readonly string[];
  kind: RefusalKind;
  /** The hop asks for less at a time. */
  slowDown?: true;
  /** See `Outcome.mayBeMessage`. */
  mayBeMessage?: true;
  /** See `Outcome.nextTransaction`. */
  nextTransaction?: true;
}

/** A row of the common tables, with its reason for people. */
export interface CommonRule extends ReplyRule {
  why: string;
}

export const SESSION: readonly Stage[] = [
  'connect',
  'greeting',
  'ehlo',
  'starttls',
  'auth',
  'rset',
];
export const TRANSACTION: readonly Stage[] = ['mail', 'rcpt', 'data', 'dot'];

/**
 * Codes that speak of the session, whatever the message: 421 closes it, the others want a login or
 * TLS. No row makes a failure of the message of them (RFC 5321 §3.8, RFC 4954 §6, RFC 3207 §4).
 */
export const SESSION_CODES: readonly number[] = [421, 454, 530, 535, 538];

/** RFC 3463 §3.4 and §3.5: the mail system is full; it takes no mail now; it is congested. */
const FULL_OR_BUSY = ['4.3.1 *', '4.3.2 *', '4.4.5 *'];

function ofTheSession(code: number, why: string): CommonRule {
  return { stages: TRANSACTION, codes: [code, code], kind: 'hop-fault', why };
}

/**
 * Replies of a node of the mesh, before the common table. A node says 4.3.z of itself only, and
 * what it says of its room or its end holds for every message.
 */
export const PEER_TABLE: readonly CommonRule[] = [
  {
    stages: TRANSACTION,
    codes: [400, 499],
    match: FULL_OR_BUSY,
    kind: 'hop-fault',
    why: 'the node is full or busy: it takes mail again when it has room',
  },
  {
    stages: TRANSACTION,
    codes: [400, 499],
    match: ['4.3.0 *'],
    kind: 'hop-fault',
    mayBeMessage: true,
    why: 'the node cannot store mail now, whatever mail',
  },
];

/**
 * (stage, code, words) → what a refusal means; the first row that fits. A refused login or a missing
 * permission, TLS troubles, a refused greeting and 421 are faults of the hop, never of the message:
 * it waits until somebody has healed the hop. A full or busy system is believed of strangers at MAIL
 * only: later in a transaction they say the same of a recipient's own store (RFC 3463 §3.4), or to
 * greylist.
 */
export const COMMON_TABLE: readonly CommonRule[] = [
  {
    stages: SESSION,
    codes: [400, 599],
    kind: 'hop-fault',
    why: 'nothing was said about a message yet: a login, TLS or the session itself was refused',
  },
  ofTheSession(421, 'the hop closes the session'),
  ofTheSession(454, 'TLS or the login is out of order for now'),
  ofTheSession(530, 'the hop wants a login or TLS'),
  ofTheSession(535, 'the hop does not know the login'),
  ofTheSession(538, 'the hop wants TLS for the login'),
  {
    stages: ['mail'],
    codes: [400, 499],
    match: FULL_OR_BUSY,
    kind: 'hop-fault',
    mayBeMessage: true,
    why: 'the hop is full or busy as a whole, or has no room for a message of this size',
  },
  {
    stages: ['mail'],
    codes: [452, 452],
    match: ['*storage*', '*space*'],
    kind: 'hop-fault',
    mayBeMessage: true,
    why: 'the same, in the words of hops without enhanced codes',
  },
  {
    stages: ['rcpt'],
    codes: [452, 452],
    match: ['4.5.3 *', '*too many recipients*'],
    kind: 'deferred',
    nextTransaction: true,
    why: 'enough recipients for one transaction (RFC 5321 §4.5.3.1.10)',
  },
  {
    stages: ['rcpt'],
    codes: [552, 552],
    match: ['5.5.3 *', '*too many recipients*'],
    kind: 'deferred',
    nextTransaction: true,
    why: 'the same with the code of RFC 821',
  },
  { stages: TRANSACTION, codes: [400, 499], kind: 'deferred', why: 'not now' },
  { stages: TRANSACTION, codes: [500, 599], kind: 'failed', why: 'never' },
];

/** One line of the README's table. */
export interface RuleDescription {
  stage: string;
  code: string;
  words: string;
  action: string;
  why: string;
}

/** The tables for people, in the order in which they are asked, with what applies around them. */
export function describeRules(): RuleDescription[] {
  const peer = PEER_TABLE.map((rule) => describe(rule, ' of a node of the mesh'));
  const common = COMMON_TABLE.map((rule) => describe(rule, ''));
  return [
    ...peer,
    ...common,
    {
      stage: 'dot',
      code: '2xx',
      words: '',
      action: 'delivered',
      why: 'the hop has taken responsibility',
    },
    {
      stage: 'any',
      code: 'any other',
      words: '',
      action: ACTIONS['hop-fault'],
      why: 'the peer is broken: success where none belongs, text that is no reply',
    },
    {
      stage: 'any',
      code: '421, 4xx',
      words: 'that ask for less: "too many connections", "rate limit", 4.4.5, 4.7.28 …',
      action: '`slow-down` besides',
      why: 'the mail is wanted, but not so fast',
    },
  ];
}

const ACTIONS: Readonly<Record<RefusalKind, string>> = {
  deferred: '`retry`',
  failed: '`bounce`',
  'hop-fault': '`pause`',
};

function describe(rule: CommonRule, from: string): RuleDescription {
  const { stages, codes, match = [], kind, mayBeMessage, nextTransaction, why } = rule;
  const stage =
    stages === SESSION ? 'before MAIL' : stages === TRANSACTION ? 'mail, rcpt, data, dot' : stages;
  const action =
    mayBeMessage === true
      ? '`pause`; from the third time in a row over one message `retry`'
      : nextTransaction === true
        ? 'in the next transaction, at once; `retry` when none was taken in this one'
        : ACTIONS[kind];
  return {
    stage: `${String(stage)}${from}`,
    code: codesText(codes),
    words: match.map((pattern) => `\`${pattern}\``).join(' or '),
    action,
    why,
  };
}

function codesText([first, last]: readonly [number, number]): string {
  if (first === last) return String(first);
  const whole = first % 100 === 0 && last % 100 === 99;
  if (!whole) return `${first} to ${last}`;
  const classes = [first, last].map((code) => `${Math.floor(code / 100)}xx`);
  return [...new Set(classes)].join(', ');
}
