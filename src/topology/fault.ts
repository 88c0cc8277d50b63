/**
 * Every rule that a topology is checked by: its weight and what it means. The names are stable;
 * scripts and editors filter by them. `error` refuses the file, `warning` does not.
 */
export const RULES = {
  'alias-bomb': { severity: 'error', meaning: 'YAML aliases that repeat too much or without end.' },
  'certificate-name': {
    severity: 'error',
    meaning:
      'A certificate does not carry the name that a `verified` hop or a login checks it for.',
  },
  'certificate-without-tls': {
    severity: 'error',
    meaning:
      'A link logs in by certificate and may do without TLS; a warning where the other end is not verified.',
  },
  'cleartext-secret': {
    severity: 'error',
    meaning:
      'A password, token or key stands in the file itself; a warning where it only looks like one.',
  },
  cycle: {
    severity: 'error',
    meaning: 'Nodes that forward to each other in a circle; a warning when only some mail does.',
  },
  'delivers-by-mx': {
    severity: 'warning',
    meaning: 'A node of a run on one machine whose mail would go to the real internet.',
  },
  'different-brokers': {
    severity: 'warning',
    meaning: 'Nodes of one tier whose shared spools are at different brokers.',
  },
  'different-secret': {
    severity: 'warning',
    meaning: 'A login uses another secret than the user that it logs in as.',
  },
  'duplicate-key': { severity: 'error', meaning: 'A key that stands twice in one mapping.' },
  'duplicate-link': { severity: 'error', meaning: 'Two links between the same two nodes.' },
  'duplicate-listener': { severity: 'error', meaning: 'Two listeners of a node share a name.' },
  'duplicate-name': {
    severity: 'error',
    meaning: 'Two of a node, a sink and a broker share a name.',
  },
  'duplicate-pool-member': {
    severity: 'error',
    meaning: 'A next hop that stands twice in a pool and its failover.',
  },
  'duplicate-port': { severity: 'error', meaning: 'Two servers want the same address and port.' },
  'duplicate-username': {
    severity: 'error',
    meaning: 'Two users or link peers of a node share a username.',
  },
  'expired-certificate': {
    severity: 'error',
    meaning: 'A certificate that is not valid now.',
  },
  'expires-before-retry': {
    severity: 'warning',
    meaning: 'Mail expires before its second attempt.',
  },
  'file-too-large': { severity: 'error', meaning: 'A file over 1 MiB.' },
  'flat-key-conflict': {
    severity: 'error',
    meaning:
      '`smarthost-…`, `smtp-sink-…` or `rabbitmq-…` keys without what they are about, or beside a mapping.',
  },
  'invalid-certificate': {
    severity: 'error',
    meaning:
      'A certificate or key that cannot be used: unreadable, not a pair, or not for its purpose.',
  },
  'invalid-lint-comment': {
    severity: 'warning',
    meaning: 'A comment for the linter without a rule that exists or without a reason.',
  },
  'invalid-value': { severity: 'error', meaning: 'A value of the wrong kind or range.' },
  'lifetime-shrinks': {
    severity: 'warning',
    meaning: 'A node gives mail up sooner (`expire-after`) than one that sends to it.',
  },
  'limit-below-workers': {
    severity: 'warning',
    meaning: 'A limit of a node is less than its `workers`, each of which counts at least 1.',
  },
  'loopback-listener': {
    severity: 'warning',
    meaning: 'A listener on loopback that nodes on other machines are to connect to.',
  },
  'missing-ca': {
    severity: 'error',
    meaning:
      'A `verified` hop or a login by certificate inside the mesh, and no CA to verify with.',
  },
  'missing-certificate': {
    severity: 'error',
    meaning: 'A listener offers TLS, or a link shows a certificate, and there is none or no key.',
  },
  'missing-credential': {
    severity: 'error',
    meaning: 'A hop that wants a login, and half of one or none is given.',
  },
  'missing-key': { severity: 'error', meaning: 'A key that has to be there.' },
  'not-utf8': { severity: 'error', meaning: 'A file that is not UTF-8 text.' },
  'one-machine-only': {
    severity: 'error',
    meaning:
      '`generate`, `ephemeral`, `port: auto` or an entry of `brokers` in a mesh of several machines.',
  },
  'open-relay': { severity: 'error', meaning: '`relay-from` lets the whole internet relay.' },
  'password-and-token': {
    severity: 'error',
    meaning: 'A login with more than one of password, access token and certificate.',
  },
  'secret-unavailable': {
    severity: 'warning',
    meaning: 'A secret whose variable or file is not on this machine.',
  },
  'self-link': { severity: 'error', meaning: 'A link from a node to itself.' },
  'size-shrinks': {
    severity: 'warning',
    meaning: 'A node refuses sizes of messages or headers that one that sends to it takes.',
  },
  'several-documents': { severity: 'error', meaning: 'More than one YAML document in a file.' },
  steering: {
    severity: 'warning',
    meaning: '`steer-to` without `may: [steer]`, or the reverse.',
  },
  'token-missing': {
    severity: 'warning',
    meaning: 'An API that other machines reach, and no token that the other nodes know.',
  },
  'too-few-sessions': {
    severity: 'warning',
    meaning: 'The nodes before one may open more connections than its `max-sessions`.',
  },
  'too-little-capacity': {
    severity: 'warning',
    meaning: 'Rate limits before a node let more through than its own rate limits pass on.',
  },
  'too-many-hops': {
    severity: 'error',
    meaning:
      'A way over more than 100 nodes, which refuse that as a loop; a warning over more than 25.',
  },
  'tls-mismatch': {
    severity: 'error',
    meaning: 'A hop wants TLS that the other end does not offer, or refuses TLS that it demands.',
  },
  'trace-without-login': {
    severity: 'warning',
    meaning: '`trace: envelope` on a link without a login, where it cannot travel.',
  },
  'plaintext-login': { severity: 'error', meaning: 'A login that would cross a network in clear.' },
  'plaintext-token': {
    severity: 'warning',
    meaning: 'An API that other machines reach: its token crosses the network in clear.',
  },
  'unfit-change': {
    severity: 'error',
    meaning: 'A `change` of a test with which the topology is not in order.',
  },
  'unfit-expectation': {
    severity: 'error',
    meaning: 'An expectation of a test that can never hold, or that says nothing.',
  },
  'unfit-hash': {
    severity: 'error',
    meaning:
      'A hash of a password that cannot be used; a warning where a login needs the password itself.',
  },
  'unfit-spool': {
    severity: 'error',
    meaning: 'A key that cannot go with the shared `spool` of a node, or not without one.',
  },
  'unfit-step': {
    severity: 'error',
    meaning: 'A step of a test that cannot be done; a warning where it only does nothing.',
  },
  'unknown-broker': { severity: 'error', meaning: 'A name that no broker has.' },
  'unknown-key': { severity: 'error', meaning: 'A key that does not exist here.' },
  'unknown-listener': { severity: 'error', meaning: 'A listener that the node does not have.' },
  'unknown-node': { severity: 'error', meaning: 'A name that no node or sink has.' },
  'unknown-secret': { severity: 'error', meaning: 'A secret that is not declared.' },
  'unknown-user': { severity: 'error', meaning: 'A login that the other end does not know.' },
  'unreachable-node': { severity: 'error', meaning: 'A node that no mail can reach.' },
  'unreachable-route': {
    severity: 'warning',
    meaning: 'A route after one that takes all mail, or that has the same conditions.',
  },
  'unreachable-sink': { severity: 'warning', meaning: 'A sink that no mail can reach.' },
  'unreadable-file': { severity: 'error', meaning: 'A topology file that cannot be read.' },
  'untrusted-certificate': {
    severity: 'error',
    meaning: 'A certificate that the CA of the verifying node does not vouch for.',
  },
  'unused-broker': { severity: 'warning', meaning: 'A broker at which no node has its spool.' },
  'unused-lint-comment': {
    severity: 'warning',
    meaning: 'A comment for the linter that silences nothing.',
  },
  'unused-link': { severity: 'warning', meaning: 'A link that no mail takes.' },
  'unused-secret': { severity: 'warning', meaning: 'A secret that nothing refers to.' },
  'weak-hash': {
    severity: 'warning',
    meaning:
      'A hash of so low a cost that its password is cheap to guess, or one of another program, which is taken as the password itself.',
  },
  'zero-weight-pool': {
    severity: 'error',
    meaning: 'A pool in which every weight is 0.',
  },
  'yaml-syntax': { severity: 'error', meaning: 'Text that is not YAML.' },
  'yaml-tag': { severity: 'error', meaning: 'A YAML tag that is not a plain one.' },
} as const satisfies Record<string, { severity: Severity; meaning: string }>;

