import { domainOf } from '../format/address.js';
import type { MessageSmarthost } from '../format/message-settings.js';
import { fitsPattern } from '../format/pattern.js';
import type { NextHop } from '../send/next-hop.js';
import {
  namedHop,
  type Comparison,
  type RouteHop,
  type RouteRule,
  type RouteTable,
  type RouteTarget,
} from './table.js';

/** The queue of a message with its own smarthost is this and `host:port`. */
export const OWN_SMARTHOST_PREFIX = '(smarthost) ';

/** What routing may know of a message and one of its recipients. */
export interface RouteQuery {
  queueId: string;
  /** '' is the null sender. */
  sender: string;
  recipient: string;
  /** Login of the client, or null. */
  user: string | null;
  sizeBytes: number;
  tags: readonly string[];
  /** Attempts so far that counted. */
  attempts: number;
  /** The smarthost that the message brings itself; it wins over everything that is configured. */
  own: MessageSmarthost | null;
  /** Queue of the hop that may already have the message: no other one is asked. */
  doubtQueue: string | null;
  /** Queues whose hops lack what the message demands: others are asked, as long as there are any. */
  unfitQueues?: readonly string[];
}

/** Where a recipient's mail goes, and how that came about. */
export interface Decision {
  /** Name of the queue. */
  queue: string;
  to:
    | { kind: 'hop'; nextHop: NextHop }
    | { kind: 'mx'; domain: string }
    | { kind: 'own'; smarthost: MessageSmarthost };
  /** Place of the rule in the table, or null: no rule, or the message's own smarthost. */
  rule: number | null;
  /** How one of several hops was chosen; null where there was nothing to choose. */
  choice: 'weight' | 'doubt' | 'failover' | 'none-well' | null;
}

/** False for a queue whose hop is at fault: others are asked meanwhile. */
export type IsWell = (queue: string) => boolean;

/**
 * Where a message goes next for one recipient. Pure: the same arguments give the same answer, also
 * the choice within a pool, which follows from the queue id. Asked at every attempt and never at
 * acceptance, so that a changed topology also moves mail that is already waiting.
 */
export function decide(table: RouteTable, query: RouteQuery, isWell: IsWell): Decision {
  if (query.own !== null) {
    const { own } = query;
    const queue = ownQueue(table, own);
    return { queue, to: { kind: 'own', smarthost: own }, rule: null, choice: null };
  }
  const index = table.rules.findIndex((rule) => failingCondition(rule, query) === null);
  const rule = index === -1 ? null : index;
  const target = table.rules[index]?.target ?? table.fallback;
  if (target.kind === 'mx') {
    const domain = domainOf(query.recipient).toLowerCase();
    return { queue: domain, to: { kind: 'mx', domain }, rule, choice: null };
  }
  const { hop, choice } = choose(target, query, isWell);
  return { queue: hop.queue, to: { kind: 'hop', nextHop: hop.nextHop }, rule, choice };
}

/** The first condition of a rule that a query does not meet; null when the rule fits. */
export function failingCondition(
  rule: RouteRule,
  query: RouteQuery,
): 'recipient' | 'sender' | 'user' | 'tag' | 'size' | 'attempts' | null {
  const fits = (patterns: readonly string[] | undefined, texts: readonly string[]): boolean =>
    patterns === undefined ||
    patterns.some((pattern) => texts.some((text) => fitsPattern(pattern, text)));
  if (!fits(rule.recipient, [query.recipient])) {
    return 'recipient';
  }
  if (!fits(rule.sender, [query.sender === '' ? '<>' : query.sender])) {
    return 'sender';
  }
  if (!fits(rule.user, query.user === null ? [] : [query.user])) {
    return 'user';
  }
  if (!fits(rule.tag, query.tags)) {
    return 'tag';
  }
  if (!compares(rule.sizeBytes, query.sizeBytes)) {
    return 'size';
  }
  return compares(rule.attempts, query.attempts) ? null : 'attempts';
}

/** The hops of a pool in the order in which this message would ask them. */
export function poolOrder(
  members: ReadonlyArray<{ hop: RouteHop; weight: number }>,
  { queueId, attempts }: Pick<RouteQuery, 'queueId' | 'attempts'>,
): RouteHop[] {
  // Weighted rendezvous hashing: each member gets its share of all messages, and a member that
  // falls out changes nothing for the messages of the others.
  return members
    .filter(({ weight }) => weight > 0)
    .map(({ hop, weight }) => ({
      hop,
      score: -Math.log(hashOf(`${queueId} ${attempts} ${hop.queue}`)) / weight,
    }))
    .sort((a, b) => a.score - b.score)
    .map(({ hop }) => hop);
}

function choose(
  target: Exclude<RouteTarget, { kind: 'mx' }>,
  query: RouteQuery,
  isWell: IsWell,
): { hop: RouteHop; choice: Decision['choice'] } {
  if (target.kind === 'hop') {
    return { hop: target.hop, choice: null };
  }
  const order = poolOrder(target.members, query);
  const doubted = [...order, ...target.failover].find(({ queue }) => queue === query.doubtQueue);
  if (doubted !== undefined) {
    return { hop: doubted, choice: 'doubt' };
  }
  const isFit = ({ queue }: RouteHop): boolean => query.unfitQueues?.includes(queue) !== true;
  const members = order.filter(isFit);
  const reserves = target.failover.filter(isFit);
  const member = members.find(({ queue }) => isWell(queue));
  if (member !== undefined) {
    return { hop: member, choice: 'weight' };
  }
  const reserve = reserves.find(({ queue }) => isWell(queue));
  return reserve === undefined
    ? { hop: members[0] ?? reserves[0] ?? (order[0] as RouteHop), choice: 'none-well' }
    : { hop: reserve, choice: 'failover' };
}

function ownQueue(table: RouteTable, { hostname, port, address }: MessageSmarthost): string {
  const named = address === null ? namedHop(table, hostname) : undefined;
  const host = hostname.includes(':') ? `[${hostname}]` : hostname;
  return `${OWN_SMARTHOST_PREFIX}${host}:${port ?? named?.port ?? 25}`;
}

function compares(comparison: Comparison | undefined, given: number): boolean {
  switch (comparison?.operator) {
    case undefined:
      return true;
    case '<':
      return given < comparison.value;
    case '<=':
      return given <= comparison.value;
    case '>':
      return given > comparison.value;
    case '>=':
      return given >= comparison.value;
    case '=':
      return given === comparison.value;
  }
}

/** FNV-1a with a final mix, as a number above 0 and below 1. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (((hash ^ (hash >>> 16)) >>> 0) + 0.5) / 2 ** 32;
}
