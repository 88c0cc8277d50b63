import { isOpenAction } from '../../../trace/actions.js';
import { nodesAt } from '../../../trace/hop-names.js';
import type { ChainHop, ChainTrace } from '../../../trace/record.js';
import type { Evidence } from '../evidence.js';
import type { Finding } from '../verdict.js';
import { mailboxKey, notArrived, type Mail } from './mail.js';
import { count, listed, titleOf } from './words.js';

/**
 * What became of a recipient that no sink has the message for. `waiting`: in the queue of a node
 * that runs. `held`: in a node that cannot be asked. `unknown`: its trace was not asked for, ends at a
 * node whose queue is not empty, or at a tier of which no node holds mail: the broker is not asked.
 */
export type Fate =
  | { kind: 'failed' }
  | { kind: 'waiting' | 'held'; node: string }
  | { kind: 'unknown' }
  | { kind: 'lost'; lastSeen: string };

/**
 * `accounted`: each recipient of each accepted message is at a sink, was given up, or waits in a
 * queue. Mail in a node that does not run makes it inconclusive: its spool cannot be looked into.
 */
export function judgeAccounted(evidence: Evidence, mail: readonly Mail[]): Finding[] {
  const accepted = mail.filter(({ sent }) => sent.outcome === 'accepted');
  const recipients = accepted.reduce((sum, { sent }) => sum + sent.recipients.length, 0);
  const missing = accepted.flatMap((one) =>
    notArrived(one).map((recipient) => ({ one, fate: fateOf(evidence, one, recipient) })),
  );
  const of = (kind: Fate['kind']): typeof missing =>
    missing.filter(({ fate }) => fate.kind === kind);
  const lost = of('lost');
  const uncertain = [...of('held'), ...of('unknown')];
  const parts = [`${count(recipients - missing.length, 'recipient')} reached`];
  if (of('failed').length > 0) parts.push(`${of('failed').length} given up`);
  for (const [kind, words] of [
    ['waiting', 'waiting at'],
    ['held', 'in nodes that cannot be asked:'],
  ] as const) {
    const nodes = of(kind).flatMap(({ fate }) => ('node' in fate ? [fate.node] : []));
    if (nodes.length > 0) parts.push(`${nodes.length} ${words} ${listed([...new Set(nodes)])}`);
  }
  if (of('unknown').length > 0) parts.push(`${of('unknown').length} without a known trace`);
  const [first] = lost.length > 0 ? lost : uncertain;
  if (lost.length > 0) {
    const { fate, one } = lost[0] as (typeof lost)[number];
    const lastSeen = fate.kind === 'lost' ? fate.lastSeen : '';
    parts.push(`${lost.length} lost, such as ${titleOf(one.sent)} (${lastSeen})`);
  }
  return [
    {
      kind: 'accounted',
      verdict: lost.length > 0 ? 'FAIL' : uncertain.length > 0 ? 'INCONCLUSIVE' : 'PASS',
      expected: 'every accepted recipient reached, given up or waiting',
      actual: parts.join(', '),
      ...(first === undefined ? {} : { offender: first.one.sent.messageId }),
    },
  ];
}

export function fateOf(
  { queued }: Pick<Evidence, 'queued'>,
  { sent, trace }: Mail,
  recipient: string,
): Fate {
  if (trace === 'unasked') return { kind: 'unknown' };
  if (trace === 'missing') {
    if (queued[sent.via] === null) return { kind: 'held', node: sent.via };
    if ((queued[sent.via] ?? 0) > 0) return { kind: 'unknown' };
    return { kind: 'lost', lastSeen: `accepted by ${sent.via}, no trace` };
  }
  const seen = seenAt(trace, recipient);
  if (seen.some(({ action }) => action === 'failed')) return { kind: 'failed' };
  const waits = seen.filter(({ action }) => isOpenAction(action));
  const holders = waits.flatMap(({ nodes }) => nodes);
  const waiting = holders.find((node) => (queued[node] ?? 0) > 0);
  if (waiting !== undefined) return { kind: 'waiting', node: waiting };
  const holder = holders.find((node) => queued[node] === null) ?? trace.unreachable[0]?.node;
  if (holder !== undefined) return { kind: 'held', node: holder };
  if (waits.some(({ isShared }) => isShared)) return { kind: 'unknown' };
  const down = nextOfLast(trace, recipient);
  if (down !== undefined && !seen.some(({ node }) => node === down)) {
    if (queued[down] === null) return { kind: 'held', node: down };
    if ((queued[down] ?? 0) > 0) return { kind: 'unknown' };
  }
  const last = seen.at(-1);
  return {
    kind: 'lost',
    lastSeen: last === undefined ? 'not in its trace' : `last seen at ${last.node}: ${last.action}`,
  };
}

interface Seen {
  node: string;
  /** Where it can wait, if it does: in a tier, the nodes that have worked on it or hold it. */
  nodes: string[];
  /** With other nodes of a tier. */
  isShared: boolean;
  action: ChainHop['action'];
}

/** What each hop says of a recipient, in the order of the path. */
function seenAt({ hops }: ChainTrace, recipient: string): Seen[] {
  const wanted = mailboxKey(recipient);
  return hops
    .filter(({ bounce_of }) => bounce_of === null)
    .flatMap((hop) => {
      const { node, tier, waiting = [], recipients } = hop;
      const nodes = [...nodesAt(hop), ...waiting.map((one) => one.node ?? node)];
      return recipients
        .filter(({ address }) => mailboxKey(address) === wanted)
        .map(({ action }) => ({ node, nodes, isShared: tier !== undefined, action }));
    });
}

/** Where the last hop that knows a recipient has sent it. */
function nextOfLast({ hops }: ChainTrace, recipient: string): string | undefined {
  const wanted = mailboxKey(recipient);
  return hops
    .flatMap(({ attempts }) => attempts)
    .findLast(
      ({ result, recipients }) =>
        result === 'accepted' && recipients.some((to) => mailboxKey(to) === wanted),
    )?.next_hop;
}