export type Severity = 'error' | 'warning';
export type RuleId = keyof typeof RULES;

/** Keys and indexes from the root of the file to a value. */
export type Path = ReadonlyArray<string | number>;

/** One thing that is wrong with a topology file. Never holds a secret. */
export interface Fault {
  ruleId: RuleId;
  severity: Severity;
  /** What is wrong, for people; no full stop at the end. */
  message: string;
  /** What to do about it. */
  hint?: string;
  /** The file, or another place that has no lines: an environment variable, the command line. */
  file: string;
  /** Both from 1, or 0 where there are no lines; columns count UTF-16 units. */
  line: number;
  column: number;
}

/** `FILE:LINE:COL: error: message [rule-id]` and, indented below, the hint. */
export function describeFault(fault: Fault): string {
  const place = placeOf(fault);
  const hint = fault.hint === undefined ? '' : `\n    ${fault.hint}`;
  return `${place}: ${fault.severity}: ${fault.message} [${fault.ruleId}]${hint}`;
}

/** `FILE:LINE:COL`, or the name of a place that has no lines. */
export function placeOf(place: { file: string; line: number; column: number }): string {
  return place.line === 0 ? place.file : `${place.file}:${place.line}:${place.column}`;
}

/** Faults in the order of the file. */
export function inFileOrder(faults: readonly Fault[]): Fault[] {
  return [...faults].sort(
    (a, b) =>
      a.line - b.line ||
      a.column - b.column ||
      a.ruleId.localeCompare(b.ruleId) ||
      a.message.localeCompare(b.message),
  );
}
